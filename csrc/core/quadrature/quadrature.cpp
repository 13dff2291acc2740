#include "core/quadrature/quadrature.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/team.hpp"
#include "core/base/vmath.h"

namespace fastsfes {

namespace {

constexpr std::size_t kMaxDimension = 4;
constexpr std::size_t kBlockPoints = 8192;  // fixed: results must not depend on the number of threads
constexpr std::size_t kWaveBlocks = 16;     // partial sums held at once; bounds the memory
constexpr double kBoundarySlack = 1e-9;     // in units of the node distance

}  // namespace

double Axis::coordinate(double feature) const noexcept {
  switch (map) {
    case AxisMap::log1p:
      return vm::log1p(feature / scale);
    case AxisMap::log:
      return vm::log(feature / scale);
    case AxisMap::u:
      return vm::cbrt(std::sqrt(feature / (feature + scale)));
    case AxisMap::linear:
      break;
  }
  return feature;
}

double Axis::feature(int index) const noexcept {
  if (index == nodes - 1 && map == AxisMap::linear) return upper;
  const double y = lower + (upper - lower) * index / (nodes - 1);
  switch (map) {
    case AxisMap::log1p:
      return scale * vm::expm1(y);
    case AxisMap::log:
      return scale * vm::exp(y);
    case AxisMap::u: {
      const double u = (y * y * y) * (y * y * y);
      return scale * u / (1.0 - u);
    }
    case AxisMap::linear:
      break;
  }
  return y;
}

/// Nodes and interpolation weights of one point.
struct TensorNodes::Stencil {
  std::array<int, kMaxDimension> start{};
  std::array<std::array<double, kMaxAxisOrder + 1>, kMaxDimension> weight{};
  bool outside = false;
};

TensorNodes::TensorNodes(std::vector<Axis> axes) : axes_(std::move(axes)) {
  if (axes_.empty() || axes_.size() > kMaxDimension) {
    throw InputError("quadrature nodes need 1 to 4 axes, got " + std::to_string(axes_.size()));
  }
  for (std::size_t d = 0; d < axes_.size(); ++d) {
    const Axis& axis = axes_[d];
    const std::string where = "axis " + std::to_string(d) + " of the quadrature nodes: ";
    if (axis.order < 1 || axis.order > kMaxAxisOrder) {
      throw InputError(where + "order " + std::to_string(axis.order) + " is not in 1 ... " +
                       std::to_string(kMaxAxisOrder));
    }
    if (axis.nodes <= axis.order) {
      throw InputError(where + "order " + std::to_string(axis.order) + " needs at least " +
                       std::to_string(axis.order + 1) + " nodes, got " + std::to_string(axis.nodes));
    }
    if (!(axis.upper > axis.lower) || !std::isfinite(axis.upper - axis.lower)) {
      throw InputError(where + "the upper bound must exceed the lower bound");
    }
    if (axis.map != AxisMap::linear && !(axis.scale > 0.0 && std::isfinite(axis.scale))) {
      throw InputError(where + "the scale must be positive");
    }
    if (axis.map == AxisMap::u && !(axis.upper < 1.0)) {
      throw InputError(where + "the upper bound of u must lie below 1, which is reached at infinity");
    }
    std::vector<double> scale(static_cast<std::size_t>(axis.order) + 1);
    for (int k = 0; k <= axis.order; ++k) {
      double product = 1.0;  // integers below 15! * 15!: exact enough, and the same everywhere
      for (int j = 0; j <= axis.order; ++j) {
        if (j != k) product *= k - j;
      }
      scale[static_cast<std::size_t>(k)] = 1.0 / product;
    }
    scale_.push_back(std::move(scale));
  }
  strides_.assign(axes_.size(), 1);
  for (std::size_t d = axes_.size() - 1; d > 0; --d) {
    strides_[d - 1] = strides_[d] * static_cast<std::size_t>(axes_[d].nodes);
  }
  size_ = strides_[0] * static_cast<std::size_t>(axes_[0].nodes);
  if (size_ > (std::size_t{1} << 28)) {
    throw InputError("quadrature nodes: " + std::to_string(size_) + " nodes are too many (at most 2^28)");
  }
}

void TensorNodes::features(std::span<double> out) const {
  if (out.size() != size_ * axes_.size()) throw InputError("features: wrong size of the result");
  for (std::size_t k = 0; k < size_; ++k) {
    for (std::size_t d = 0; d < axes_.size(); ++d) {
      const auto index = (k / strides_[d]) % static_cast<std::size_t>(axes_[d].nodes);
      out[k * axes_.size() + d] = axes_[d].feature(static_cast<int>(index));
    }
  }
}

/// Returns false when a feature is not a finite number.
bool TensorNodes::locate(const double* point, Stencil& stencil) const noexcept {
  stencil.outside = false;
  for (std::size_t d = 0; d < axes_.size(); ++d) {
    const Axis& axis = axes_[d];
    const double last = axis.nodes - 1;
    double t = (axis.coordinate(point[d]) - axis.lower) / (axis.upper - axis.lower) * last;
    // log(0) = -infinity is a legal coordinate (it lies below the lower bound); a NaN or infinite feature is not.
    if (!std::isfinite(point[d]) || std::isnan(t)) return false;
    if (t < -kBoundarySlack || t > last + kBoundarySlack) stencil.outside = true;
    t = std::clamp(t, 0.0, last);
    const int p = axis.order;
    const int centred = static_cast<int>(std::floor(t - 0.5 * (p - 1)));
    const int start = std::clamp(centred, 0, axis.nodes - 1 - p);
    assert(start >= 0 && start + p < axis.nodes);
    stencil.start[d] = start;
    // l_k(s) = prod_{j != k} (s - j) / (k - j), by running products from the left and from the right: exact
    // zeros and ones at the nodes, no division by a vanishing difference.
    const double s = t - start;
    auto& weight = stencil.weight[d];
    double left = 1.0;
    for (int k = 0; k <= p; ++k) {
      weight[static_cast<std::size_t>(k)] = left;
      left *= s - k;
    }
    double right = 1.0;
    for (int k = p; k >= 0; --k) {
      weight[static_cast<std::size_t>(k)] *= right * scale_[d][static_cast<std::size_t>(k)];
      right *= s - k;
    }
  }
  return true;
}

namespace {

/// Visits the nodes of a stencil run by run: visit(first node, weight of the leading axes, weights along the last
/// axis, their number).
template <class Stencil, class Visit>
void for_each_run(const std::vector<Axis>& axes, const std::vector<std::size_t>& strides, const Stencil& stencil,
                  Visit&& visit) {
  const std::size_t leading = std::min(axes.size(), kMaxDimension) - 1;
  std::size_t origin = 0;
  std::size_t runs = 1;
  for (std::size_t d = 0; d <= leading; ++d) {
    origin += static_cast<std::size_t>(stencil.start[d]) * strides[d];
    if (d < leading) runs *= static_cast<std::size_t>(axes[d].order) + 1;
  }
  for (std::size_t run = 0; run < runs; ++run) {
    std::size_t digits = run;
    std::size_t base = origin;
    double weight = 1.0;
    for (std::size_t d = 0; d < leading; ++d) {
      const std::size_t length = static_cast<std::size_t>(axes[d].order) + 1;
      const std::size_t step = digits % length;
      digits /= length;
      base += step * strides[d];
      weight *= stencil.weight[d][step];
    }
    visit(base, weight, stencil.weight[leading].data(), static_cast<std::size_t>(axes[leading].order) + 1);
  }
}

}  // namespace

std::int64_t TensorNodes::scatter(std::span<const double> points, std::span<const double> weights, std::size_t rows,
                                  std::span<double> out) const {
  const std::size_t dim = dimension();
  const std::size_t n = points.size() / dim;
  if (points.size() != n * dim || weights.size() != rows * n || out.size() != rows * size_) {
    throw InputError("scatter: sizes of points, weights and result do not fit");
  }
  const std::size_t blocks = (n + kBlockPoints - 1) / kBlockPoints;
  const std::size_t held = std::min(blocks, kWaveBlocks);
  std::vector<double> partial(held * rows * size_);
  std::vector<std::int64_t> outside(held);
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> bad(held);  // the first point of each block that cannot be located
  std::int64_t count = 0;

  for (std::size_t wave = 0; wave < blocks; wave += held) {
    const std::size_t here = std::min(held, blocks - wave);
    for_each_part(here, 0, [&](std::size_t mine) {
      double* grid = partial.data() + mine * rows * size_;
      std::fill(grid, grid + rows * size_, 0.0);
      outside[mine] = 0;
      bad[mine] = kNone;
      Stencil stencil;
      const std::size_t first = (wave + mine) * kBlockPoints;
      const std::size_t last = std::min(n, first + kBlockPoints);
      for (std::size_t i = first; i < last; ++i) {
        bool used = false;
        for (std::size_t r = 0; r < rows; ++r) used = used || weights[r * n + i] != 0.0;
        if (!used) continue;
        if (!locate(points.data() + i * dim, stencil)) {
          bad[mine] = i;
          break;
        }
        outside[mine] += stencil.outside ? 1 : 0;
        for_each_run(axes_, strides_, stencil,
                     [&](std::size_t base, double outer, const double* inner, std::size_t length) {
                       for (std::size_t r = 0; r < rows; ++r) {
                         const double value = outer * weights[r * n + i];
                         double* target = grid + r * size_ + base;
                         for (std::size_t k = 0; k < length; ++k) target[k] += value * inner[k];
                       }
                     });
      }
    });
    for (std::size_t slot = 0; slot < here; ++slot) {
      if (bad[slot] != kNone) {
        throw InputError("point " + std::to_string(bad[slot]) +
                         " has a weight but a feature that is not a finite number");
      }
      count += outside[slot];
      const double* grid = partial.data() + slot * rows * size_;
      for (std::size_t k = 0; k < rows * size_; ++k) out[k] += grid[k];
    }
  }
  return count;
}

void TensorNodes::interpolate(std::span<const double> points, std::span<const double> values, std::size_t rows,
                              std::span<double> out) const {
  const std::size_t dim = dimension();
  const std::size_t n = points.size() / dim;
  if (points.size() != n * dim || values.size() != rows * size_ || out.size() != rows * n) {
    throw InputError("interpolate: sizes of points, values and result do not fit");
  }
  for_each_part((n + kBlockPoints - 1) / kBlockPoints, 0, [&](std::size_t block) {
    Stencil stencil;
    const std::size_t first = block * kBlockPoints;
    const std::size_t last = std::min(n, first + kBlockPoints);
    for (std::size_t i = first; i < last; ++i) {
      const bool good = locate(points.data() + i * dim, stencil);
      for (std::size_t r = 0; r < rows; ++r) {
        double sum = good ? 0.0 : std::numeric_limits<double>::quiet_NaN();
        if (good) {
          for_each_run(axes_, strides_, stencil,
                       [&](std::size_t base, double outer, const double* inner, std::size_t length) {
                         const double* source = values.data() + r * size_ + base;
                         double run = 0.0;
                         for (std::size_t k = 0; k < length; ++k) run += source[k] * inner[k];
                         sum += outer * run;
                       });
        }
        out[r * n + i] = sum;
      }
    }
  });
}

}  // namespace fastsfes
