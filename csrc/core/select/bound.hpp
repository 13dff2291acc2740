#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "core/select/problem.hpp"

namespace fastsfes::select {

struct Bound {
  std::vector<std::size_t> terms;  ///< the best subset seen, ascending; empty where none beat the one given
  double value = 0.0;              ///< its residual sum of squares, or the given one
  double lower = 0.0;              ///< no subset of this size is below
  std::size_t nodes = 0;           ///< sets looked at
  bool complete = false;           ///< then `value` is the minimum
};

/// Leaps and bounds (Furnival & Wilson 1974, 10.1080/00401706.1974.10489231): terms are left out one after the other,
/// and a set whose residual is not below `value` is not followed, because its subsets have larger ones. Ends after
/// `nodes` sets with the lower bound that the sets not looked at leave.
[[nodiscard]] Bound leaps_and_bounds(const Problem& problem, std::size_t size, double value, std::size_t nodes,
                                     const std::function<bool()>& stop);

}  // namespace fastsfes::select
