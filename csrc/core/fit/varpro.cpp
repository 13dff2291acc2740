#include "core/fit/varpro.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/fit/linalg.hpp"

namespace fastsfes::fit {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kRankTolerance = 1e-10;  // energies on the nodes are not more accurate than that
constexpr int kActiveSetRounds = 20;

void subtract(std::vector<double>& y, const double* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] -= x[i];
}

}  // namespace

VariableProjection::VariableProjection(const Problem& problem, std::vector<std::shared_ptr<const ChannelModel>> models)
    : problem_(problem), models_(std::move(models)) {
  raw_ = problem.fitted_target().size();
  base_ = problem.fitted_target();
  std::size_t nodes = 0;
  for (std::size_t k = 0; k < models_.size(); ++k) {
    const ChannelModel& m = *models_[k];
    first_parameter_.push_back(parameters_);
    first_theta_.push_back(theta_.size());
    first_moving_.push_back(moving_linear_.size());
    first_derivative_.push_back(derivative_.size());
    for (const std::size_t p : m.nonlinear) {
      theta_.push_back(parameters_ + p);
      positive_.push_back(m.positive[p]);
    }
    for (const ChannelModel::Fixed& f : m.fixed) {
      usable_ = usable_ && f.column->finite;
      if (!f.column->finite) continue;
      if (f.parameter < 0) {
        subtract(base_, f.column->fitted.data(), raw_);
      } else {
        linear_.push_back(
            {parameters_ + static_cast<std::size_t>(f.parameter), f.column->fitted.data(), f.column->other.data(), 0});
      }
    }
    for (const int p : m.moving_parameter) {
      moving_linear_.push_back(p < 0 ? -1 : static_cast<int>(linear_.size()));
      if (p >= 0) {
        linear_.push_back({parameters_ + static_cast<std::size_t>(p), nullptr, nullptr, moving_linear_.size() - 1});
      }
    }
    for (const ChannelModel::Derivative& d : m.derivatives) {
      derivative_.push_back({first_moving_.back() + d.column, first_theta_.back() + d.nonlinear});
    }
    parameters_ += m.parameters.size();
    if (m.moving) nodes = std::max(nodes, padded(problem.channels()[k].nodes) * m.moving->program.outputs());
  }
  for (std::size_t j = 0; j < problem.extra(); ++j) {
    linear_.push_back({parameters_++, problem.extra_fitted()[j].data(), problem.extra_other()[j].data(), 0});
  }
  length_ = problem.ridge() > 0.0 ? padded(problem.fitted_length() + linear_.size()) : raw_;
  nodes_.resize(nodes);
  moving_.assign(moving_linear_.size() * raw_, 0.0);
  slopes_.assign(derivative_.size() * raw_, 0.0);
  target_.resize(raw_);
  column_.resize(linear_.size() * length_);
  work_.resize(linear_.size() * length_);
  residual_.resize(length_);
  rotated_.resize(length_);
  slope_.resize(length_);
  side_.assign(problem.penalties().size(), 0);
}

void VariableProjection::run_programs(const double* theta, bool derivatives) {
  for (std::size_t k = 0; k < models_.size(); ++k) {
    const ChannelModel& m = *models_[k];
    if (!m.moving) continue;
    const ChannelData& channel = problem_.channels()[k];
    const std::size_t stride = padded(channel.nodes), moving = m.moving_parameter.size();
    parameters_of_channel_.assign(m.parameters.size(), 0.0);
    for (std::size_t j = 0; j < m.nonlinear.size(); ++j) {
      parameters_of_channel_[m.nonlinear[j]] = theta[first_theta_[k] + j];
    }
    const std::size_t outputs = m.moving->program.outputs();
    node_pointers_.resize(outputs);
    row_pointers_.resize(outputs);
    for (std::size_t i = 0; i < outputs; ++i) {
      node_pointers_[i] = nodes_.data() + i * stride;
      row_pointers_[i] = i < moving ? moving_.data() + (first_moving_[k] + i) * raw_
                                    : slopes_.data() + (first_derivative_[k] + i - moving) * raw_;
    }
    m.moving->evaluate(channel, parameters_of_channel_.data(), node_pointers_.data(), scratch_);
    for (std::size_t i = moving; i < outputs; ++i) {
      // A root or logarithm at the edge of its domain (x2 = 0) has no finite chain rule although the value does not
      // depend on theta there: no slope is taken from such a node.
      double* v = node_pointers_[i];
      for (std::size_t n = 0; n < channel.nodes; ++n) v[n] = std::isfinite(v[n]) ? v[n] : 0.0;
    }
    const std::size_t count = derivatives ? outputs : moving;
    channel.fitted.project(node_pointers_.data(), count, row_pointers_.data());
  }
}

