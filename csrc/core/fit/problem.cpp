#include "core/fit/problem.hpp"

#include <cmath>

#include "core/error.hpp"
#include "core/fit/linalg.hpp"

namespace fastsfes::fit {
namespace {

void require(bool condition, const std::string& message) {
  if (!condition) throw InputError(message);
}

}  // namespace

Problem::Problem(const ProblemInput& input)
    : rows_(input.target.size()),
      ridge_(input.ridge),
      blocks_(input.blocks),
      equalities_(input.equalities),
      penalties_(input.penalties),
      target_(input.target),
      extra_(input.extra, input.extra + rows_ * input.extra_columns),
      columns_(input.cache_bytes / 2),
      models_(input.cache_bytes / 4),
      values_(input.cache_bytes / 4) {
  require(!input.channels.empty(), "the fit has no channel; give at least one");
  require(!blocks_.empty() && !blocks_[0].rows.empty(), "the first block of rows, which is fitted, holds no row");
  require(input.weights.size() == rows_, "weights: expected " + std::to_string(rows_) +
                                             " values like the target, got " + std::to_string(input.weights.size()));
  require(std::isfinite(ridge_) && ridge_ >= 0.0, "ridge: expected a finite number that is not negative");
  for (std::size_t i = 0; i < rows_; ++i) {
    require(std::isfinite(input.target[i]), "target[" + std::to_string(i) + "] is not finite; drop the row");
    require(std::isfinite(input.weights[i]) && input.weights[i] >= 0.0,
            "weights[" + std::to_string(i) + "]: expected a finite number that is not negative");
  }
  for (const Block& block : blocks_) {
    for (const std::size_t row : block.rows) {
      require(row < rows_, "block \"" + block.name + "\": row " + std::to_string(row) + " does not exist, there are " +
                               std::to_string(rows_));
    }
  }

  std::vector<std::size_t> other;
  train_scale_.assign(padded(train_length()), 0.0);
  train_target_ = train_scale_;
  const double train_count = static_cast<double>(train_rows());
  for (std::size_t i = 0; i < train_rows(); ++i) {
    const std::size_t row = blocks_[0].rows[i];
    train_scale_[i] = std::sqrt(input.weights[row] / train_count);
    train_target_[i] = train_scale_[i] * input.target[row];
  }
  for (std::size_t p = 0; p < penalties_.size(); ++p) {
    const Penalty& penalty = penalties_[p];
    require(penalty.weight >= 0.0 && std::isfinite(penalty.weight) && penalty.lower <= penalty.upper,
            "penalty " + std::to_string(p) + ": expected lower <= upper and a finite weight that is not negative");
    train_scale_[penalty_begin() + p] = std::sqrt(penalty.weight);
  }
  for (std::size_t e = 0; e < equalities_.size(); ++e) {
    require(std::isfinite(equalities_[e].value), "equality " + std::to_string(e) + ": its value is not finite");
    train_scale_[equality_begin() + e] = 1.0;
    train_target_[equality_begin() + e] = equalities_[e].value;
  }
  for (std::size_t b = 1; b < blocks_.size(); ++b) {
    for (const std::size_t row : blocks_[b].rows) {
      other.push_back(row);
      other_scale_.push_back(std::sqrt(input.weights[row] / static_cast<double>(blocks_[b].rows.size())));
      other_target_.push_back(other_scale_.back() * input.target[row]);
    }
  }
  other_scale_.resize(padded(other.size()), 0.0);

  for (std::size_t k = 0; k < input.channels.size(); ++k) {
    const ChannelInput& in = input.channels[k];
    ChannelData data;
    data.kind = in.kind;
    data.feature_names = in.feature_names;
    data.features = in.features;
    data.nodes = in.nodes;
    require(in.features.size() == in.feature_names.size(), "channel \"" + in.kind + "\": one name per feature array");
    for (std::size_t f = 0; f < in.features.size(); ++f) {
      require(in.features[f].size() == in.nodes, "channel \"" + in.kind + "\", feature \"" + in.feature_names[f] +
                                                     "\": expected " + std::to_string(in.nodes) +
                                                     " values like the columns of the matrix, got " +
                                                     std::to_string(in.features[f].size()));
    }
    for (std::size_t i = 0; i < rows_ * in.nodes; ++i) {
      require(std::isfinite(in.matrix[i]), "channel \"" + in.kind + "\": matrix[" + std::to_string(i / in.nodes) +
                                               ", " + std::to_string(i % in.nodes) + "] is not finite");
    }
    // Points of constraints are nodes that no energy depends on.
    struct Term {
      std::size_t row, node;
      double coefficient;
    };
    std::vector<Term> terms;
    const auto add = [&](const std::vector<PointTerm>& points, std::size_t row) {
      for (const PointTerm& point : points) {
        require(point.channel < input.channels.size(), "a constraint names a channel that does not exist");
        if (point.channel != k) continue;
        require(point.features.size() == data.features.size(), "a constraint on channel \"" + in.kind + "\" needs " +
                                                                   std::to_string(data.features.size()) + " features");
        for (std::size_t f = 0; f < data.features.size(); ++f) data.features[f].push_back(point.features[f]);
        terms.push_back({row, data.nodes++, point.coefficient});
      }
    };
    for (std::size_t p = 0; p < penalties_.size(); ++p) add(penalties_[p].terms, penalty_begin() + p);
    for (std::size_t e = 0; e < equalities_.size(); ++e) add(equalities_[e].terms, equality_begin() + e);

    data.train = PackedMatrix(train_length(), data.nodes);
    data.other = PackedMatrix(other.size(), data.nodes);
    for (std::size_t n = 0; n < in.nodes; ++n) {
      for (std::size_t i = 0; i < train_rows(); ++i) data.train.set(i, n, in.matrix[blocks_[0].rows[i] * in.nodes + n]);
      for (std::size_t i = 0; i < other.size(); ++i) data.other.set(i, n, in.matrix[other[i] * in.nodes + n]);
    }
    for (const Term& term : terms) data.train.set(term.row, term.node, term.coefficient);
    channels_.push_back(std::move(data));
  }
  for (std::size_t j = 0; j < input.extra_columns; ++j) {
    std::vector<double> train(train_scale_.size(), 0.0), rest(other_scale_.size(), 0.0);
    for (std::size_t i = 0; i < train_rows(); ++i) {
      train[i] = train_scale_[i] * input.extra[blocks_[0].rows[i] * input.extra_columns + j];
      require(std::isfinite(train[i]),
              "extra[" + std::to_string(blocks_[0].rows[i]) + ", " + std::to_string(j) + "] is not finite");
    }
    for (std::size_t i = 0; i < other.size(); ++i) {
      rest[i] = other_scale_[i] * input.extra[other[i] * input.extra_columns + j];
    }
    extra_train_.push_back(std::move(train));
    extra_other_.push_back(std::move(rest));
  }
}

}  // namespace fastsfes::fit
