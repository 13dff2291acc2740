#include "core/select/sweep.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/isa.hpp"
#include "core/fit/linalg.hpp"
#include "core/select/scan.hpp"

namespace fastsfes::select {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kRefactor = 64;  // exchanges after which everything is computed anew

}  // namespace

const ScanTable& scan() {
  static const ScanTable& best = FASTSFES_BY_ISA(scan);
  return best;
}

Sweep::Sweep(const Problem& problem)
    : problem_(problem),
      place_(problem.terms, kOut),
      diagonal_(problem.stride),
      gradient_(problem.stride),
      rhs_(problem.rhs),
      open_gradient_(problem.stride, kNone),
      fresh_(problem.stride),
      closed_(problem.terms, false),
      shut_(problem.stride, kNone) {
  for (std::size_t j = 0; j < problem.terms; ++j) {
    closed_[j] = problem.never[j] || problem.group[j] != Problem::kAlone;
  }
}

void Sweep::take(const Sweep& other) {
  capacity_ = other.capacity_;
  moves_ = other.moves_;
  chosen_ = other.chosen_;
  place_ = other.place_;
  inverse_ = other.inverse_;
  rows_ = other.rows_;
  diagonal_ = other.diagonal_;
  gradient_ = other.gradient_;
  shut_ = other.shut_;
  rhs_ = other.rhs_;
  value_ = other.value_;
}

void Sweep::reserve(std::size_t chosen) {
  // one more while a term comes in before another leaves
  const std::size_t needed = fit::padded(problem_.equalities + chosen + 1);
  if (needed <= capacity_) return;
  capacity_ = needed;
  inverse_.assign(capacity_ * capacity_, 0.0);
  rows_.assign(capacity_ * problem_.stride, 0.0);
  value_.assign(capacity_, 0.0);
  factor_.assign(capacity_, 0.0);
  column_.assign(capacity_, 0.0);
}

const double* Sweep::block_row(std::size_t k) const noexcept {
  const std::size_t m = problem_.equalities;
  return k < m ? &problem_.equality[k * problem_.stride] : &problem_.gram[chosen_[k - m] * problem_.stride];
}

bool Sweep::start(const std::vector<std::size_t>& chosen) {
  // A copy: what is given may be our own.
  const std::vector<std::size_t> wanted(chosen.begin(), chosen.end());
  reserve(wanted.size());
  for (std::size_t j : chosen_) place_[j] = kOut;
  chosen_ = wanted;
  for (std::size_t p = 0; p < chosen_.size(); ++p) place_[chosen_[p]] = p;
  moves_ = 0;
  const std::size_t m = problem_.equalities, n = size();
  // Gauss-Jordan with row pivoting on the matrix of the conditions and the chosen terms, indefinite but small.
  std::vector<double> work(n * 2 * n, 0.0);
  for (std::size_t a = 0; a < n; ++a) {
    double* to = work.data() + a * 2 * n;
    for (std::size_t b = 0; b < n; ++b) {
      if (a < m && b < m) continue;
      to[b] = b < m ? block_row(b)[chosen_[a - m]] : block_row(a)[chosen_[b - m]];
    }
    to[n + a] = 1.0;
  }
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t a = k + 1; a < n; ++a) {
      if (std::abs(work[a * 2 * n + k]) > std::abs(work[pivot * 2 * n + k])) pivot = a;
    }
    if (!(std::abs(work[pivot * 2 * n + k]) > Leaving::kSingular)) return false;
    if (pivot != k) std::swap_ranges(&work[pivot * 2 * n], &work[pivot * 2 * n] + 2 * n, &work[k * 2 * n]);
    double* from = &work[k * 2 * n];
    const double factor = 1.0 / from[k];
    for (std::size_t b = 0; b < 2 * n; ++b) from[b] *= factor;
    for (std::size_t a = 0; a < n; ++a) {
      double* to = &work[a * 2 * n];
      const double x = to[k];
      if (a == k || x == 0.0) continue;
      for (std::size_t b = 0; b < 2 * n; ++b) to[b] -= x * from[b];
    }
  }
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = 0; b < n; ++b) inverse(a)[b] = 0.5 * (work[a * 2 * n + n + b] + work[b * 2 * n + n + a]);
  }
  const fit::LinalgTable& t = fit::linalg();
  for (std::size_t a = 0; a < n; ++a) {
    double* to = row(a);
    std::fill_n(to, problem_.stride, 0.0);
    for (std::size_t b = 0; b < n; ++b) {
      t.axpy(inverse(a)[b], block_row(b), to, problem_.stride);
    }
  }
  for (std::size_t j = 0; j < problem_.terms; ++j) diagonal_[j] = problem_.gram[j * problem_.stride + j];
  for (std::size_t k = 0; k < n; ++k) {
    const double* block = block_row(k);
    for (std::size_t j = 0; j < problem_.terms; ++j) diagonal_[j] -= block[j] * row(k)[j];
  }
  for (std::size_t j = 0; j < problem_.terms; ++j) {
    diagonal_[j] = has(j) ? 0.0 : std::max(diagonal_[j], 0.0);
    shut_[j] = has(j) || closed_[j] ? kNone : 0.0;
  }
  solve();
  return true;
}

