#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

namespace fastsfes {

/// Dense matrix whose rows are padded to whole cache lines and start on one: the products below stream it once.
class EnergyMatrix {
 public:
  /// `values`: row-major (rows, columns).
  EnergyMatrix(std::span<const double> values, std::size_t rows, std::size_t columns);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t columns() const noexcept { return columns_; }
  /// Bytes held, padding included.
  std::size_t bytes() const noexcept { return rows_ * stride_ * sizeof(double); }

  /// out (count, rows) = f (count, columns) . matrix^T. The order of additions is fixed (eight lanes, then a tree), so
  /// the bits depend neither on the instruction set nor on the number of threads nor on `count`.
  void product(std::span<const double> f, std::size_t count, std::span<double> out) const;

  /// out (columns) = matrix^T . g (rows), rows added in their order.
  void transpose_product(std::span<const double> g, std::span<double> out) const;

 private:
  struct Free {
    void operator()(double* p) const noexcept { ::operator delete[](p, std::align_val_t{64}); }
  };
  using Buffer = std::unique_ptr<double[], Free>;
  static Buffer aligned_zeros(std::size_t size);

  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  std::size_t stride_ = 0;
  Buffer data_;
};

/// The errors of reactions as affine functions of the values of the enhancement factors at the quadrature nodes:
///   error = S (M f) + offset,   WRMSD = sqrt(mean_i weight_i error_i^2).
/// M (species, nodes) holds energies, S (reactions, species) is the sparse stoichiometry.
class ReactionLoss {
 public:
  /// CSR arrays of S: row_start (reactions + 1), species and coefficient (nonzeros). An empty row_start means that
  /// the rows of M are the reactions already. Throws InputError on indices out of range.
  ReactionLoss(EnergyMatrix matrix, std::vector<std::int64_t> row_start, std::vector<std::int32_t> species,
               std::vector<double> coefficient, std::vector<double> offset, std::vector<double> weight);

  std::size_t reactions() const noexcept { return offset_.size(); }
  const EnergyMatrix& matrix() const noexcept { return matrix_; }

  /// out (count, reactions) = errors for each of `count` vectors of node values.
  void errors(std::span<const double> f, std::size_t count, std::span<double> out) const;

  /// out (count) = WRMSD; NaN and infinity in f survive.
  void wrmsd(std::span<const double> f, std::size_t count, std::span<double> out) const;

  /// WRMSD of one vector and its gradient with respect to f (columns). The gradient is 0 where the WRMSD is.
  double gradient(std::span<const double> f, std::span<double> out) const;

 private:
  EnergyMatrix matrix_;
  std::vector<std::int64_t> row_start_;
  std::vector<std::int32_t> species_;
  std::vector<double> coefficient_;
  std::vector<double> offset_;
  std::vector<double> weight_;
};

}  // namespace fastsfes
