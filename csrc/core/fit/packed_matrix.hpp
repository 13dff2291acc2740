#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace fastsfes::fit {

/// A row-major matrix repacked in panels of kPanel rows, for products with a few columns at a time; or a diagonal with
/// a small dense block after it, for rows that are points themselves.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(std::size_t rows, std::size_t columns);
  /// The first rows and columns are `diagonal`, those after it (few) are dense and zero at first.
  PackedMatrix(std::vector<double> diagonal, std::size_t rows, std::size_t columns);

  /// With a diagonal, only for rows and columns after it.
  void set(std::size_t row, std::size_t column, double value) noexcept;
  double operator()(std::size_t row, std::size_t column) const noexcept;

  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }
  /// Length that an output must have: rows() rounded up to whole panels.
  [[nodiscard]] std::size_t stride() const noexcept;

  /// out[c][r] = sum over k of (*this)(r, k) * in[c][k], for c < count; outputs have stride() elements, those beyond
  /// rows() become zero (or NaN when the column holds NaN or infinity).
  void project(const double* const* in, std::size_t count, double* const* out) const;

 private:
  struct Free {
    void operator()(double* p) const noexcept { ::operator delete[](p, std::align_val_t{64}); }
  };
  void allocate(std::size_t size);
  [[nodiscard]] std::size_t index(std::size_t row, std::size_t column) const noexcept;
  std::size_t rows_ = 0, columns_ = 0;
  std::vector<double> diagonal_;  ///< empty: the whole matrix is dense
  std::unique_ptr<double[], Free> data_;
};

}  // namespace fastsfes::fit
