#pragma once

#include <cstddef>
#include <vector>

#include "core/fit/packed_matrix.hpp"
#include "core/fit/qr.hpp"

namespace fastsfes::fit {

/// An orthogonal basis of everything the rows of a problem can say.
///
/// Reactions outnumber species, so the weighted matrix [A_1 A_2 ... extra target] has fewer independent rows than rows.
/// Rotating all of it by Q^T keeps every norm and leaves zeros below rank(): sums of squares need only the rows above.
class RowBasis {
 public:
  /// Finds the range of the matrix with columns of all `matrices` (rows x nodes each), times `scale` row by row, and
  /// `vectors` (already scaled), from fixed pseudo-random combinations of its columns.
  RowBasis(const std::vector<const PackedMatrix*>& matrices, const std::vector<double>& scale,
           const std::vector<std::vector<double>>& vectors);

  [[nodiscard]] std::size_t rank() const noexcept { return qr_.rank(); }
  /// v <- Q^T v; v has padded(rows) elements.
  void rotate(double* v) const { qr_.apply_transpose(&v, 1); }

 private:
  std::vector<double> storage_;
  PivotedQr qr_;
};

}  // namespace fastsfes::fit
