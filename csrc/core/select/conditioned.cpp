#include "core/select/conditioned.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/fit/linalg.hpp"
#include "core/select/dependence.hpp"
#include "core/select/scan.hpp"

namespace fastsfes::select {
namespace {

constexpr double kByGram = 1e-6;      // of a unit column, squared: below it the Gram matrix has lost too many digits
constexpr double kViolated = 1e-11;   // of a condition of unit norm, relative to the coefficients
constexpr std::size_t kSlacks = 16;   // room for slacks, and how much more when it is full
constexpr double kDependent = 1e-20;  // square of the part of a normal that active ones leave free, relative

/// L (rows) and L^-1 X^T y from the columns themselves. False where a term depends on those before it.
bool orthogonalise(const Problem& problem, const std::vector<std::size_t>& chosen, std::vector<double>& lower,
                   std::vector<double>& d) {
  const fit::LinalgTable& t = fit::linalg();
  const std::size_t n = chosen.size(), length = problem.length;
  Orthonormal basis(problem, n);
  std::vector<double> left(problem.target);
  std::fill(lower.begin(), lower.end(), 0.0);
  for (std::size_t a = 0; a < n; ++a) {
    if (!basis.add(chosen[a], &lower[a * n])) return false;
    d[a] = t.dot(basis.back(), left.data(), length);
    t.axpy(-d[a], basis.back(), left.data(), length);
  }
  return true;
}

}  // namespace

Conditioned::Conditioned(const Problem& problem) : problem_(problem), slack_(std::max(problem.row_stride, kRecent)) {
  if (problem.inequalities <= 2 * kRecent) return;
  recent_.assign(kRecent, problem.inequalities);
  recent_columns_.assign(problem.terms * kRecent, 0.0);
  recent_bound_.assign(kRecent, -std::numeric_limits<double>::infinity());
}

bool Conditioned::factor() {
  // L L^T = G of the chosen; J = L^-T, rows of L^-1 as columns of J; d = J^T X^T y.
  lower_.assign(n_ * n_, 0.0);
  j_.assign(stride_ * stride_, 0.0);
  bool by_gram = true;
  for (std::size_t a = 0; a < n_ && by_gram; ++a) {
    const double* gram = &problem_.gram[chosen_[a] * problem_.stride];
    for (std::size_t b = 0; b <= a; ++b) {
      double sum = gram[chosen_[b]];
      for (std::size_t k = 0; k < b; ++k) sum -= lower_[a * n_ + k] * lower_[b * n_ + k];
      if (b < a) {
        lower_[a * n_ + b] = sum / lower_[b * n_ + b];
      } else {
        by_gram = sum > kByGram;
        lower_[a * n_ + a] = std::sqrt(std::max(sum, 0.0));
      }
    }
  }
  d_.resize(n_);
  if (!by_gram && !orthogonalise(problem_, chosen_, lower_, d_)) return false;
  // j_[a * stride + b] = (L^-T)_ab = (L^-1)_ba
  for (std::size_t a = 0; a < n_; ++a) {
    j_[a * stride_ + a] = 1.0 / lower_[a * n_ + a];
    for (std::size_t b = a + 1; b < n_; ++b) {
      double sum = 0.0;
      for (std::size_t k = a; k < b; ++k) sum -= lower_[b * n_ + k] * j_[a * stride_ + k];
      j_[a * stride_ + b] = sum / lower_[b * n_ + b];
    }
  }
  for (std::size_t k = 0; k < n_ && by_gram; ++k) {
    double sum = 0.0;
    for (std::size_t a = 0; a <= k; ++a) sum += j_[a * stride_ + k] * problem_.rhs[chosen_[a]];
    d_[k] = sum;
  }
  return true;
}

void Conditioned::normal_of(Active& c) {
  if (c.condition < problem_.inequalities && std::isfinite(problem_.weight[c.condition])) {
    c.slack = add_slack(problem_.weight[c.condition]);
  }
  std::fill(normal_.begin(), normal_.end(), 0.0);
  if (c.slack != kHard) normal_[c.slack] = 1.0;
  if (c.condition >= problem_.inequalities) {
    normal_[c.condition - problem_.inequalities] = c.sign;
    return;
  }
  const double* row = &problem_.row[c.condition * problem_.stride];
  for (std::size_t a = 0; a < terms_; ++a) normal_[a] = row[chosen_[a]];
}

/// A further unknown s, which adds weight * s^2 to the objective.
std::size_t Conditioned::add_slack(double weight) {
  if (n_ == stride_) {
    const std::size_t wider = stride_ + kSlacks;
    std::vector<double> j(wider * wider, 0.0), r(wider * wider, 0.0);
    for (std::size_t i = 0; i < n_; ++i) {
      std::copy_n(&j_[i * stride_], n_, &j[i * wider]);
      std::copy_n(&r_[i * stride_], n_, &r[i * wider]);
    }
    j_ = std::move(j);
    r_ = std::move(r);
    stride_ = wider;
  }
  j_[n_ * stride_ + n_] = 1.0 / std::sqrt(weight);
  x_.push_back(0.0);
  normal_.push_back(0.0);
  d_.push_back(0.0);
  step_.push_back(0.0);
  slack_weight_.push_back(weight);
  return n_++;
}

/// Lowers `least` to the smallest slack of some inequalities, if one is below it.
bool Conditioned::lowest(const double* columns, const double* bound, const std::size_t* which, std::size_t rows,
                         double& least, std::size_t& at) {
  const fit::LinalgTable& t = fit::linalg();
  for (std::size_t k = 0; k < rows; ++k) slack_[k] = -bound[k];
  for (std::size_t a = 0; a < terms_; ++a) t.axpy(x_[a], columns + chosen_[a] * rows, slack_.data(), rows);
  for (const Active& active : active_) {
    if (active.slack == kHard) continue;
    if (which == nullptr) {
      slack_[active.condition] += x_[active.slack];
      continue;
    }
    for (std::size_t k = 0; k < rows; ++k) {
      if (which[k] == active.condition) slack_[k] += x_[active.slack];
    }
  }
  const double found = scan().lowest(slack_.data(), rows);
  if (!(found < least)) return false;
  least = found;
  at = static_cast<std::size_t>(std::find(slack_.begin(), slack_.end(), found) - slack_.begin());
  return true;
}

void Conditioned::remember(std::size_t inequality) {
  const std::size_t at = next_recent_++ % kRecent;
  recent_[at] = inequality;
  recent_bound_[at] = problem_.bound[inequality];
  const double* row = &problem_.row[inequality * problem_.stride];
  for (std::size_t j = 0; j < problem_.terms; ++j) recent_columns_[j * kRecent + at] = row[j];
}

bool Conditioned::most_violated(Active& found, double& slack) {
  double size = 1.0;
  for (std::size_t a = 0; a < terms_; ++a) size = std::max(size, std::abs(x_[a]));
  double least = -kViolated * size;
  std::size_t at = 0;
  bool any = false;
  if (!recent_.empty() && lowest(recent_columns_.data(), recent_bound_.data(), recent_.data(), kRecent, least, at)) {
    found = {recent_[at], 1.0, 0.0};
    any = true;
  }
  for (std::size_t a = 0; a < terms_; ++a) {
    const double room = problem_.limit[chosen_[a]] - std::abs(x_[a]);
    if (room < least) {
      least = room;
      found = {problem_.inequalities + a, x_[a] > 0.0 ? -1.0 : 1.0, 0.0};
      any = true;
    }
  }
  if (!any && problem_.inequalities > 0 &&
      lowest(problem_.row_column.data(), problem_.bound.data(), nullptr, problem_.row_stride, least, at)) {
    found = {at, 1.0, 0.0};
    any = true;
    if (!recent_.empty()) remember(at);
  }
  slack = least;
  return any;
}

// d_ holds J^T normal; rotates its free part into one element and appends it to R.
void Conditioned::push() {
  const std::size_t q = active_.size();
  for (std::size_t k = n_ - 1; k > q; --k) {
    const double a = d_[k - 1], b = d_[k];
    if (b == 0.0) continue;
    const double size = std::sqrt(a * a + b * b), c = a / size, s = b / size;
    d_[k - 1] = size;
    d_[k] = 0.0;
    for (std::size_t i = 0; i < n_; ++i) {
      double* to = &j_[i * stride_ + k - 1];
      const double x = to[0], y = to[1];
      to[0] = c * x + s * y;
      to[1] = c * y - s * x;
    }
  }
  for (std::size_t k = 0; k <= q; ++k) r_[k * stride_ + q] = d_[k];
}

void Conditioned::drop(std::size_t place) {
  const std::size_t q = active_.size();
  for (std::size_t k = place; k + 1 < q; ++k) {
    for (std::size_t i = 0; i <= k + 1; ++i) r_[i * stride_ + k] = r_[i * stride_ + k + 1];
  }
  active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(place));
  for (std::size_t k = place; k + 1 < q; ++k) {
    const double a = r_[k * stride_ + k], b = r_[(k + 1) * stride_ + k];
    if (b == 0.0) continue;
    const double size = std::sqrt(a * a + b * b), c = a / size, s = b / size;
    for (std::size_t i = k; i + 1 < q; ++i) {
      const double x = r_[k * stride_ + i], y = r_[(k + 1) * stride_ + i];
      r_[k * stride_ + i] = c * x + s * y;
      r_[(k + 1) * stride_ + i] = c * y - s * x;
    }
    for (std::size_t i = 0; i < n_; ++i) {
      double* to = &j_[i * stride_ + k];
      const double x = to[0], y = to[1];
      to[0] = c * x + s * y;
      to[1] = c * y - s * x;
    }
  }
}

