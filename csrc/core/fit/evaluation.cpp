#include "core/fit/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.hpp"
#include "core/base/team.hpp"
#include "core/fit/linalg.hpp"

namespace fastsfes::fit {

Evaluation::Evaluation(const Problem& problem, const std::vector<Expression>& expressions)
    : problem_(problem), expressions_(expressions) {
  if (expressions.size() != problem.channels().size()) {
    throw InputError("expected " + std::to_string(problem.channels().size()) + " expressions, one per channel, got " +
                     std::to_string(expressions.size()));
  }
  for (std::size_t k = 0; k < expressions.size(); ++k) {
    models_.push_back(problem.value(k, expressions[k], false));
    first_.push_back(parameters_);
    parameters_ += models_.back()->parameters.size();
  }
  first_.push_back(parameters_);
  parameters_ += problem.extra();
}

std::vector<double> Evaluation::project(const double* parameters, PackedMatrix ChannelData::* rows) const {
  std::vector<double> sum, part, values, scratch;
  for (std::size_t k = 0; k < models_.size(); ++k) {
    const ChannelData& channel = problem_.channels()[k];
    const PackedMatrix& matrix = channel.*rows;
    values.resize(padded(channel.nodes));
    double* output = values.data();
    models_[k]->program->evaluate(channel, parameters + first_[k], &output, scratch);
    part.resize(matrix.stride());
    sum.resize(matrix.stride(), 0.0);
    const double* in = values.data();
    double* out = part.data();
    matrix.project(&in, 1, &out);
    for (std::size_t i = 0; i < part.size(); ++i) sum[i] += part[i];
  }
  return sum;
}

std::vector<double> Evaluation::errors(const double* parameters, std::size_t block) const {
  const std::vector<double> sum = project(parameters, block == 0 ? &ChannelData::train : &ChannelData::other);
  std::size_t row = 0;
  for (std::size_t b = 1; b < block; ++b) row += problem_.blocks()[b].rows.size();
  std::vector<double> out;
  for (const std::size_t i : problem_.blocks()[block].rows) {
    double value = sum[row++] - problem_.target(i);
    for (std::size_t j = 0; j < problem_.extra(); ++j) value += problem_.extra(i, j) * parameters[first_.back() + j];
    out.push_back(value);
  }
  return out;
}

std::vector<double> Evaluation::jacobian(const double* parameters, std::size_t block) const {
  const std::vector<std::size_t>& rows = problem_.blocks()[block].rows;
  std::size_t begin = 0;
  for (std::size_t b = 1; b < block; ++b) begin += problem_.blocks()[b].rows.size();
  std::vector<double> out(rows.size() * parameters_), values, projected, scratch;
  for (std::size_t k = 0; k < models_.size(); ++k) {
    const ChannelData& channel = problem_.channels()[k];
    const PackedMatrix& matrix = block == 0 ? channel.train : channel.other;
    const std::size_t count = models_[k]->parameters.size(), stride = padded(channel.nodes);
    values.resize(count * stride);
    projected.resize(count * matrix.stride());
    std::vector<double*> nodes(count), targets(count);
    for (std::size_t p = 0; p < count; ++p) {
      nodes[p] = values.data() + p * stride;
      targets[p] = projected.data() + p * matrix.stride();
    }
    problem_.value(k, expressions_[k], true)->program->evaluate(channel, parameters + first_[k], nodes.data(), scratch);
    matrix.project(nodes.data(), count, targets.data());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t p = 0; p < count; ++p) out[i * parameters_ + first_[k] + p] = targets[p][begin + i];
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < problem_.extra(); ++j) {
      out[i * parameters_ + first_.back() + j] = problem_.extra(rows[i], j);
    }
  }
  return out;
}

double Evaluation::objective(const double* parameters) const {
  return objective(parameters, project(parameters, &ChannelData::fitted).data());
}

double Evaluation::squared(const double* parameters) const {
  return squared(parameters, project(parameters, &ChannelData::fitted).data());
}

double Evaluation::squared(const double* parameters, const double* sum) const {
  double total = 0.0;
  for (std::size_t i = 0; i < problem_.penalty_begin(); ++i) {
    double value = sum[i] - problem_.fitted_target()[i];
    for (std::size_t j = 0; j < problem_.extra(); ++j) {
      value += problem_.extra_fitted()[j][i] * parameters[first_.back() + j];
    }
    total = std::fma(value, value, total);
  }
  return total;
}

double Evaluation::objective(const double* parameters, const double* sum) const {
  double total = squared(parameters, sum);
  for (std::size_t p = 0; p < problem_.penalties().size(); ++p) {
    const Penalty& penalty = problem_.penalties()[p];
    if (penalty.weight == 0.0) continue;
    const double value = sum[problem_.penalty_begin() + p] / std::sqrt(penalty.weight);
    const double outside = value > penalty.upper   ? value - penalty.upper
                           : value < penalty.lower ? penalty.lower - value
                                                   : value - value;
    total += penalty.weight * outside * outside;
  }
  return std::isfinite(total) ? total : std::numeric_limits<double>::infinity();
}

std::vector<double> Evaluation::equality_errors(const double* parameters) const {
  const std::vector<double> sum = project(parameters, &ChannelData::fitted);
  std::vector<double> out;
  for (std::size_t e = 0; e < problem_.equalities().size(); ++e) {
    out.push_back(sum[problem_.equality_begin() + e] - problem_.equalities()[e].value);
  }
  return out;
}

void Evaluation::objectives(const double* parameters, std::size_t count, double* out, int threads) const {
  constexpr std::size_t kTogether = 8;  // as many share one pass over the matrices
  for_each_part((count + kTogether - 1) / kTogether, threads, [&](std::size_t group) {
    const std::size_t first = group * kTogether, n = std::min(kTogether, count - first);
    const std::size_t length = problem_.fitted_target().size();
    std::vector<double> sum(n * length, 0.0), part(n * length), values, scratch;
    std::vector<double*> nodes(n), rows(n);
    for (std::size_t k = 0; k < models_.size(); ++k) {
      const ChannelData& channel = problem_.channels()[k];
      const std::size_t stride = padded(channel.nodes);
      values.resize(n * stride);
      for (std::size_t c = 0; c < n; ++c) {
        nodes[c] = values.data() + c * stride;
        rows[c] = part.data() + c * length;
        models_[k]->program->evaluate(channel, parameters + (first + c) * parameters_ + first_[k], &nodes[c], scratch);
      }
      channel.fitted.project(nodes.data(), n, rows.data());
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    for (std::size_t c = 0; c < n; ++c) {
      out[first + c] = std::sqrt(objective(parameters + (first + c) * parameters_, sum.data() + c * length));
    }
  });
}

}  // namespace fastsfes::fit
