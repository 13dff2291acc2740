#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/select/criterion.hpp"
#include "core/select/problem.hpp"

namespace fastsfes::select {

struct Plan {
  std::size_t size = 0;  ///< terms to choose, those always chosen among them
  std::size_t restarts = 16;
  std::size_t patience = 40;  ///< kicks without a better subset after which a restart ends
  std::size_t screen = 1000;  ///< exchanges solved per step under conditions or a criterion, the most promising first
  std::size_t keep = 16;      ///< subsets returned
  std::uint64_t seed = 0;
  int threads = 0;
  std::vector<std::vector<std::size_t>> starts;  ///< subsets where the first restarts begin
};

struct Subset {
  std::vector<std::size_t> terms;  ///< ascending
  double value = 0.0;              ///< residual sum of squares, or the criterion
};

struct Outcome {
  std::vector<Subset> subsets;  ///< the best, each once, ascending value
  std::size_t agreeing = 0;     ///< independent restarts that ended at the best one
  std::size_t restarts = 0;     ///< independent ones that found a subset
  double scored = 0.0;          ///< subsets scored by a sweep
  double solved = 0.0;          ///< subsets solved under all conditions
};

/// Iterated local search with restarts: exchanges that lower the residual most until none does, then a few random ones,
/// and back where that led to nothing better. Where less than half of the restarts agree, some more begin at the best
/// subsets of all. Each restart has its own random stream, so that the outcome depends on the plan alone and not on the
/// number of threads. A criterion decides in place of the residual where there is one;
/// the residual then says which exchanges are tried. `stop` is asked now and then; true ends the search early.
[[nodiscard]] Outcome search(const Problem& problem, const Criterion* criterion, const Plan& plan,
                             const std::function<bool()>& stop);

}  // namespace fastsfes::select