// Gauss-Jordan elimination with complete pivoting: c[basic] = value - transform . c[free].
bool VariableProjection::eliminate_equalities() {
  const std::size_t rows = problem_.equalities().size(), n = linear_.size(), begin = problem_.equality_begin();
  basic_.clear();
  free_.clear();
  if (rows == 0) {
    for (std::size_t k = 0; k < n; ++k) free_.push_back(k);
    return true;
  }
  const std::size_t width = n + 1 + rows;  // columns, right-hand side, and the identity that becomes the inverse
  std::vector<double>& a = equality_;
  a.assign(rows * width, 0.0);
  double largest = 0.0;
  for (std::size_t e = 0; e < rows; ++e) {
    for (std::size_t k = 0; k < n; ++k) {
      const double* column = linear_[k].fixed ? linear_[k].fixed : moving_.data() + linear_[k].moving * raw_;
      a[e * width + k] = column[begin + e];
      largest = std::max(largest, std::abs(column[begin + e]));
    }
    a[e * width + n] = target_[begin + e];
    a[e * width + n + 1 + e] = 1.0;
  }
  std::vector<char> used_row(rows, 0), used_column(n, 0);
  std::vector<std::size_t> pivot_row;
  for (std::size_t step = 0; step < rows; ++step) {
    std::size_t row = rows, column = n;
    double best = kRankTolerance * largest;
    for (std::size_t e = 0; e < rows; ++e) {
      for (std::size_t k = 0; k < n; ++k) {
        if (!used_row[e] && !used_column[k] && std::abs(a[e * width + k]) > best) {
          best = std::abs(a[e * width + k]);
          row = e;
          column = k;
        }
      }
    }
    if (row == rows) break;
    used_row[row] = used_column[column] = 1;
    basic_.push_back(column);
    pivot_row.push_back(row);
    const double pivot = a[row * width + column];
    for (std::size_t k = 0; k < width; ++k) a[row * width + k] /= pivot;
    for (std::size_t e = 0; e < rows; ++e) {
      const double factor = a[e * width + column];
      if (e == row || factor == 0.0) continue;
      for (std::size_t k = 0; k < width; ++k) a[e * width + k] -= factor * a[row * width + k];
    }
  }
  for (std::size_t e = 0; e < rows; ++e) {
    // A row without a pivot must hold by itself.
    const double scale = std::max(1.0, std::abs(problem_.equalities()[e].value));
    if (!used_row[e] && !(std::abs(a[e * width + n]) <= 1e-9 * scale)) return false;
  }
  for (std::size_t k = 0; k < n; ++k) {
    if (!used_column[k]) free_.push_back(k);
  }
  equality_value_.resize(basic_.size());
  transform_.resize(basic_.size() * n);
  inverse_.resize(basic_.size() * rows);
  for (std::size_t b = 0; b < basic_.size(); ++b) {
    const double* row = a.data() + pivot_row[b] * width;
    equality_value_[b] = row[n];
    for (std::size_t k = 0; k < n; ++k) transform_[b * n + k] = row[k];
    for (std::size_t e = 0; e < rows; ++e) inverse_[b * rows + e] = row[n + 1 + e];
  }
  return true;
}