void Sweep::set_rhs(const std::vector<double>& rhs) {
  rhs_ = rhs;
  solve();
}

void Sweep::solve() {
  const std::size_t m = problem_.equalities, n = size();
  const fit::LinalgTable& t = fit::linalg();
  std::vector<double> b(n);
  for (std::size_t k = 0; k < n; ++k) b[k] = k < m ? problem_.value[k] : rhs_[chosen_[k - m]];
  std::copy(rhs_.begin(), rhs_.end(), gradient_.begin());
  for (std::size_t k = 0; k < n; ++k) {
    t.axpy(-b[k], row(k), gradient_.data(), problem_.stride);
    double sum = 0.0;
    for (std::size_t l = 0; l < n; ++l) sum += inverse(k)[l] * b[l];
    value_[k] = sum;
  }
}

std::vector<double> Sweep::coefficients(int steps) const {
  const std::size_t m = problem_.equalities, n = size();
  const fit::LinalgTable& t = fit::linalg();
  std::vector<double> c(value_.begin() + static_cast<std::ptrdiff_t>(m),
                        value_.begin() + static_cast<std::ptrdiff_t>(n));
  for (int step = 0; step < steps; ++step) {
    std::vector<double> left(problem_.target), b(n);
    for (std::size_t p = 0; p < c.size(); ++p) {
      t.axpy(-c[p], &problem_.columns[chosen_[p] * problem_.length], left.data(), problem_.length);
    }
    for (std::size_t k = 0; k < m; ++k) {
      b[k] = problem_.value[k];
      for (std::size_t p = 0; p < c.size(); ++p) b[k] -= problem_.equality[k * problem_.stride + chosen_[p]] * c[p];
    }
    for (std::size_t p = 0; p < c.size(); ++p) {
      b[m + p] = t.dot(&problem_.columns[chosen_[p] * problem_.length], left.data(), problem_.length);
    }
    for (std::size_t p = 0; p < c.size(); ++p) {
      for (std::size_t k = 0; k < n; ++k) c[p] += inverse_[(m + p) * capacity_ + k] * b[k];
    }
  }
  return c;
}

std::vector<double> Sweep::inverse_of_chosen() const {
  std::vector<double> out;
  for (std::size_t a = problem_.equalities; a < size(); ++a) {
    const double* from = &inverse_[a * capacity_ + problem_.equalities];
    out.insert(out.end(), from, from + chosen_.size());
  }
  return out;
}

double Sweep::residual() const {
  const std::vector<double> c = coefficients(1);  // at a minimum an error of c counts squared
  std::vector<double> left(problem_.target);
  const fit::LinalgTable& t = fit::linalg();
  for (std::size_t p = 0; p < c.size(); ++p) {
    t.axpy(-c[p], &problem_.columns[chosen_[p] * problem_.length], left.data(), problem_.length);
  }
  return problem_.rest + t.dot(left.data(), left.data(), problem_.length);
}

bool Sweep::complete(std::size_t term) const {
  for (std::size_t p : problem_.parents[term]) {
    if (!has(p)) return false;
  }
  return true;
}

bool Sweep::removable(std::size_t place) const {
  const std::size_t term = chosen_[place];
  if (problem_.always[term] || problem_.group[term] != Problem::kAlone) return false;
  for (std::size_t child : problem_.children[term]) {
    if (has(child)) return false;
  }
  return true;
}

void Sweep::open_gradient() {
  for (std::size_t j = 0; j < problem_.stride; ++j) open_gradient_[j] = gradient_[j] + shut_[j];
  for (std::size_t j = 0; problem_.heredity && j < problem_.terms; ++j) {
    if (!complete(j)) open_gradient_[j] = kNone;
  }
}

void Sweep::with_children(std::size_t place, bool closed) {
  for (std::size_t child : problem_.children[chosen_[place]]) {
    open_gradient_[child] = closed || !enterable(child) ? kNone : gradient_[child];
  }
}

Exchange Sweep::best() {
  const ScanTable& table = scan();
  open_gradient();
  Exchange found;
  for (std::size_t p = 0; p < chosen_.size(); ++p) {
    if (!removable(p)) continue;
    const std::size_t k = slot(p);
    with_children(p, true);
    const Leaving leaving{std::max(inverse(k)[k], 0.0), value_[k]};
    const double most = table.best(leaving, row(k), diagonal_.data(), open_gradient_.data(), problem_.stride);
    scored_ += static_cast<double>(problem_.terms - chosen_.size());
    if (most > found.decrease) found = {p, 0, most};
    with_children(p, false);
  }
  if (!(found.decrease > 0.0)) return found;
  const std::size_t k = slot(found.place);
  with_children(found.place, true);
  table.all({std::max(inverse(k)[k], 0.0), value_[k]}, row(k), diagonal_.data(), open_gradient_.data(), problem_.stride,
            fresh_.data());
  found.term = static_cast<std::size_t>(std::find(fresh_.begin(), fresh_.end(), found.decrease) - fresh_.begin());
  return found;
}

