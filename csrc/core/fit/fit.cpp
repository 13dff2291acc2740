#include "core/fit/fit.hpp"

#include <algorithm>
#include <cmath>
#include <exception>

#include "core/base/error.hpp"
#include "core/base/team.hpp"
#include "core/base/vmath.h"
#include "core/fit/evaluation.hpp"
#include "core/fit/levenberg_marquardt.hpp"
#include "core/fit/varpro.hpp"

namespace fastsfes::fit {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Scales of the blocks move over decades. Beyond these limits u(x2, g) is g x2 or 1 for every x2 that counts (1e-3 to
// 1e6), and a fit would run on for ever.
constexpr double kLeastScale = 1e-8, kLargestScale = 1e4;

/// A number in [0, 1) that depends on its three arguments alone (SplitMix64's mixing).
double draw(std::uint64_t seed, std::uint64_t start, std::uint64_t parameter) {
  std::uint64_t z = seed * 0x9E3779B97F4A7C15ULL + start * 0xD1B54A32D192ED03ULL + parameter * 0x8CB92BA72F3D8DD7ULL;
  for (int i = 0; i < 2; ++i) {
    z += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
  }
  return static_cast<double>(z >> 11) * 0x1p-53;
}

Result run(const Problem& problem, const Candidate& candidate, const Options& options) {
  Result result;
  result.losses.assign(problem.blocks().size(), kInfinity);
  const std::size_t channels = problem.channels().size();
  if (candidate.expressions.size() != channels) {
    throw InputError("expected " + std::to_string(channels) + " expressions, one per channel, got " +
                     std::to_string(candidate.expressions.size()));
  }
  std::size_t count = problem.extra();
  std::vector<std::size_t> sizes;
  for (const Expression& e : candidate.expressions) {
    sizes.push_back(e.parameters().size());
    count += sizes.back();
  }
  if (candidate.start.size() != count) {
    throw InputError("expected " + std::to_string(count) + " start values, got " +
                     std::to_string(candidate.start.size()));
  }
  const bool bounded = !candidate.lower.empty();
  if (bounded && (candidate.lower.size() != count || candidate.upper.size() != count)) {
    throw InputError("expected " + std::to_string(count) + " bounds, got " + std::to_string(candidate.lower.size()) +
                     " and " + std::to_string(candidate.upper.size()));
  }
  std::vector<std::shared_ptr<const ChannelModel>> models;
  std::size_t first = 0;
  for (std::size_t k = 0; k < channels; ++k) {
    std::vector<char> eliminable(sizes[k], options.eliminate ? 1 : 0);
    for (std::size_t p = 0; bounded && p < sizes[k]; ++p) {
      // A bounded parameter is kept: the linear solve knows no bounds.
      if (std::isfinite(candidate.lower[first + p]) || std::isfinite(candidate.upper[first + p])) eliminable[p] = 0;
    }
    first += sizes[k];
    models.push_back(problem.model(k, candidate.expressions[k], eliminable));
  }
  VariableProjection projection(problem, std::move(models));
  result.parameters = candidate.start;
  result.linear.assign(count, 0);
  for (std::size_t k = 0; k < projection.linear(); ++k) result.linear[projection.linear_index(k)] = 1;
  if (!projection.usable()) {
    result.message = "a term is not finite on the nodes";
    return result;
  }

  std::vector<Variable> variables(projection.nonlinear());
  for (std::size_t j = 0; j < variables.size(); ++j) {
    const std::size_t p = projection.nonlinear_index(j);
    Variable& v = variables[j];
    v.lower = bounded ? candidate.lower[p] : -kInfinity;
    v.upper = bounded ? candidate.upper[p] : kInfinity;
    v.logarithmic = projection.positive(j) && candidate.start[p] > 0.0;
    if (v.logarithmic) {
      v.lower = std::max(v.lower, kLeastScale);
      v.upper = std::min(v.upper, kLargestScale);
    }
  }

  VariableProjection::Point best;
  best.objective = kInfinity;
  std::vector<double> best_theta;
  bool infeasible = false, given_up = false;
  result.status = Status::NotFinite;
  const int starts = variables.empty() ? 1 : std::max(1, options.starts);
  for (int s = 0; s < starts; ++s) {
    std::vector<double> theta(variables.size());
    for (std::size_t j = 0; j < theta.size(); ++j) {
      const double given = candidate.start[projection.nonlinear_index(j)];
      const double unit = 2.0 * draw(options.seed, static_cast<std::uint64_t>(s), j) - 1.0;
      // Scales: up to two decades either way. Others: up to twice their size plus one.
      if (s == 0) {
        theta[j] = given;
      } else if (variables[j].logarithmic) {
        theta[j] = given * vm::pow(100.0, unit);
      } else {
        theta[j] = given + 2.0 * unit * (1.0 + std::abs(given));
      }
      theta[j] = std::clamp(theta[j], variables[j].lower, variables[j].upper);
    }
    const Outcome outcome = minimise(projection, variables, theta, options);
    result.evaluations += outcome.evaluations;
    infeasible = infeasible || !outcome.point.feasible;
    given_up = given_up || outcome.status == Status::GaveUp;
    if (outcome.point.objective < best.objective) {
      best = outcome.point;
      best_theta = theta;
      result.status = outcome.status;
    }
  }
  if (!(best.objective < kInfinity)) {
    if (infeasible) result.status = Status::Infeasible;
    result.message = infeasible ? "the equality constraints cannot be met by the linear parameters that have no bounds"
                                : "the loss is not finite";
    return result;
  }
  result.objective = best.objective;
  result.rank = best.rank;
  for (std::size_t j = 0; j < best_theta.size(); ++j) result.parameters[projection.nonlinear_index(j)] = best_theta[j];
  for (std::size_t k = 0; k < projection.linear(); ++k) {
    result.parameters[projection.linear_index(k)] = best.coefficients[k];
  }
  result.losses[0] = std::sqrt(best.squared);
  result.confirmed = std::sqrt(Evaluation(problem, candidate.expressions).squared(result.parameters.data()));
  const std::vector<double> others = projection.other_blocks(best_theta.data(), best);
  for (std::size_t b = 0; b < others.size(); ++b) result.losses[b + 1] = std::sqrt(others[b]);
  return result;
}

}  // namespace

const char* status_name(Status status) noexcept {
  switch (status) {
    case Status::Converged:
      return "converged";
    case Status::EvaluationLimit:
      return "evaluation_limit";
    case Status::GaveUp:
      return "gave_up";
    case Status::NotFinite:
      return "not_finite";
    case Status::Infeasible:
      return "infeasible";
    case Status::Invalid:
      return "invalid";
  }
  return "";
}

Result fit_candidate(const Problem& problem, const Candidate& candidate, const Options& options) noexcept {
  try {
    return run(problem, candidate, options);
  } catch (const std::exception& error) {
    Result result;
    result.parameters = candidate.start;
    result.linear.assign(candidate.start.size(), 0);
    result.losses.assign(problem.blocks().size(), kInfinity);
    result.status = Status::Invalid;
    result.message = error.what();
    return result;
  }
}

std::vector<Result> fit_batch(const Problem& problem, const std::vector<Candidate>& candidates, const Options& options,
                              int threads) {
  std::vector<Result> results(candidates.size());
  const auto count = static_cast<std::ptrdiff_t>(candidates.size());
  const int team =
      static_cast<int>(std::min<std::ptrdiff_t>(thread_count(threads), std::max<std::ptrdiff_t>(1, count)));
#pragma omp parallel for schedule(dynamic) num_threads(team) if (team > 1)
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    results[static_cast<std::size_t>(i)] = fit_candidate(problem, candidates[static_cast<std::size_t>(i)], options);
  }
  return results;
}

}  // namespace fastsfes::fit