void VariableProjection::solve(const double* z, Point& point) {
  const LinalgTable& t = linalg();
  const std::size_t n = linear_.size(), keep = problem_.penalty_begin(), end = problem_.equality_begin();
  const double ridge = std::sqrt(problem_.ridge());
  // The columns with the rows that count now: inactive penalties and equalities are zero, the ridge stands below.
  for (std::size_t k = 0; k < n; ++k) {
    const double* source = linear_[k].fixed ? linear_[k].fixed : moving_.data() + linear_[k].moving * raw_;
    double* to = column_.data() + k * length_;
    std::copy_n(source, keep, to);
    std::fill(to + keep, to + length_, 0.0);
    for (std::size_t p = keep; p < end; ++p) to[p] = side_[p - keep] ? source[p] : 0.0;
    if (ridge > 0.0) to[problem_.fitted_length() + k] = ridge;
  }
  std::copy_n(z, keep, residual_.data());
  std::fill(residual_.begin() + static_cast<std::ptrdiff_t>(keep), residual_.end(), 0.0);
  for (std::size_t p = keep; p < end; ++p) {
    const Penalty& penalty = problem_.penalties()[p - keep];
    const double limit = side_[p - keep] > 0 ? penalty.upper : penalty.lower;
    residual_[p] = side_[p - keep] ? z[p] + std::sqrt(penalty.weight) * limit : 0.0;
  }

  std::vector<double*> columns;
  columns.reserve(free_.size());
  for (std::size_t i = 0; i < free_.size(); ++i) {
    double* to = work_.data() + i * length_;
    std::copy_n(column_.data() + free_[i] * length_, length_, to);
    for (std::size_t b = 0; b < basic_.size(); ++b) {
      t.axpy(-transform_[b * n + free_[i]], column_.data() + basic_[b] * length_, to, length_);
    }
    columns.push_back(to);
  }
  rotated_ = residual_;
  for (std::size_t b = 0; b < basic_.size(); ++b) {
    t.axpy(-equality_value_[b], column_.data() + basic_[b] * length_, rotated_.data(), length_);
  }
  qr_.factor(columns, length_, kRankTolerance);
  double* rotated = rotated_.data();
  qr_.apply_transpose(&rotated, 1);
  std::vector<double> reduced(free_.size());
  qr_.solve(rotated_.data(), reduced.data());
  point.coefficients.assign(n, 0.0);
  for (std::size_t i = 0; i < free_.size(); ++i) point.coefficients[free_[i]] = reduced[i];
  for (std::size_t b = 0; b < basic_.size(); ++b) {
    double value = equality_value_[b];
    for (std::size_t i = 0; i < free_.size(); ++i) value -= transform_[b * n + free_[i]] * reduced[i];
    point.coefficients[basic_[b]] = value;
  }
  point.rank = qr_.rank() + basic_.size();
  // The residual itself rather than what the rotation says of its norm: exact also for huge coefficients.
  for (std::size_t k = 0; k < n; ++k) {
    t.axpy(-point.coefficients[k], column_.data() + k * length_, residual_.data(), length_);
  }
}

void VariableProjection::evaluate(const double* theta, bool derivatives, Point& point) {
  const LinalgTable& t = linalg();
  const std::size_t penalties = problem_.penalties().size(), keep = problem_.penalty_begin();
  run_programs(theta, derivatives);
  target_ = base_;
  for (std::size_t m = 0; m < moving_linear_.size(); ++m) {
    if (moving_linear_[m] < 0) subtract(target_, moving_.data() + m * raw_, raw_);
  }
  point.feasible = eliminate_equalities();
  point.objective = point.squared = kInfinity;
  if (!point.feasible) return;
  for (int round = 0; round < kActiveSetRounds; ++round) {
    solve(target_.data(), point);
    bool changed = false;
    for (std::size_t p = 0; p < penalties; ++p) {
      double value = -target_[keep + p];
      for (std::size_t k = 0; k < linear_.size(); ++k) {
        const double* column = linear_[k].fixed ? linear_[k].fixed : moving_.data() + linear_[k].moving * raw_;
        value += point.coefficients[k] * column[keep + p];
      }
      const Penalty& penalty = problem_.penalties()[p];
      const double scale = std::sqrt(penalty.weight);
      const signed char side = value > scale * penalty.upper ? 1 : value < scale * penalty.lower ? -1 : 0;
      changed = changed || side != side_[p];
      side_[p] = side;
    }
    if (!changed) break;
  }
  double squared = 0.0;
  for (std::size_t i = 0; i < keep; ++i) squared += residual_[i] * residual_[i];
  const double objective = t.dot(residual_.data(), residual_.data(), length_);
  if (!std::isfinite(squared) || !std::isfinite(objective)) return;
  point.squared = squared;
  point.objective = objective;
  if (derivatives) differentiate(point);
}

