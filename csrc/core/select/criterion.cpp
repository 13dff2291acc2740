#include "core/select/criterion.hpp"

#include <algorithm>
#include <limits>
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

Criterion::Criterion(const Input& input, Judged kind, const std::vector<std::size_t>& group, std::vector<double> factor)
    : kind_(kind), factor_(std::move(factor)) {
  for (std::size_t g = 0; g < factor_.size(); ++g) {
    std::vector<std::size_t> in, out;
    for (std::size_t i = 0; i < input.rows; ++i) (group[i] == g ? in : out).push_back(i);
    Part part{in.size(), fit::padded(in.size()), {}, {}};
    part.columns.assign(input.terms * part.length, 0.0);
    part.target.assign(part.length, 0.0);
    for (std::size_t k = 0; k < in.size(); ++k) {
      part.target[k] = input.target[in[k]];
      for (std::size_t j = 0; j < input.terms; ++j) {
        part.columns[j * part.length + k] = input.matrix[in[k] * input.terms + j];
      }
    }
    parts_.push_back(std::move(part));
    if (kind_ == Judged::Cross) problems_.push_back(std::make_unique<Problem>(with_rows(input, out)));
  }
  if (kind_ == Judged::Worst) problems_.push_back(std::make_unique<Problem>(input));
}

Judge::Judge(const Criterion& criterion) : criterion_(criterion) {
  for (const auto& problem : criterion.problems_) fits_.emplace_back(*problem);
}

double Judge::error(std::size_t part, const Problem& problem, const std::vector<std::size_t>& chosen,
                    const std::vector<double>& x) {
  const Criterion::Part& rows = criterion_.parts_[part];
  const fit::LinalgTable& t = fit::linalg();
  left_ = rows.target;
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    t.axpy(-x[k] * problem.scale[chosen[k]], &rows.columns[chosen[k] * rows.length], left_.data(), rows.length);
  }
  return t.dot(left_.data(), left_.data(), rows.length);
}

double Judge::operator()(const std::vector<std::size_t>& chosen, double above) {
  double value = 0.0;
  if (criterion_.kind_ == Judged::Worst) {
    if (fits_[0].solve(chosen, kInfinite) != Conditioned::Status::Optimal) return kInfinite;
    for (std::size_t g = 0; g < criterion_.parts_.size(); ++g) {
      const double sum = error(g, *criterion_.problems_[0], chosen, fits_[0].coefficients());
      const double rows = static_cast<double>(std::max<std::size_t>(criterion_.parts_[g].rows, 1));
      value = std::max(value, criterion_.factor_[g] * sum / rows);
    }
    return value;
  }
  for (std::size_t g = 0; g < criterion_.parts_.size() && value <= above; ++g) {
    if (fits_[g].solve(chosen, kInfinite) != Conditioned::Status::Optimal) return kInfinite;
    value += criterion_.factor_[g] * error(g, *criterion_.problems_[g], chosen, fits_[g].coefficients());
  }
  return value;
}

}  // namespace fastsfes::select
