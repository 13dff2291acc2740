#include "core/fit/varpro.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

#include "core/base/stop.hpp"
#include "core/fit/linalg.hpp"

namespace fastsfes::fit {
namespace {

constexpr int kActiveSetRounds = 20;

}  // namespace

VariableProjection::VariableProjection(const Problem& problem, std::vector<std::shared_ptr<const ChannelModel>> models)
    : problem_(problem),
      columns_(problem, std::move(models)),
      equalities_(problem),
      penalties_(problem),
      length_(problem.ridge() > 0.0 ? padded(problem.fitted_length() + columns_.linear()) : columns_.length()),
      solved_(columns_.linear() * length_),
      reduced_(columns_.linear() * length_),
      residual_(length_),
      rotated_(length_),
      slope_(length_),
      pull_(columns_.linear()) {}

/// The columns and the target with the rows that count now: inactive penalties and equalities are zero, the ridge
/// stands below.
void VariableProjection::fill_columns() {
  const std::size_t keep = problem_.penalty_begin();
  assert(keep + penalties_.count() <= length_);
  const double ridge = std::sqrt(problem_.ridge());
  for (std::size_t k = 0; k < columns_.linear(); ++k) {
    const double* source = columns_.column(k);
    double* to = solved_.data() + k * length_;
    std::copy_n(source, keep, to);
    std::fill(to + keep, to + length_, 0.0);
    for (std::size_t p = 0; p < penalties_.count(); ++p) to[keep + p] = penalties_.active(p) ? source[keep + p] : 0.0;
    if (ridge > 0.0) to[problem_.fitted_length() + k] = ridge;
  }
  const std::vector<double>& z = columns_.target();
  std::copy_n(z.data(), keep, residual_.data());
  std::fill(residual_.begin() + static_cast<std::ptrdiff_t>(keep), residual_.end(), 0.0);
  for (std::size_t p = 0; p < penalties_.count(); ++p) {
    residual_[keep + p] = penalties_.active(p) ? z[keep + p] + penalties_.limit(p) : 0.0;
  }
}

void VariableProjection::solve(Point& point) {
  const LinalgTable& t = linalg();
  const std::vector<std::size_t>&free = equalities_.free(), &basic = equalities_.basic();
  fill_columns();
  std::vector<double*> columns;
  columns.reserve(free.size());
  for (std::size_t i = 0; i < free.size(); ++i) {
    double* to = reduced_.data() + i * length_;
    std::copy_n(solved_.data() + free[i] * length_, length_, to);
    for (std::size_t b = 0; b < basic.size(); ++b) {
      t.axpy(-equalities_.transform(b, free[i]), solved_.data() + basic[b] * length_, to, length_);
    }
    columns.push_back(to);
  }
  rotated_ = residual_;
  for (std::size_t b = 0; b < basic.size(); ++b) {
    t.axpy(-equalities_.value(b), solved_.data() + basic[b] * length_, rotated_.data(), length_);
  }
  qr_.factor(columns, length_, kRankTolerance);
  double* rotated = rotated_.data();
  qr_.apply_transpose(&rotated, 1);
  std::vector<double> found(free.size());
  qr_.solve(rotated_.data(), found.data());
  equalities_.complete(found, point.coefficients);
  point.rank = qr_.rank() + basic.size();
  // The residual itself rather than what the rotation says of its norm: exact also for huge coefficients.
  for (std::size_t k = 0; k < columns_.linear(); ++k) {
    t.axpy(-point.coefficients[k], solved_.data() + k * length_, residual_.data(), length_);
  }
}

void VariableProjection::evaluate(const double* theta, bool derivatives, Point& point) {
  columns_.run(theta, derivatives);
  point.feasible = equalities_.eliminate(columns_);
  point.objective = point.squared = std::numeric_limits<double>::infinity();
  if (!point.feasible) return;
  for (int round = 0; round < kActiveSetRounds; ++round) {
    check_stop();
    solve(point);
    if (!penalties_.update(columns_, point.coefficients)) break;
  }
  double squared = 0.0;
  for (std::size_t i = 0; i < problem_.penalty_begin(); ++i) squared += residual_[i] * residual_[i];
  const double objective = linalg().dot(residual_.data(), residual_.data(), length_);
  if (!std::isfinite(squared) || !std::isfinite(objective)) return;
  point.squared = squared;
  point.objective = objective;
  if (derivatives) differentiate(point);
}

/// g: d(z - W c)/d theta_j at constant coefficients, with the sign of z; share: per free parameter, (dW/d theta_j)^T r.
void VariableProjection::differentiate_residual(std::size_t j, const Point& point, double* g, double* share) {
  const LinalgTable& t = linalg();
  const std::size_t length = columns_.length(), begin = problem_.equality_begin();
  std::fill(pull_.begin(), pull_.end(), 0.0);
  columns_.for_each_slope(j, [&](int k, const double* slope) {
    t.axpy(k < 0 ? -1.0 : -point.coefficients[static_cast<std::size_t>(k)], slope, g, length);
    if (k >= 0) pull_[static_cast<std::size_t>(k)] = t.dot(slope, residual_.data(), length);
  });
  for (std::size_t i = 0; i < equalities_.free().size(); ++i) share[i] = pull_[equalities_.free()[i]];
  if (!equalities_.basic().empty()) add_equalities(j, g, share);
  for (std::size_t p = 0; p < penalties_.count(); ++p) {
    double& row = g[problem_.penalty_begin() + p];
    row = penalties_.active(p) ? row : 0.0;
  }
  std::fill(g + begin, g + std::min(length_, begin + problem_.equalities().size()), 0.0);
}

/// What the basic parameters, which follow the free ones and theta, add to both.
void VariableProjection::add_equalities(std::size_t j, double* g, double* share) {
  const LinalgTable& t = linalg();
  const std::vector<std::size_t>&free = equalities_.free(), &basic = equalities_.basic();
  const std::size_t n = columns_.linear(), rows = equalities_.rows(), begin = problem_.equality_begin();
  // d(value)/d theta - d(transform)/d theta c = E_B^-1 (d(rhs) - dE c); g holds -(dE c) - d(offset) in these rows.
  for (std::size_t b = 0; b < basic.size(); ++b) {
    double shift = 0.0;
    for (std::size_t e = 0; e < rows; ++e) shift += equalities_.inverse(b, e) * g[begin + e];
    t.axpy(-shift, solved_.data() + basic[b] * length_, g, length_);
  }
  std::vector<double> basic_pull(basic.size());
  for (std::size_t b = 0; b < basic.size(); ++b) {
    basic_pull[b] = t.dot(solved_.data() + basic[b] * length_, residual_.data(), length_);
  }
  std::vector<double> slope_of(rows * n, 0.0);
  columns_.for_each_slope(j, [&](int k, const double* slope) {
    for (std::size_t e = 0; k >= 0 && e < rows; ++e) slope_of[e * n + static_cast<std::size_t>(k)] = slope[begin + e];
  });
  for (std::size_t i = 0; i < free.size(); ++i) {
    const std::size_t k = free[i];
    for (std::size_t b = 0; b < basic.size(); ++b) {
      share[i] -= equalities_.transform(b, k) * pull_[basic[b]];
      double change = 0.0;
      for (std::size_t e = 0; e < rows; ++e) {
        double row = slope_of[e * n + k];
        for (std::size_t c = 0; c < basic.size(); ++c) row -= slope_of[e * n + basic[c]] * equalities_.transform(c, k);
        change += equalities_.inverse(b, e) * row;
      }
      share[i] -= change * basic_pull[b];
    }
  }
}

// With W c the fit and r the residual, d r = -P (dz' ) ... in the basis of Q: the first rank() rows hold
// -R^-T (dW^T r), the others -(Q^T (dW c - dz)).
void VariableProjection::differentiate(Point& point) {
  const LinalgTable& t = linalg();
  const std::size_t count = columns_.nonlinear(), rank = qr_.rank(), free = equalities_.free().size();
  std::vector<double> jacobian(count * length_, 0.0), shares(count * free);
  std::vector<double*> columns(count);
  for (std::size_t j = 0; j < count; ++j) {
    check_stop();
    columns[j] = jacobian.data() + j * length_;
    differentiate_residual(j, point, columns[j], shares.data() + j * free);
  }
  qr_.apply_transpose(columns.data(), count);
  for (std::size_t j = 0; j < count; ++j) {
    // The sign of the upper part does not matter for J^T J by itself but relative to the other columns it is common.
    qr_.solve_transpose(shares.data() + j * free, slope_.data());
    for (std::size_t i = 0; i < rank; ++i) columns[j][i] = -slope_[i];
  }
  std::fill_n(rotated_.begin(), rank, 0.0);  // Q^T r
  point.gradient.assign(count, 0.0);
  point.normal.assign(count * count, 0.0);
  for (std::size_t i = 0; i < count; ++i) {
    check_stop();
    point.gradient[i] = t.dot(columns[i], rotated_.data(), length_);
    for (std::size_t j = 0; j <= i; ++j) {
      point.normal[i * count + j] = point.normal[j * count + i] = t.dot(columns[i], columns[j], length_);
    }
  }
}

std::vector<double> VariableProjection::other_blocks(const double* theta, const Point& point) {
  std::vector<double> losses(problem_.blocks().size() - 1, 0.0);
  if (losses.empty()) return losses;
  const std::vector<double> residual = columns_.other_residual(theta, point.coefficients);
  std::size_t row = 0;
  for (std::size_t b = 0; b < losses.size(); ++b) {
    for (std::size_t i = 0; i < problem_.blocks()[b + 1].rows.size(); ++i, ++row) {
      losses[b] += residual[row] * residual[row];
    }
    if (!std::isfinite(losses[b])) losses[b] = std::numeric_limits<double>::infinity();
  }
  return losses;
}

}  // namespace fastsfes::fit