// With W c the fit and r the residual, d r = -P (dz' ) ... in the basis of Q: the first rank() rows hold
// -R^-T (dW^T r), the others -(Q^T (dW c - dz)).
void VariableProjection::differentiate(Point& point) {
  const LinalgTable& t = linalg();
  const std::size_t count = theta_.size(), n = linear_.size(), rank = qr_.rank();
  const std::size_t equalities = problem_.equalities().size(), equality_begin = problem_.equality_begin();
  const std::size_t keep = problem_.penalty_begin();
  std::vector<double> jacobian(count * length_, 0.0), pull(n), shares(count * free_.size()), basic_pull;
  for (std::size_t j = 0; j < count; ++j) {
    double* g = jacobian.data() + j * length_;  // d(z - W c)/d theta_j at constant coefficients, with the sign of z
    double* share = shares.data() + j * free_.size();
    std::fill(pull.begin(), pull.end(), 0.0);
    for (std::size_t d = 0; d < derivative_.size(); ++d) {
      if (derivative_[d].theta != j) continue;
      const int k = moving_linear_[derivative_[d].moving];
      const double* slope = slopes_.data() + d * raw_;
      t.axpy(k < 0 ? -1.0 : -point.coefficients[static_cast<std::size_t>(k)], slope, g, raw_);
      if (k >= 0) pull[static_cast<std::size_t>(k)] = t.dot(slope, residual_.data(), raw_);
    }
    if (!basic_.empty()) {
      // d(value)/d theta - d(transform)/d theta c = E_B^-1 (d(rhs) - dE c); g holds -(dE c) - d(offset) in these rows.
      for (std::size_t b = 0; b < basic_.size(); ++b) {
        double shift = 0.0;
        for (std::size_t e = 0; e < equalities; ++e) shift += inverse_[b * equalities + e] * g[equality_begin + e];
        t.axpy(-shift, column_.data() + basic_[b] * length_, g, length_);
      }
      basic_pull.assign(basic_.size(), 0.0);
      for (std::size_t b = 0; b < basic_.size(); ++b) {
        basic_pull[b] = t.dot(column_.data() + basic_[b] * length_, residual_.data(), length_);
      }
      std::vector<double> slope_of(equalities * n, 0.0);
      for (std::size_t d = 0; d < derivative_.size(); ++d) {
        const int k = moving_linear_[derivative_[d].moving];
        if (derivative_[d].theta != j || k < 0) continue;
        for (std::size_t e = 0; e < equalities; ++e) {
          slope_of[e * n + static_cast<std::size_t>(k)] = slopes_[d * raw_ + equality_begin + e];
        }
      }
      for (std::size_t i = 0; i < free_.size(); ++i) {
        const std::size_t k = free_[i];
        double value = pull[k];
        for (std::size_t b = 0; b < basic_.size(); ++b) {
          value -= transform_[b * n + k] * pull[basic_[b]];
          double change = 0.0;
          for (std::size_t e = 0; e < equalities; ++e) {
            double row = slope_of[e * n + k];
            for (std::size_t c = 0; c < basic_.size(); ++c) row -= slope_of[e * n + basic_[c]] * transform_[c * n + k];
            change += inverse_[b * equalities + e] * row;
          }
          value -= change * basic_pull[b];
        }
        share[i] = value;
      }
    } else {
      for (std::size_t i = 0; i < free_.size(); ++i) share[i] = pull[free_[i]];
    }
    for (std::size_t p = keep; p < equality_begin; ++p) g[p] = side_[p - keep] ? g[p] : 0.0;
    std::fill(g + equality_begin, g + std::min(length_, equality_begin + equalities), 0.0);
  }
  std::vector<double*> columns(count);
  for (std::size_t j = 0; j < count; ++j) columns[j] = jacobian.data() + j * length_;
  qr_.apply_transpose(columns.data(), count);
  for (std::size_t j = 0; j < count; ++j) {
    // The sign of the upper part does not matter for J^T J by itself but relative to the other columns it is common.
    qr_.solve_transpose(shares.data() + j * free_.size(), slope_.data());
    for (std::size_t i = 0; i < rank; ++i) columns[j][i] = -slope_[i];
  }
  std::fill_n(rotated_.begin(), rank, 0.0);  // Q^T r
  point.gradient.assign(count, 0.0);
  point.normal.assign(count * count, 0.0);
  for (std::size_t i = 0; i < count; ++i) {
    const double* a = jacobian.data() + i * length_;
    point.gradient[i] = t.dot(a, rotated_.data(), length_);
    for (std::size_t j = 0; j <= i; ++j) {
      point.normal[i * count + j] = point.normal[j * count + i] = t.dot(a, jacobian.data() + j * length_, length_);
    }
  }
}

