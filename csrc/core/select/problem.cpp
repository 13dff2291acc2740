#include "core/select/problem.hpp"

#include <algorithm>
#include <cmath>

#include "core/fit/linalg.hpp"
#include "core/fit/qr.hpp"

namespace fastsfes::select {
namespace {

using fit::padded;

double norm(const double* x, std::size_t n) {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return std::sqrt(sum);
}

}  // namespace

Problem::Problem(const Input& input) : terms(input.terms), stride(padded(input.terms)) {
  const fit::LinalgTable& t = fit::linalg();
  const std::size_t full = padded(input.rows);
  std::vector<double> raw((terms + 1) * full, 0.0);
  scale.resize(terms);
  for (std::size_t j = 0; j < terms; ++j) {
    double* column = raw.data() + j * full;
    for (std::size_t i = 0; i < input.rows; ++i) column[i] = input.matrix[i * terms + j];
    const double size = std::sqrt(t.dot(column, column, full));
    scale[j] = size > 0.0 ? 1.0 / size : 1.0;
    for (std::size_t i = 0; i < input.rows; ++i) column[i] *= scale[j];
  }
  double* y = raw.data() + terms * full;
  std::copy(input.target.begin(), input.target.end(), y);
  square = t.dot(y, y, full);

  std::vector<double> factored(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(terms * full));
  std::vector<double*> pointers(terms), rotated(terms + 1);
  for (std::size_t j = 0; j < terms; ++j) pointers[j] = factored.data() + j * full;
  for (std::size_t j = 0; j <= terms; ++j) rotated[j] = raw.data() + j * full;
  fit::PivotedQr qr;
  qr.factor(pointers, full, 1e-15);
  qr.apply_transpose(rotated.data(), terms + 1);
  const std::size_t rank = qr.rank();
  length = padded(std::max<std::size_t>(rank, 1));  // terms that are all zero have columns too
  const double beyond = norm(y + rank, full - rank);
  rest = beyond * beyond;
  columns.assign(terms * length, 0.0);
  target.assign(length, 0.0);
  for (std::size_t j = 0; j < terms; ++j) std::copy_n(rotated[j], rank, columns.data() + j * length);
  std::copy_n(y, rank, target.data());

  gram.assign(terms * stride, 0.0);
  rhs.assign(stride, 0.0);
  for (std::size_t j = 0; j < terms; ++j) {
    const double* a = columns.data() + j * length;
    rhs[j] = t.dot(a, target.data(), length);
    for (std::size_t i = 0; i <= j; ++i) {
      gram[i * stride + j] = gram[j * stride + i] = t.dot(a, columns.data() + i * length, length);
    }
  }

  equalities = input.equality_value.size();
  equality.assign(equalities * stride, 0.0);
  value = input.equality_value;
  for (std::size_t k = 0; k < equalities; ++k) {
    double* to = equality.data() + k * stride;
    for (std::size_t j = 0; j < terms; ++j) to[j] = input.equality_matrix[k * terms + j] * scale[j];
    const double size = norm(to, terms);
    if (size == 0.0) continue;
    for (std::size_t j = 0; j < terms; ++j) to[j] /= size;
    value[k] /= size;
  }
  inequalities = input.inequality_bound.size();
  row_stride = padded(inequalities);
  row.assign(inequalities * stride, 0.0);
  row_column.assign(terms * row_stride, 0.0);
  bound.assign(row_stride, -std::numeric_limits<double>::infinity());
  weight.resize(inequalities);
  for (std::size_t k = 0; k < inequalities; ++k) {
    double* to = row.data() + k * stride;
    for (std::size_t j = 0; j < terms; ++j) to[j] = input.inequality_matrix[k * terms + j] * scale[j];
    const double size = norm(to, terms), factor = size > 0.0 ? 1.0 / size : 1.0;
    bound[k] = input.inequality_bound[k] * factor;
    weight[k] = input.inequality_weight[k] / (factor * factor);
    for (std::size_t j = 0; j < terms; ++j) row_column[j * row_stride + k] = to[j] *= factor;
  }
  limit.resize(terms);
  conditional = inequalities > 0;
  graded =
      static_cast<std::size_t>(std::count_if(weight.begin(), weight.end(), [](double w) { return std::isfinite(w); }));
  for (std::size_t j = 0; j < terms; ++j) {
    limit[j] = input.limit[j] / scale[j];
    conditional = conditional || std::isfinite(limit[j]);
  }
  always = input.always;
  never = input.never;
  parents = input.parents;
  parents.resize(terms);
  children.resize(terms);
  for (std::size_t j = 0; j < terms; ++j) {
    for (std::size_t p : parents[j]) children[p].push_back(j);
  }
  heredity = std::any_of(parents.begin(), parents.end(), [](const auto& of) { return !of.empty(); });
  groups = input.groups;
  group.assign(terms, kAlone);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t j : groups[g]) group[j] = g;
  }
  follow(parents, groups, always, never);
}

void follow(const std::vector<std::vector<std::size_t>>& parents, const std::vector<std::vector<std::size_t>>& groups,
            std::vector<std::uint8_t>& always, std::vector<std::uint8_t>& never) {
  const auto needs = [&](std::size_t term, std::size_t needed) {
    const bool all = always[term] && !always[needed], none = never[needed] && !never[term];
    if (all) always[needed] = 1;
    if (none) never[term] = 1;
    return all || none;
  };
  for (bool more = true; more;) {
    more = false;
    for (std::size_t j = 0; j < parents.size(); ++j) {
      for (std::size_t p : parents[j]) more = needs(j, p) || more;
    }
    for (const std::vector<std::size_t>& group : groups) {
      for (std::size_t a : group) {
        for (std::size_t b : group) more = needs(a, b) || more;
      }
    }
  }
}

std::size_t Problem::forced() const { return static_cast<std::size_t>(std::count(always.begin(), always.end(), 1)); }

std::vector<std::size_t> Problem::open() const {
  std::vector<std::size_t> out;
  for (std::uint8_t forced : {std::uint8_t{1}, std::uint8_t{0}}) {
    for (std::size_t j = 0; j < terms; ++j) {
      if (!never[j] && always[j] == forced) out.push_back(j);
    }
  }
  return out;
}

bool Problem::allowed(const std::vector<std::size_t>& chosen) const {
  std::vector<std::uint8_t> in(terms, 0);
  for (std::size_t j : chosen) in[j] = 1;
  for (std::size_t j = 0; j < terms; ++j) {
    if ((always[j] && !in[j]) || (never[j] && in[j])) return false;
    if (!in[j]) continue;
    for (std::size_t p : parents[j]) {
      if (!in[p]) return false;
    }
    if (group[j] == kAlone) continue;
    for (std::size_t other : groups[group[j]]) {
      if (!in[other]) return false;
    }
  }
  return true;
}

}  // namespace fastsfes::select
