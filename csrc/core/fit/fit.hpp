#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/fit/problem.hpp"

namespace fastsfes::fit {

// Scales of the blocks move over decades. Beyond these limits u(x2, g) is g x2 or 1 for every x2 that counts (1e-3 to
// 1e6), and a fit would run on for ever.
inline constexpr double kLeastScale = 1e-8, kLargestScale = 1e4;

struct Options {
  int starts = 1;            ///< the given start, and starts - 1 others drawn around it
  std::uint64_t seed = 0;    ///< of those draws
  int max_evaluations = 60;  ///< of the projected problem, per start
  double ftol = 1e-8;        ///< stop when a step lowers (or could lower) the squared loss by less than this part of it
  double xtol = 1e-9;        ///< stop when no parameter moves by more than this, relative to its size
  bool eliminate = true;     ///< false: all parameters are treated as non-linear
};

enum class Status {
  Converged,
  EvaluationLimit,  ///< max_evaluations reached; the best point so far
  NotFinite,        ///< the loss cannot be computed at any start
  Infeasible,       ///< the equalities cannot be met
  Invalid,          ///< the expression does not fit the problem; `message` says why
};

[[nodiscard]] const char* status_name(Status status) noexcept;

struct Result {
  std::vector<double> parameters;                              ///< of all channels in their order, then the fractions
  std::vector<char> linear;                                    ///< per parameter: was it eliminated?
  std::vector<double> losses;                                  ///< WRMSD per block
  double objective = std::numeric_limits<double>::infinity();  ///< squared loss with penalties and ridge
  double confirmed = std::numeric_limits<double>::infinity();  ///< losses[0] once more, of the factors at `parameters`:
                                                               ///< another number where huge columns cancel
  Status status = Status::NotFinite;
  std::string message;
  int evaluations = 0;
  std::size_t rank = 0;
};

/// One candidate: an expression per channel, and its start.
struct Candidate {
  std::vector<Expression> expressions;
  std::vector<double> start;         ///< per parameter, fractions last
  std::vector<double> lower, upper;  ///< per parameter; empty when there are no bounds
};

/// A candidate that does not fit the problem is a Result of status Invalid. Throws what is no fault of the candidate:
/// Stopped, and std::bad_alloc where memory ends.
[[nodiscard]] Result fit_candidate(const Problem& problem, const Candidate& candidate, const Options& options);

/// All candidates, one thread each. Results do not depend on the number of threads.
[[nodiscard]] std::vector<Result> fit_batch(const Problem& problem, const std::vector<Candidate>& candidates,
                                            const Options& options, int threads);

}  // namespace fastsfes::fit