void Sweep::all(std::vector<double>& decrease) {
  const ScanTable& table = scan();
  open_gradient();
  decrease.assign(chosen_.size() * problem_.stride, kNone);
  for (std::size_t p = 0; p < chosen_.size(); ++p) {
    if (!removable(p)) continue;
    const std::size_t k = slot(p);
    with_children(p, true);
    table.all({std::max(inverse(k)[k], 0.0), value_[k]}, row(k), diagonal_.data(), open_gradient_.data(),
              problem_.stride, &decrease[p * problem_.stride]);
    scored_ += static_cast<double>(problem_.terms - chosen_.size());
    with_children(p, false);
  }
}

bool Sweep::add(std::size_t term) {
  const double pivot = diagonal_[term];
  if (!(pivot > Leaving::kSingular)) return false;
  const std::size_t m = problem_.equalities, n = size();
  const fit::LinalgTable& t = fit::linalg();
  double* fresh = row(n);
  std::copy_n(&problem_.gram[term * problem_.stride], problem_.stride, fresh);
  for (std::size_t k = 0; k < n; ++k) factor_[k] = -block_row(k)[term];
  scan().combine(rows_.data(), n, factor_.data(), fresh, problem_.stride);
  const double factor = 1.0 / pivot, coefficient = gradient_[term] * factor;
  for (std::size_t j = 0; j < problem_.stride; ++j) {
    diagonal_[j] = std::max(diagonal_[j] - fresh[j] * fresh[j] * factor, 0.0);
    fresh[j] *= factor;
  }
  t.axpy(-gradient_[term], fresh, gradient_.data(), problem_.stride);
  std::fill(column_.begin(), column_.end(), 0.0);
  for (std::size_t k = 0; k < n; ++k) {
    const double x = row(k)[term];
    column_[k] = x;
    factor_[k] = x * factor;
    value_[k] -= x * coefficient;
  }
  scan().update(inverse_.data(), n, factor_.data(), column_.data(), capacity_);
  for (std::size_t k = 0; k < n; ++k) {
    inverse(k)[n] = inverse(n)[k] = -factor_[k];
    factor_[k] = -column_[k];
  }
  scan().update(rows_.data(), n, factor_.data(), fresh, problem_.stride);
  inverse(n)[n] = factor;
  value_[n] = coefficient;
  fresh[term] = 1.0;
  diagonal_[term] = 0.0;
  shut_[term] = kNone;
  place_[term] = n - m;
  chosen_.push_back(term);
  return true;
}

void Sweep::remove(std::size_t place) {
  const std::size_t gone = slot(place), last = size() - 1, term = chosen_[place];
  const fit::LinalgTable& t = fit::linalg();
  const double factor = 1.0 / inverse(gone)[gone], coefficient = value_[gone];
  double* from = row(gone);
  for (std::size_t j = 0; j < problem_.stride; ++j) diagonal_[j] += from[j] * from[j] * factor;
  t.axpy(coefficient * factor, from, gradient_.data(), problem_.stride);
  for (std::size_t k = 0; k <= last; ++k) {
    const double x = k == gone ? 0.0 : inverse(k)[gone] * factor;
    factor_[k] = -x;
    value_[k] -= x * coefficient;
  }
  scan().update(rows_.data(), last + 1, factor_.data(), from, problem_.stride);
  scan().update(inverse_.data(), last + 1, factor_.data(), inverse(gone), capacity_);
  diagonal_[term] = factor;
  gradient_[term] = coefficient * factor;
  for (std::size_t p = 0; p < chosen_.size(); ++p) {
    if (p != place) diagonal_[chosen_[p]] = 0.0;
  }
  if (gone != last) {
    std::copy_n(row(last), problem_.stride, from);
    value_[gone] = value_[last];
    for (std::size_t k = 0; k <= last; ++k) inverse(gone)[k] = inverse(last)[k];
    for (std::size_t k = 0; k <= last; ++k) inverse(k)[gone] = inverse(k)[last];
    inverse(gone)[gone] = inverse(last)[last];
    chosen_[place] = chosen_.back();
    place_[chosen_[place]] = place;
  }
  chosen_.pop_back();
  place_[term] = kOut;
  if (!closed_[term]) shut_[term] = 0.0;
}

bool Sweep::exchange(std::size_t place, std::size_t term) {
  const std::size_t k = slot(place), old = chosen_[place];
  // The old term leaves first, since the new one may nearly be its copy; only where the equalities need it, last.
  const double p = inverse(k)[k], h = row(k)[term], reach = diagonal_[term] * p + h * h;
  if (!(reach > Leaving{p, 0.0}.least())) return false;
  if (++moves_ >= kRefactor) {
    std::vector<std::size_t> next = chosen_;
    next[place] = term;
    if (start(next)) return true;
    next[place] = old;
    start(next);
    return false;
  }
  if (p > Leaving::kCarrier) {
    remove(place);
    if (add(term)) return true;
    if (!add(old)) start(chosen_);
    return false;
  }
  if (!add(term)) return false;
  remove(place_[old]);
  return true;
}

}  // namespace fastsfes::select
