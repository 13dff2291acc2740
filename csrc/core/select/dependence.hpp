#pragma once

#include <cstddef>
#include <vector>

#include "core/select/problem.hpp"

namespace fastsfes::select {

/// An orthonormal basis of the columns of some terms, by Gram-Schmidt twice over: half the digits that the Gram matrix
/// loses.
class Orthonormal {
 public:
  /// Room for so many terms.
  Orthonormal(const Problem& problem, std::size_t terms);

  /// Writes the products of a term's unit column with the basis, and then the size of what the basis does not give,
  /// which becomes its next column. False (and the basis stays) where that is rounding: the term depends on the others.
  bool add(std::size_t term, double* products);
  [[nodiscard]] const double* back() const noexcept { return q_.data() + (size_ - 1) * problem_.length; }

 private:
  const Problem& problem_;
  std::size_t size_ = 0;
  std::vector<double> q_;
};

/// Those of the terms that do not depend on the ones before them.
[[nodiscard]] std::vector<std::size_t> independent(const Problem& problem, const std::vector<std::size_t>& terms);

/// Some of the terms, of which each depends on the others: no subset with all of them has coefficients of its own.
/// Empty where there are none, or where rounding leaves open which they are.
[[nodiscard]] std::vector<std::size_t> circuit(const Problem& problem, const std::vector<std::size_t>& terms);

}  // namespace fastsfes::select
