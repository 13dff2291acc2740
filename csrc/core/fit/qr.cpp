#include "core/fit/qr.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "core/base/stop.hpp"
#include "core/fit/linalg.hpp"

namespace fastsfes::fit {
namespace {

/// First row of the panel that holds row k: products with a reflector start there, its rows above k being zero.
std::size_t panel_of(std::size_t k) { return k / kPanel * kPanel; }

}  // namespace

// Reflector k is I - tau v v^T with v in rows k... of its own storage.
void PivotedQr::factor(const std::vector<double*>& columns, std::size_t length, double tolerance) {
  assert(length % kPanel == 0);
  const LinalgTable& t = linalg();
  const std::size_t n = columns.size(), most = std::min(n, length);
  columns_ = columns;
  length_ = length;
  rank_ = 0;
  order_.resize(n);
  scale_.resize(n);
  norm_.resize(n);
  reference_.resize(n);
  tau_.resize(n);
  diagonal_.resize(n);
  reflectors_.resize(most * length);
  for (std::size_t j = 0; j < n; ++j) {
    order_[j] = j;
    const double norm = std::sqrt(t.dot(columns[j], columns[j], length));
    scale_[j] = norm > 0.0 ? 1.0 / norm : 0.0;
    for (std::size_t i = 0; i < length; ++i) columns[j][i] *= scale_[j];
    norm_[j] = reference_[j] = norm > 0.0 ? 1.0 : 0.0;
  }
  for (std::size_t k = 0; k < most; ++k) {
    check_stop();
    std::size_t best = k;
    for (std::size_t j = k + 1; j < n; ++j) {
      if (norm_[order_[j]] > norm_[order_[best]]) best = j;
    }
    // Moved, not swapped: the columns left keep their order, so that the first of equals wins.
    std::rotate(order_.begin() + static_cast<std::ptrdiff_t>(k), order_.begin() + static_cast<std::ptrdiff_t>(best),
                order_.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    const double* pivot = columns[order_[k]];
    double* v = reflectors_.data() + k * length;
    const std::size_t start = panel_of(k);
    std::fill(v + start, v + k, 0.0);
    std::copy(pivot + k, pivot + length, v + k);
    const double norm = std::sqrt(t.dot(v + start, v + start, length - start));
    if (!(norm > tolerance)) break;
    const double alpha = v[k] > 0.0 ? -norm : norm;
    v[k] -= alpha;
    tau_[k] = -1.0 / (alpha * v[k]);
    diagonal_[k] = alpha;
    ++rank_;
    remaining_.clear();
    for (std::size_t j = k + 1; j < n; ++j) remaining_.push_back(columns[order_[j]]);
    t.reflect(v + start, tau_[k], remaining_.data(), remaining_.size(), start, length - start);
    for (std::size_t j = k + 1; j < n; ++j) {
      const std::size_t column = order_[j];
      const double* x = columns[column];
      // The remaining norm follows from Pythagoras until cancellation makes that useless (LAPACK's xGEQPF criterion).
      const double ratio = norm_[column] > 0.0 ? x[k] / norm_[column] : 0.0;
      const double left = std::max(0.0, (1.0 + ratio) * (1.0 - ratio));
      const double loss = norm_[column] / (reference_[column] > 0.0 ? reference_[column] : 1.0);
      if (left * loss * loss < 1e-6) {
        double sum = 0.0;
        const std::size_t next = std::min(length, panel_of(k + kPanel));
        for (std::size_t i = k + 1; i < next; ++i) sum += x[i] * x[i];
        norm_[column] = reference_[column] = std::sqrt(sum + t.dot(x + next, x + next, length - next));
      } else {
        norm_[column] *= std::sqrt(left);
      }
    }
  }
}

void PivotedQr::apply_transpose(double* const* columns, std::size_t count) const {
  const LinalgTable& t = linalg();
  for (std::size_t k = 0; k < rank_; ++k) {
    const std::size_t start = panel_of(k);
    t.reflect(reflectors_.data() + k * length_ + start, tau_[k], columns, count, start, length_ - start);
  }
}

void PivotedQr::apply(double* const* columns, std::size_t count) const {
  const LinalgTable& t = linalg();
  for (std::size_t k = rank_; k-- > 0;) {
    const std::size_t start = panel_of(k);
    t.reflect(reflectors_.data() + k * length_ + start, tau_[k], columns, count, start, length_ - start);
  }
}

void PivotedQr::solve(const double* rotated, double* coefficients) const {
  std::fill_n(coefficients, columns_.size(), 0.0);
  for (std::size_t k = rank_; k-- > 0;) {
    double value = rotated[k];
    for (std::size_t j = k + 1; j < rank_; ++j) value -= r(k, j) * coefficients[order_[j]];
    coefficients[order_[k]] = value / diagonal_[k];
  }
  for (std::size_t k = 0; k < rank_; ++k) coefficients[order_[k]] *= scale_[order_[k]];
}

void PivotedQr::solve_transpose(const double* v, double* y) const {
  for (std::size_t k = 0; k < rank_; ++k) {
    double value = v[order_[k]] * scale_[order_[k]];
    for (std::size_t i = 0; i < k; ++i) value -= r(i, k) * y[i];
    y[k] = value / diagonal_[k];
  }
}

}  // namespace fastsfes::fit