std::vector<double> VariableProjection::other_blocks(const double* theta, const Point& point) {
  std::vector<double> losses(problem_.blocks().size() - 1, 0.0);
  if (losses.empty()) return losses;
  const LinalgTable& t = linalg();
  const std::size_t length = problem_.other_scale().size();
  const double* scale = problem_.other_scale().data();
  std::vector<double> residual(length, 0.0);
  std::copy(problem_.other_target().begin(), problem_.other_target().end(), residual.begin());
  for (std::size_t k = 0; k < linear_.size(); ++k) {
    if (linear_[k].other) t.axpy(-point.coefficients[k], linear_[k].other, residual.data(), length);
  }
  std::vector<double> combined, projected(length);
  for (std::size_t k = 0; k < models_.size(); ++k) {
    const ChannelModel& m = *models_[k];
    for (const ChannelModel::Fixed& f : m.fixed) {
      if (f.parameter < 0) t.axpy(-1.0, f.column->other.data(), residual.data(), length);
    }
    if (!m.moving) continue;
    const ChannelData& channel = problem_.channels()[k];
    const std::size_t stride = padded(channel.nodes), moving = m.moving_parameter.size();
    parameters_of_channel_.assign(m.parameters.size(), 0.0);
    for (std::size_t j = 0; j < m.nonlinear.size(); ++j) {
      parameters_of_channel_[m.nonlinear[j]] = theta[first_theta_[k] + j];
    }
    node_pointers_.resize(m.moving->program.outputs());
    for (std::size_t i = 0; i < node_pointers_.size(); ++i) node_pointers_[i] = nodes_.data() + i * stride;
    m.moving->evaluate(channel, parameters_of_channel_.data(), node_pointers_.data(), scratch_);
    combined.assign(stride, 0.0);
    for (std::size_t i = 0; i < moving; ++i) {
      const int column = moving_linear_[first_moving_[k] + i];
      const double c = column < 0 ? 1.0 : point.coefficients[static_cast<std::size_t>(column)];
      if (c == 0.0) continue;
      t.axpy(c, node_pointers_[i], combined.data(), stride);
    }
    const double* in = combined.data();
    double* out = projected.data();
    channel.other.project(&in, 1, &out);
    for (std::size_t i = 0; i < length; ++i) residual[i] -= scale[i] * out[i];
  }
  std::size_t row = 0;
  for (std::size_t b = 0; b < losses.size(); ++b) {
    for (std::size_t i = 0; i < problem_.blocks()[b + 1].rows.size(); ++i, ++row) {
      losses[b] += residual[row] * residual[row];
    }
    if (!std::isfinite(losses[b])) losses[b] = kInfinity;
  }
  return losses;
}

}  // namespace fastsfes::fit
