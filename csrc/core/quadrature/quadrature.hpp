#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fastsfes {

/// How a feature becomes the coordinate in which an axis has equidistant nodes.
enum class AxisMap : std::uint8_t {
  linear,  ///< y = x
  log1p,   ///< y = log(1 + x / scale)
  log,     ///< y = log(x / scale)
  u        ///< y = (x / (x + scale))^(1/6): u(x; g) with g = 1 / scale, its square and cube roots being polynomials
};

/// One axis of a tensor grid of interpolation nodes: `nodes` equidistant nodes in lower <= y <= upper (both ends
/// are nodes) and local Lagrange interpolation of polynomial degree `order` (order + 1 nodes around the point).
struct Axis {
  AxisMap map = AxisMap::linear;
  double scale = 1.0;
  double lower = 0.0;
  double upper = 1.0;
  int nodes = 2;
  int order = 1;

  /// Coordinate of a feature value.
  [[nodiscard]] double coordinate(double feature) const noexcept;
  /// Feature value at node `index`.
  [[nodiscard]] double feature(int index) const noexcept;
};

/// Highest polynomial degree of an axis.
inline constexpr int kMaxAxisOrder = 15;

/// Local tensor Lagrange interpolation on a few axes; the first axis varies slowest.
///
/// `scatter` is the transpose of `interpolate`: it moves the weights of points onto the nodes, such that
/// sum_i weight_i F(point_i) = sum_k moved_k F(node_k) for every F that the interpolation represents. A
/// point outside the bounds counts at the boundary. Results never depend on the number of threads: points are
/// cut into blocks of fixed size and partial sums are added in the order of the blocks.
class TensorNodes {
 public:
  /// Throws InputError when an axis is not well formed.
  explicit TensorNodes(std::vector<Axis> axes);

  [[nodiscard]] const std::vector<Axis>& axes() const noexcept { return axes_; }
  [[nodiscard]] std::size_t dimension() const noexcept { return axes_.size(); }
  /// Number of nodes of the full tensor grid.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Node features, row-major (size, dimension).
  void features(std::span<double> out) const;

  /// out (rows, size) += the moved weights. points: row-major (n, dimension); weights: row-major (rows, n).
  /// A point all of whose weights are zero is passed over, whatever its features are.
  /// Returns the number of points with a weight that lay outside the bounds of an axis by more than rounding. Throws
  /// InputError, and leaves `out` unfinished, when a point has a weight and a feature that is not finite.
  [[nodiscard]] std::int64_t scatter(std::span<const double> points, std::span<const double> weights, std::size_t rows,
                                     std::span<double> out) const;

  /// out (rows, n) = values of the interpolants whose node values are given, row-major (rows, size).
  void interpolate(std::span<const double> points, std::span<const double> values, std::size_t rows,
                   std::span<double> out) const;

 private:
  struct Stencil;
  [[nodiscard]] bool locate(const double* point, Stencil& stencil) const noexcept;

  std::vector<Axis> axes_;
  std::vector<std::size_t> strides_;
  std::vector<std::vector<double>> scale_;  ///< 1 / prod_{j != k} (k - j) of each axis
  std::size_t size_ = 0;
};

}  // namespace fastsfes
