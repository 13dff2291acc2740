#include "core/fit/columns.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/fit/linalg.hpp"

namespace fastsfes::fit {
namespace {

void subtract(std::vector<double>& y, const double* x) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] -= x[i];
}

}  // namespace

Columns::Columns(const Problem& problem, std::vector<std::shared_ptr<const ChannelModel>> models)
    : problem_(problem),
      models_(std::move(models)),
      length_(problem.fitted_target().size()),
      base_(problem.fitted_target()) {
  std::size_t nodes = 0;
  for (std::size_t k = 0; k < models_.size(); ++k) {
    const ChannelModel& m = *models_[k];
    add_channel(m);
    if (m.moving) nodes = std::max(nodes, padded(problem.channels()[k].nodes) * m.moving->program.outputs());
  }
  for (std::size_t j = 0; j < problem.extra(); ++j) {
    linear_.push_back({parameters_++, problem.extra_fitted()[j].data(), problem.extra_other()[j].data(), 0});
  }
  nodes_.resize(nodes);
  moving_.assign(moving_linear_.size() * length_, 0.0);
  slopes_.assign(derivative_.size() * length_, 0.0);
}

void Columns::add_channel(const ChannelModel& m) {
  first_.push_back({parameters_, theta_.size(), moving_linear_.size(), derivative_.size()});
  const First& first = first_.back();
  for (const std::size_t p : m.nonlinear) {
    theta_.push_back(parameters_ + p);
    positive_.push_back(m.positive[p]);
  }
  for (const ChannelModel::Fixed& f : m.fixed) {
    usable_ = usable_ && f.column->finite;
    if (!f.column->finite) continue;
    if (f.parameter < 0) {
      subtract(base_, f.column->fitted.data());
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
    derivative_.push_back({first.moving + d.column, first.theta + d.nonlinear});
  }
  parameters_ += m.parameters.size();
}

void Columns::run_program(std::size_t channel, const double* theta) {
  const ChannelModel& m = *models_[channel];
  const ChannelData& data = problem_.channels()[channel];
  const std::size_t stride = padded(data.nodes);
  parameters_of_channel_.assign(m.parameters.size(), 0.0);
  for (std::size_t j = 0; j < m.nonlinear.size(); ++j) {
    parameters_of_channel_[m.nonlinear[j]] = theta[first_[channel].theta + j];
  }
  node_pointers_.resize(m.moving->program.outputs());
  for (std::size_t i = 0; i < node_pointers_.size(); ++i) node_pointers_[i] = nodes_.data() + i * stride;
  m.moving->evaluate(data, parameters_of_channel_.data(), node_pointers_.data(), scratch_);
}

void Columns::run(const double* theta, bool derivatives) {
  for (std::size_t k = 0; k < models_.size(); ++k) {
    const ChannelModel& m = *models_[k];
    if (!m.moving) continue;
    run_program(k, theta);
    const ChannelData& channel = problem_.channels()[k];
    const std::size_t moving = m.moving_parameter.size(), outputs = node_pointers_.size();
    row_pointers_.resize(outputs);
    for (std::size_t i = 0; i < outputs; ++i) {
      row_pointers_[i] = i < moving ? moving_.data() + (first_[k].moving + i) * length_
                                    : slopes_.data() + (first_[k].derivative + i - moving) * length_;
    }
    for (std::size_t i = moving; i < outputs; ++i) {
      // A root or logarithm at the edge of its domain (x2 = 0) has no finite chain rule although the value does not
      // depend on theta there: no slope is taken from such a node.
      double* v = node_pointers_[i];
      for (std::size_t n = 0; n < channel.nodes; ++n) v[n] = std::isfinite(v[n]) ? v[n] : 0.0;
    }
    channel.fitted.project(node_pointers_.data(), derivatives ? outputs : moving, row_pointers_.data());
  }
  target_ = base_;
  for (std::size_t m = 0; m < moving_linear_.size(); ++m) {
    if (moving_linear_[m] < 0) subtract(target_, moving_.data() + m * length_);
  }
}

std::vector<double> Columns::other_residual(const double* theta, const std::vector<double>& coefficients) {
  const LinalgTable& t = linalg();
  const std::size_t length = problem_.other_scale().size();
  const double* scale = problem_.other_scale().data();
  std::vector<double> residual(length, 0.0);
  std::copy(problem_.other_target().begin(), problem_.other_target().end(), residual.begin());
  for (std::size_t k = 0; k < linear_.size(); ++k) {
    if (linear_[k].other != nullptr) t.axpy(-coefficients[k], linear_[k].other, residual.data(), length);
  }
  std::vector<double> combined, projected(length);
  for (std::size_t k = 0; k < models_.size(); ++k) {
    const ChannelModel& m = *models_[k];
    for (const ChannelModel::Fixed& f : m.fixed) {
      if (f.parameter < 0) t.axpy(-1.0, f.column->other.data(), residual.data(), length);
    }
    if (!m.moving) continue;
    run_program(k, theta);
    combined.assign(padded(problem_.channels()[k].nodes), 0.0);
    for (std::size_t i = 0; i < m.moving_parameter.size(); ++i) {
      const int column = moving_linear_[first_[k].moving + i];
      const double c = column < 0 ? 1.0 : coefficients[static_cast<std::size_t>(column)];
      if (c != 0.0) t.axpy(c, node_pointers_[i], combined.data(), combined.size());
    }
    const double* in = combined.data();
    double* out = projected.data();
    problem_.channels()[k].other.project(&in, 1, &out);
    for (std::size_t i = 0; i < length; ++i) residual[i] -= scale[i] * out[i];
  }
  return residual;
}

}  // namespace fastsfes::fit
