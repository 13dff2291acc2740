#include "core/fit/packed_matrix.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/base/isa.hpp"
#include "core/fit/linalg.hpp"

namespace fastsfes::fit {

const LinalgTable& linalg() {
  static const LinalgTable& best = FASTSFES_BY_ISA(linalg);
  return best;
}

PackedMatrix::PackedMatrix(std::size_t rows, std::size_t columns) : rows_(rows), columns_(columns) {
  allocate(stride() * columns);
}

PackedMatrix::PackedMatrix(std::vector<double> diagonal, std::size_t rows, std::size_t columns)
    : rows_(rows), columns_(columns), diagonal_(std::move(diagonal)) {
  allocate((rows - diagonal_.size()) * (columns - diagonal_.size()));
}

void PackedMatrix::allocate(std::size_t size) {
  size = std::max<std::size_t>(1, size);
  data_.reset(static_cast<double*>(::operator new[](size * sizeof(double), std::align_val_t{64})));
  std::fill_n(data_.get(), size, 0.0);
}

std::size_t PackedMatrix::stride() const noexcept { return padded(rows_); }

std::size_t PackedMatrix::index(std::size_t row, std::size_t column) const noexcept {
  const std::size_t n = diagonal_.size();
  assert(row < rows_ && column < columns_);
  assert((row < n) == (column < n) || n == 0);  // the two blocks of a matrix with a diagonal
  if (n > 0) return (row - n) * (columns_ - n) + column - n;
  return ((row / kPanel) * columns_ + column) * kPanel + row % kPanel;
}

void PackedMatrix::set(std::size_t row, std::size_t column, double value) noexcept {
  data_[index(row, column)] = value;
}
double PackedMatrix::operator()(std::size_t row, std::size_t column) const noexcept {
  return data_[index(row, column)];
}

void PackedMatrix::project(const double* const* in, std::size_t count, double* const* out) const {
  constexpr std::size_t kGroup = 32;  // pointers kept on the stack
  const LinalgTable& table = linalg();
  const std::size_t n = diagonal_.size();
  for (std::size_t c = 0; n > 0 && c < count; ++c) {
    for (std::size_t r = 0; r < n; ++r) out[c][r] = diagonal_[r] * in[c][r];
    for (std::size_t r = n; r < rows_; ++r) {
      out[c][r] = 0.0;
      for (std::size_t k = n; k < columns_; ++k) out[c][r] += data_[index(r, k)] * in[c][k];
    }
    std::fill(out[c] + rows_, out[c] + stride(), 0.0);
  }
  if (n > 0) return;
  double* target[kGroup];
  for (std::size_t first = 0; first < count; first += kGroup) {
    const std::size_t group = std::min(kGroup, count - first);
    for (std::size_t row = 0; row < rows_; row += kPanel) {
      for (std::size_t c = 0; c < group; ++c) target[c] = out[first + c] + row;
      table.project(data_.get() + row * columns_, columns_, in + first, group, target);
    }
  }
}

}  // namespace fastsfes::fit
