#include "core/fit/qr.hpp"

#include <algorithm>
#include <cmath>

#include "core/fit/linalg.hpp"

namespace fastsfes::fit {

// Reflector k is I - tau v v^T with v in rows k... of the pivot column (v[k] stored there, R's diagonal aside). Rows
// above k belong to R, so the products start at the panel that holds row k with the rows before it masked by hand.
namespace {

double tail_dot(const LinalgTable& t, const double* x, const double* y, std::size_t k, std::size_t length) {
  const std::size_t start = std::min(padded(k), length);
  double sum = 0.0;
  for (std::size_t i = k; i < start; ++i) sum = std::fma(x[i], y[i], sum);
  return sum + t.dot(x + start, y + start, length - start);
}

void tail_axpy(const LinalgTable& t, double a, const double* x, double* y, std::size_t k, std::size_t length) {
  const std::size_t start = std::min(padded(k), length);
  for (std::size_t i = k; i < start; ++i) y[i] = std::fma(a, x[i], y[i]);
  t.axpy(a, x + start, y + start, length - start);
}

}  // namespace

void PivotedQr::factor(const std::vector<double*>& columns, std::size_t length, double tolerance) {
  const LinalgTable& t = linalg();
  const std::size_t n = columns.size();
  columns_ = columns;
  length_ = length;
  rank_ = 0;
  order_.resize(n);
  scale_.resize(n);
  norm_.resize(n);
  reference_.resize(n);
  tau_.resize(n);
  diagonal_.resize(n);
  for (std::size_t j = 0; j < n; ++j) {
    order_[j] = j;
    const double norm = std::sqrt(t.dot(columns[j], columns[j], length));
    scale_[j] = norm > 0.0 ? 1.0 / norm : 0.0;
    for (std::size_t i = 0; i < length; ++i) columns[j][i] *= scale_[j];
    norm_[j] = reference_[j] = norm > 0.0 ? 1.0 : 0.0;
  }
  for (std::size_t k = 0; k < std::min(n, length); ++k) {
    std::size_t best = k;
    for (std::size_t j = k + 1; j < n; ++j) {
      if (norm_[order_[j]] > norm_[order_[best]]) best = j;
    }
    // Moved, not swapped: the columns left keep their order, so that the first of equals wins.
    std::rotate(order_.begin() + static_cast<std::ptrdiff_t>(k), order_.begin() + static_cast<std::ptrdiff_t>(best),
                order_.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    double* v = columns[order_[k]];
    const double norm = std::sqrt(tail_dot(t, v, v, k, length));
    if (!(norm > tolerance)) break;
    const double alpha = v[k] > 0.0 ? -norm : norm;
    v[k] -= alpha;
    tau_[k] = -1.0 / (alpha * v[k]);
    diagonal_[k] = alpha;
    for (std::size_t j = k + 1; j < n; ++j) {
      const std::size_t column = order_[j];
      double* x = columns[column];
      tail_axpy(t, -tau_[k] * tail_dot(t, v, x, k, length), v, x, k, length);
      // The remaining norm follows from Pythagoras until cancellation makes that useless (LAPACK's xGEQPF criterion).
      const double ratio = norm_[column] > 0.0 ? x[k] / norm_[column] : 0.0;
      const double left = std::max(0.0, (1.0 + ratio) * (1.0 - ratio));
      const double loss = norm_[column] / (reference_[column] > 0.0 ? reference_[column] : 1.0);
      if (left * loss * loss < 1e-6) {
        norm_[column] = reference_[column] = std::sqrt(tail_dot(t, x, x, k + 1, length));
      } else {
        norm_[column] *= std::sqrt(left);
      }
    }
    ++rank_;
  }
}

void PivotedQr::apply_transpose(double* z) const {
  const LinalgTable& t = linalg();
  for (std::size_t k = 0; k < rank_; ++k) {
    const double* v = columns_[order_[k]];
    tail_axpy(t, -tau_[k] * tail_dot(t, v, z, k, length_), v, z, k, length_);
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
