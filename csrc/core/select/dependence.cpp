#include "core/select/dependence.hpp"

#include <algorithm>
#include <cmath>

#include "core/fit/linalg.hpp"

namespace fastsfes::select {
namespace {

constexpr double kPivot = 1e-20;  // square of what is left of a unit column: below it the term depends on the others
constexpr double kShare = 1e-8;   // coefficients below it in a dependence of unit columns are rounding

}  // namespace

Orthonormal::Orthonormal(const Problem& problem, std::size_t terms) : problem_(problem), q_(terms * problem.length) {}

bool Orthonormal::add(std::size_t term, double* products) {
  const fit::LinalgTable& t = fit::linalg();
  const std::size_t length = problem_.length;
  double* own = q_.data() + size_ * length;
  std::copy_n(&problem_.columns[term * length], length, own);
  std::fill_n(products, size_ + 1, 0.0);
  for (int round = 0; round < 2; ++round) {
    for (std::size_t b = 0; b < size_; ++b) {
      const double x = t.dot(&q_[b * length], own, length);
      t.axpy(-x, &q_[b * length], own, length);
      products[b] += x;
    }
  }
  const double square = t.dot(own, own, length);
  if (!(square > kPivot)) return false;
  const double size = std::sqrt(square);
  for (std::size_t k = 0; k < length; ++k) own[k] /= size;
  products[size_++] = size;
  return true;
}

std::vector<std::size_t> independent(const Problem& problem, const std::vector<std::size_t>& terms) {
  Orthonormal basis(problem, terms.size());
  std::vector<double> products(terms.size() + 1);
  std::vector<std::size_t> found;
  for (std::size_t term : terms) {
    if (basis.add(term, products.data())) found.push_back(term);
  }
  return found;
}

std::vector<std::size_t> circuit(const Problem& problem, const std::vector<std::size_t>& terms) {
  const std::size_t n = terms.size();
  Orthonormal basis(problem, n);
  std::vector<double> lower(n * n), share(n);
  for (std::size_t a = 0; a < n; ++a) {
    double* row = &lower[a * n];
    if (basis.add(terms[a], row)) continue;
    // Rows of L are the columns in the basis: L^T share = the products of the term that is a sum of the others.
    std::vector<std::size_t> members;
    for (std::size_t k = a; k-- > 0;) {
      double sum = row[k];
      for (std::size_t b = k + 1; b < a; ++b) sum -= share[b] * lower[b * n + k];
      share[k] = sum / lower[k * n + k];
      if (std::abs(share[k]) > kShare) members.push_back(terms[k]);
    }
    std::reverse(members.begin(), members.end());
    members.push_back(terms[a]);
    if (independent(problem, members).size() + 1 == members.size()) return members;
    return {};
  }
  return {};
}

}  // namespace fastsfes::select