Conditioned::Status Conditioned::enforce(Active condition, double slack, bool equality, double above) {
  double multiplier = 0.0;
  // Each round drops one active condition or ends.
  for (;;) {
    const std::size_t q = active_.size();
    double length = 0.0, free = 0.0;
    for (std::size_t k = 0; k < n_; ++k) d_[k] = 0.0;
    for (std::size_t i = 0; i < n_; ++i) {
      const double x = normal_[i];
      if (x == 0.0) continue;
      for (std::size_t k = 0; k < n_; ++k) d_[k] += j_[i * stride_ + k] * x;
    }
    for (std::size_t k = 0; k < n_; ++k) (k < q ? length : free) += d_[k] * d_[k];
    const bool dependent = !(free > kDependent * (length + free)) || q == n_;
    for (std::size_t k = q; k-- > 0;) {
      double sum = d_[k];
      for (std::size_t l = k + 1; l < q; ++l) sum -= r_[k * stride_ + l] * step_[l];
      step_[k] = sum / r_[k * stride_ + k];
    }
    if (equality && dependent) {
      return std::abs(slack) <= 1e-9 ? Status::Optimal : Status::Infeasible;
    }
    double partial = std::numeric_limits<double>::infinity();
    std::size_t blocking = q;
    for (std::size_t k = fixed_; k < q; ++k) {
      if (step_[k] > 0.0 && active_[k].multiplier < partial * step_[k]) {
        partial = active_[k].multiplier / step_[k];
        blocking = k;
      }
    }
    const double whole = dependent ? std::numeric_limits<double>::infinity() : -slack / free;
    const double t = std::min(partial, whole);
    if (!std::isfinite(t)) return Status::Infeasible;
    if (!dependent) {
      for (std::size_t i = 0; i < n_; ++i) {
        double sum = 0.0;
        for (std::size_t k = q; k < n_; ++k) sum += j_[i * stride_ + k] * d_[k];
        x_[i] += t * sum;
      }
      value_ += 2.0 * t * free * (0.5 * t + multiplier);
      slack += t * free;
    }
    for (std::size_t k = 0; k < q; ++k) active_[k].multiplier -= t * step_[k];
    multiplier += t;
    if (value_ > above) return Status::Above;
    if (whole <= partial) {
      push();
      condition.multiplier = multiplier;
      active_.push_back(condition);
      return Status::Optimal;
    }
    drop(blocking);
  }
}

