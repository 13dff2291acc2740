#include "core/fit/fit.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/error.hpp"
#include "core/base/team.hpp"
#include "core/base/vmath.h"
#include "core/fit/evaluation.hpp"
#include "core/fit/levenberg_marquardt.hpp"
#include "core/fit/varpro.hpp"

namespace fastsfes::fit {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

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

/// One fit in steps: the candidate is checked and analysed, the starts are fitted, the best is reported.
class Fit {
 public:
  Fit(const Problem& problem, const Candidate& candidate, const Options& options)
      : problem_(problem), candidate_(candidate), options_(options) {}

  Result run() {
    check_sizes();
    result_.losses.assign(problem_.blocks().size(), kInfinity);
    result_.parameters = candidate_.start;
    VariableProjection projection(problem_, models());
    result_.linear.assign(candidate_.start.size(), 0);
    for (std::size_t k = 0; k < projection.columns().linear(); ++k)
      result_.linear[projection.columns().linear_index(k)] = 1;
    if (!projection.columns().usable()) {
      result_.message = "a term is not finite on the nodes";
      return result_;
    }
    find_best(projection, variables(projection));
    if (best_.objective < kInfinity) {
      report(projection);
    } else {
      result_.status = infeasible_ ? Status::Infeasible : Status::NotFinite;
      result_.message = infeasible_
                            ? "the equality constraints cannot be met by the linear parameters that have no bounds"
                            : "the loss is not finite";
    }
    return result_;
  }

 private:
  bool bounded() const { return !candidate_.lower.empty(); }

  void check_sizes() const {
    const std::size_t channels = problem_.channels().size();
    if (candidate_.expressions.size() != channels) {
      throw InputError("expected " + std::to_string(channels) + " expressions, one per channel, got " +
                       std::to_string(candidate_.expressions.size()));
    }
    std::size_t count = problem_.extra();
    for (const Expression& e : candidate_.expressions) count += e.parameters().size();
    if (candidate_.start.size() != count) {
      throw InputError("expected " + std::to_string(count) + " start values, got " +
                       std::to_string(candidate_.start.size()));
    }
    if (bounded() && (candidate_.lower.size() != count || candidate_.upper.size() != count)) {
      throw InputError("expected " + std::to_string(count) + " bounds, got " + std::to_string(candidate_.lower.size()) +
                       " and " + std::to_string(candidate_.upper.size()));
    }
  }

  std::vector<std::shared_ptr<const ChannelModel>> models() const {
    std::vector<std::shared_ptr<const ChannelModel>> models;
    std::size_t first = 0;
    for (std::size_t k = 0; k < candidate_.expressions.size(); ++k) {
      const std::size_t size = candidate_.expressions[k].parameters().size();
      std::vector<char> eliminable(size, options_.eliminate ? 1 : 0);
      for (std::size_t p = 0; bounded() && p < size; ++p) {
        // A bounded parameter is kept: the linear solve knows no bounds.
        if (std::isfinite(candidate_.lower[first + p]) || std::isfinite(candidate_.upper[first + p])) eliminable[p] = 0;
      }
      first += size;
      models.push_back(problem_.model(k, candidate_.expressions[k], eliminable));
    }
    return models;
  }

  std::vector<Variable> variables(const VariableProjection& projection) const {
    std::vector<Variable> variables(projection.columns().nonlinear());
    for (std::size_t j = 0; j < variables.size(); ++j) {
      const std::size_t p = projection.columns().nonlinear_index(j);
      Variable& v = variables[j];
      v.lower = bounded() ? candidate_.lower[p] : -kInfinity;
      v.upper = bounded() ? candidate_.upper[p] : kInfinity;
      v.logarithmic = projection.columns().positive(j) && candidate_.start[p] > 0.0;
      if (v.logarithmic) {
        v.lower = std::max(v.lower, kLeastScale);
        v.upper = std::min(v.upper, kLargestScale);
      }
    }
    return variables;
  }

  /// The given start (0) or one drawn around it.
  std::vector<double> start(const VariableProjection& projection, const std::vector<Variable>& variables, int s) const {
    std::vector<double> theta(variables.size());
    for (std::size_t j = 0; j < theta.size(); ++j) {
      const double given = candidate_.start[projection.columns().nonlinear_index(j)];
      const double unit = 2.0 * draw(options_.seed, static_cast<std::uint64_t>(s), j) - 1.0;
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
    return theta;
  }

  void find_best(VariableProjection& projection, const std::vector<Variable>& variables) {
    best_.objective = kInfinity;
    const int starts = variables.empty() ? 1 : std::max(1, options_.starts);
    for (int s = 0; s < starts; ++s) {
      check_stop();
      std::vector<double> theta = start(projection, variables, s);
      const Outcome outcome = minimise(projection, variables, theta, options_);
      result_.evaluations += outcome.evaluations;
      infeasible_ = infeasible_ || !outcome.point.feasible;
      if (outcome.point.objective < best_.objective) {
        best_ = outcome.point;
        best_theta_ = theta;
        result_.status = outcome.status;
      }
    }
  }

  void report(VariableProjection& projection) {
    result_.objective = best_.objective;
    result_.rank = best_.rank;
    for (std::size_t j = 0; j < best_theta_.size(); ++j) {
      result_.parameters[projection.columns().nonlinear_index(j)] = best_theta_[j];
    }
    for (std::size_t k = 0; k < projection.columns().linear(); ++k) {
      result_.parameters[projection.columns().linear_index(k)] = best_.coefficients[k];
    }
    result_.losses[0] = std::sqrt(best_.squared);
    result_.confirmed = std::sqrt(Evaluation(problem_, candidate_.expressions).squared(result_.parameters.data()));
    const std::vector<double> others = projection.other_blocks(best_theta_.data(), best_);
    for (std::size_t b = 0; b < others.size(); ++b) result_.losses[b + 1] = std::sqrt(others[b]);
  }

  const Problem& problem_;
  const Candidate& candidate_;
  const Options& options_;
  Result result_;
  VariableProjection::Point best_;
  std::vector<double> best_theta_;
  bool infeasible_ = false;
};

}  // namespace

const char* status_name(Status status) noexcept {
  switch (status) {
    case Status::Converged:
      return "converged";
    case Status::EvaluationLimit:
      return "evaluation_limit";
    case Status::NotFinite:
      return "not_finite";
    case Status::Infeasible:
      return "infeasible";
    case Status::Invalid:
      return "invalid";
  }
  return "";
}

Result fit_candidate(const Problem& problem, const Candidate& candidate, const Options& options) {
  try {
    return Fit(problem, candidate, options).run();
  } catch (const InputError& error) {
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
  for_each_part(candidates.size(), threads,
                [&](std::size_t i) { results[i] = fit_candidate(problem, candidates[i], options); });
  return results;
}

}  // namespace fastsfes::fit
