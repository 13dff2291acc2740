#include "core/fit/equalities.hpp"

#include <algorithm>
#include <cmath>

#include "core/fit/qr.hpp"

namespace fastsfes::fit {

bool Equalities::eliminate(const Columns& columns) {
  rows_ = problem_.equalities().size();
  linear_ = columns.linear();
  basic_.clear();
  free_.clear();
  if (rows_ == 0) {
    for (std::size_t k = 0; k < linear_; ++k) free_.push_back(k);
    return true;
  }
  fill(columns);
  reduce();
  for (std::size_t e = 0; e < rows_; ++e) {
    // A row without a pivot must hold by itself.
    const double scale = std::max(1.0, std::abs(problem_.equalities()[e].value));
    if (!used_row_[e] && !(std::abs(table_[e * width_ + linear_]) <= 1e-9 * scale)) return false;
  }
  for (std::size_t k = 0; k < linear_; ++k) {
    if (!used_column_[k]) free_.push_back(k);
  }
  value_.resize(basic_.size());
  transform_.resize(basic_.size() * linear_);
  inverse_.resize(basic_.size() * rows_);
  for (std::size_t b = 0; b < basic_.size(); ++b) {
    const double* row = table_.data() + pivot_row_[b] * width_;
    value_[b] = row[linear_];
    std::copy_n(row, linear_, transform_.data() + b * linear_);
    std::copy_n(row + linear_ + 1, rows_, inverse_.data() + b * rows_);
  }
  return true;
}

void Equalities::fill(const Columns& columns) {
  const std::size_t begin = problem_.equality_begin();
  width_ = linear_ + 1 + rows_;
  table_.assign(rows_ * width_, 0.0);
  double largest = 0.0;
  for (std::size_t e = 0; e < rows_; ++e) {
    for (std::size_t k = 0; k < linear_; ++k) {
      const double value = columns.column(k)[begin + e];
      table_[e * width_ + k] = value;
      largest = std::max(largest, std::abs(value));
    }
    table_[e * width_ + linear_] = columns.target()[begin + e];
    table_[e * width_ + linear_ + 1 + e] = 1.0;
  }
  tolerance_ = kRankTolerance * largest;
}

/// Gauss-Jordan elimination with complete pivoting.
void Equalities::reduce() {
  std::vector<double>& a = table_;
  used_row_.assign(rows_, 0);
  used_column_.assign(linear_, 0);
  pivot_row_.clear();
  for (std::size_t step = 0; step < rows_; ++step) {
    std::size_t row = rows_, column = linear_;
    double best = tolerance_;
    for (std::size_t e = 0; e < rows_; ++e) {
      for (std::size_t k = 0; k < linear_; ++k) {
        if (!used_row_[e] && !used_column_[k] && std::abs(a[e * width_ + k]) > best) {
          best = std::abs(a[e * width_ + k]);
          row = e;
          column = k;
        }
      }
    }
    if (row == rows_) return;
    used_row_[row] = used_column_[column] = 1;
    basic_.push_back(column);
    pivot_row_.push_back(row);
    const double pivot = a[row * width_ + column];
    for (std::size_t k = 0; k < width_; ++k) a[row * width_ + k] /= pivot;
    for (std::size_t e = 0; e < rows_; ++e) {
      const double factor = a[e * width_ + column];
      if (e == row || factor == 0.0) continue;
      for (std::size_t k = 0; k < width_; ++k) a[e * width_ + k] -= factor * a[row * width_ + k];
    }
  }
}

void Equalities::complete(const std::vector<double>& free, std::vector<double>& coefficients) const {
  coefficients.assign(linear_, 0.0);
  for (std::size_t i = 0; i < free_.size(); ++i) coefficients[free_[i]] = free[i];
  for (std::size_t b = 0; b < basic_.size(); ++b) {
    double value = value_[b];
    for (std::size_t i = 0; i < free_.size(); ++i) value -= transform(b, free_[i]) * free[i];
    coefficients[basic_[b]] = value;
  }
}

}  // namespace fastsfes::fit