Conditioned::Status Conditioned::solve(const std::vector<std::size_t>& chosen, double above) {
  ++solved_;
  chosen_ = chosen;
  n_ = terms_ = chosen.size();
  stride_ = n_ + (problem_.graded ? kSlacks : 0);
  slack_weight_.clear();
  active_.clear();
  fixed_ = 0;
  if (!factor()) return Status::Infeasible;
  r_.assign(stride_ * stride_, 0.0);
  x_.assign(n_, 0.0);
  normal_.assign(n_, 0.0);
  step_.resize(n_);
  value_ = problem_.square;
  for (std::size_t k = 0; k < n_; ++k) value_ -= d_[k] * d_[k];
  for (std::size_t a = 0; a < n_; ++a) {
    for (std::size_t k = a; k < n_; ++k) x_[a] += j_[a * stride_ + k] * d_[k];
  }
  for (std::size_t k = 0; k < problem_.equalities; ++k) {
    double slack = -problem_.value[k];
    for (std::size_t a = 0; a < n_; ++a) {
      normal_[a] = problem_.equality[k * problem_.stride + chosen_[a]];
      slack += normal_[a] * x_[a];
    }
    // The multiplier of an equality has either sign, so a step in either direction is whole.
    if (const Status s = enforce({0, 0.0, 0.0}, slack, true, above); s != Status::Optimal) return s;
    fixed_ = active_.size();
  }
  if (value_ > above) return Status::Above;
  Active condition{};
  double slack = 0.0;
  for (std::size_t round = 0; most_violated(condition, slack); ++round) {
    normal_of(condition);
    // A vertex can be revisited only through rounding: such a subset is of no use, and says nothing of others.
    if (round > 50 + 10 * terms_ + problem_.graded) return Status::Undecided;
    if (const Status s = enforce(condition, slack, false, above); s != Status::Optimal) return s;
  }
  active_.erase(active_.begin(), active_.begin() + static_cast<std::ptrdiff_t>(fixed_));
  return Status::Optimal;
}

double Conditioned::residual() const {
  const fit::LinalgTable& t = fit::linalg();
  std::vector<double> left(problem_.target);
  for (std::size_t a = 0; a < terms_; ++a) {
    t.axpy(-x_[a], &problem_.columns[chosen_[a] * problem_.length], left.data(), problem_.length);
  }
  double sum = problem_.rest + t.dot(left.data(), left.data(), problem_.length);
  for (std::size_t s = 0; s < slack_weight_.size(); ++s) sum += slack_weight_[s] * x_[terms_ + s] * x_[terms_ + s];
  return sum;
}

}  // namespace fastsfes::select
