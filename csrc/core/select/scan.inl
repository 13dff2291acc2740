// The scoring kernels, compiled once per instruction set: FASTSFES_SCAN names the accessor, FASTSFES_LANES the doubles
// of a register. Internal linkage throughout.
//
// With P the inverse Gram matrix of the chosen terms, h = P G, c the coefficients, T and r the diagonal of the Schur
// complement and the gradient of the others, exchanging i for j lowers the objective by
//   (r + h c / p)^2 / (T + h^2 / p) - c^2 / p = (r (r p + 2 c h) - c^2 T) / (T p + h^2),   p = P_ii.
// The right-hand side has no 1/p: it holds too when the equalities leave the set without i no solution (p = 0).
#include "core/select/scan.hpp"

#include <limits>

#include "core/fit/lanes.hpp"
#include "core/fit/linalg.hpp"

namespace fastsfes::select {
namespace {

using namespace fit::lanes;

struct Term {
  explicit Term(Leaving leaving)
      : p(broadcast(leaving.inverse)),
        twice(broadcast(2.0 * leaving.coefficient)),
        square(broadcast(-leaving.coefficient * leaving.coefficient)),
        least(broadcast(leaving.least())) {}
  Vec decrease(const double* row, const double* diagonal, const double* gradient) const {
    const Vec h = load(row), t = load(diagonal), r = load(gradient);
    const Vec above = fma(r, fma(r, p, mul(twice, h)), mul(square, t));
    const Vec below = fma(t, p, mul(h, h));
    return where_larger(below, least, div(above, below));
  }
  Vec p, twice, square, least;
};

double best(Leaving leaving, const double* row, const double* diagonal, const double* gradient, std::size_t n) {
  const Term term(leaving);
  constexpr double none = -std::numeric_limits<double>::infinity();
  Vec first = broadcast(none), second = first;
  for (std::size_t j = 0; j < n; j += 2 * kLanes) {
    first = larger(term.decrease(row + j, diagonal + j, gradient + j), first);
    second = larger(term.decrease(row + j + kLanes, diagonal + j + kLanes, gradient + j + kLanes), second);
  }
  double lane[2 * kLanes];
  store(lane, first);
  store(lane + kLanes, second);
  double found = none;
  for (double x : lane) found = x > found ? x : found;
  return found;
}

void all(Leaving leaving, const double* row, const double* diagonal, const double* gradient, std::size_t n,
         double* decrease) {
  const Term term(leaving);
  for (std::size_t j = 0; j < n; j += kLanes) {
    store(decrease + j, term.decrease(row + j, diagonal + j, gradient + j));
  }
}

constexpr std::size_t kParts = fit::kPanel / kLanes;

void update(double* rows, std::size_t count, const double* factor, const double* from, std::size_t n) {
  for (std::size_t j = 0; j < n; j += fit::kPanel) {
    Vec part[kParts];
    for (std::size_t i = 0; i < kParts; ++i) part[i] = load(from + j + i * kLanes);
    double* to = rows + j;
    for (std::size_t k = 0; k < count; ++k, to += n) {
      const Vec x = broadcast(factor[k]);
      for (std::size_t i = 0; i < kParts; ++i) store(to + i * kLanes, fma(x, part[i], load(to + i * kLanes)));
    }
  }
}

void combine(const double* rows, std::size_t count, const double* factor, double* to, std::size_t n) {
  for (std::size_t j = 0; j < n; j += fit::kPanel) {
    Vec sum[kParts];
    for (std::size_t i = 0; i < kParts; ++i) sum[i] = load(to + j + i * kLanes);
    const double* from = rows + j;
    for (std::size_t k = 0; k < count; ++k, from += n) {
      const Vec x = broadcast(factor[k]);
      for (std::size_t i = 0; i < kParts; ++i) sum[i] = fma(x, load(from + i * kLanes), sum[i]);
    }
    for (std::size_t i = 0; i < kParts; ++i) store(to + j + i * kLanes, sum[i]);
  }
}

double lowest(const double* x, std::size_t n) {
  Vec least = broadcast(std::numeric_limits<double>::infinity());
  for (std::size_t j = 0; j < n; j += kLanes) least = smaller(load(x + j), least);
  double lane[kLanes];
  store(lane, least);
  double found = lane[0];
  for (double y : lane) found = y < found ? y : found;
  return found;
}

}  // namespace

const ScanTable& FASTSFES_SCAN() noexcept {
  static const ScanTable table{best, all, update, combine, lowest};
  return table;
}

}  // namespace fastsfes::select
