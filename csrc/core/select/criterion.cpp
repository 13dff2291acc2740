#include "core/select/criterion.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "core/fit/linalg.hpp"

namespace fastsfes::select {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// The problem of some of the rows.
Input with_rows(const Input& input, const std::vector<std::size_t>& rows) {
  Input part = input;
  part.rows = rows.size();
  part.matrix.clear();
  part.target.clear();
  for (std::size_t i : rows) {
    const auto from = input.matrix.begin() + static_cast<std::ptrdiff_t>(i * input.terms);
    part.matrix.insert(part.matrix.end(), from, from + static_cast<std::ptrdiff_t>(input.terms));
    part.target.push_back(input.target[i]);
  }
  return part;
}

}  // namespace

Criterion::Criterion(const Input& input, const std::vector<std::size_t>& fold, const std::vector<std::size_t>& bin,
                     std::vector<double> factor)
    : factor_(std::move(factor)) {
  std::map<std::size_t, std::map<std::size_t, std::vector<std::size_t>>> judged;  // fold, bin, rows
  for (std::size_t i = 0; i < input.rows; ++i) {
    if (bin[i] != kNone) judged[fold[i]][bin[i]].push_back(i);
  }
  for (const auto& [left_out, bins] : judged) {
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < input.rows; ++i) {
      if (left_out == kNone || fold[i] != left_out) kept.push_back(i);
    }
    Fit fit{std::make_unique<Problem>(with_rows(input, kept)), {}};
    for (const auto& [of, rows] : bins) {
      Part part{of, fit::padded(rows.size()), {}, {}};
      part.columns.assign(input.terms * part.length, 0.0);
      part.target.assign(part.length, 0.0);
      for (std::size_t k = 0; k < rows.size(); ++k) {
        part.target[k] = input.target[rows[k]];
        for (std::size_t j = 0; j < input.terms; ++j) {
          part.columns[j * part.length + k] = input.matrix[rows[k] * input.terms + j];
        }
      }
      fit.parts.push_back(std::move(part));
    }
    fits_.push_back(std::move(fit));
  }
}

Judge::Judge(const Criterion& criterion) : criterion_(criterion) {
  for (const auto& fit : criterion.fits_) fits_.emplace_back(*fit.problem);
}

double Judge::error(const Criterion::Part& part, const Problem& problem, const std::vector<std::size_t>& chosen,
                    const std::vector<double>& x) {
  const fit::LinalgTable& t = fit::linalg();
  left_ = part.target;
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    t.axpy(-x[k] * problem.scale[chosen[k]], &part.columns[chosen[k] * part.length], left_.data(), part.length);
  }
  return t.dot(left_.data(), left_.data(), part.length);
}

double Judge::operator()(const std::vector<std::size_t>& chosen, double above) {
  double value = 0.0;
  sum_.assign(criterion_.factor_.size(), 0.0);
  for (std::size_t f = 0; f < fits_.size() && value <= above; ++f) {
    if (fits_[f].solve(chosen, kInfinite) != Conditioned::Status::Optimal) return kInfinite;
    const Criterion::Fit& fit = criterion_.fits_[f];
    for (const Criterion::Part& part : fit.parts) {
      double& sum = sum_[part.bin];
      sum += criterion_.factor_[part.bin] * error(part, *fit.problem, chosen, fits_[f].coefficients());
      value = std::max(value, sum);
    }
  }
  return value;
}

}  // namespace fastsfes::select
