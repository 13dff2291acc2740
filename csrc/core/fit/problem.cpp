#include "core/fit/problem.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/base/error.hpp"
#include "core/fit/linalg.hpp"
#include "core/fit/row_basis.hpp"

namespace fastsfes::fit {
namespace {

// Finding the basis costs rows^2 nodes once. That pays for searches; a single fit on all nodes does without.
constexpr std::size_t kMostRotatedNodes = 3000, kFewestRotatedRows = 32;

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

  for (std::size_t p = 0; p < penalties_.size(); ++p) {
    const Penalty& penalty = penalties_[p];
    require(penalty.weight >= 0.0 && std::isfinite(penalty.weight) && penalty.lower <= penalty.upper,
            "penalty " + std::to_string(p) + ": expected lower <= upper and a finite weight that is not negative");
  }
  for (std::size_t e = 0; e < equalities_.size(); ++e) {
    require(std::isfinite(equalities_[e].value), "equality " + std::to_string(e) + ": its value is not finite");
  }
  for (std::size_t i = 0; i < extra_.size(); ++i) {
    require(std::isfinite(extra_[i]), "extra[" + std::to_string(i / input.extra_columns) + ", " +
                                          std::to_string(i % input.extra_columns) + "] is not finite");
  }
  std::vector<std::size_t> other;
  for (std::size_t b = 1; b < blocks_.size(); ++b) {
    for (const std::size_t row : blocks_[b].rows) {
      other.push_back(row);
      other_scale_.push_back(std::sqrt(input.weights[row] / static_cast<double>(blocks_[b].rows.size())));
      other_target_.push_back(other_scale_.back() * input.target[row]);
    }
  }
  other_scale_.resize(padded(other.size()), 0.0);
  for (const ChannelInput& in : input.channels) {
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
    for (std::size_t i = 0; i < (in.diagonal ? rows_ : rows_ * in.nodes); ++i) {
      require(std::isfinite(in.matrix[i]), "channel \"" + in.kind + "\": matrix[" + std::to_string(i / in.nodes) +
                                               ", " + std::to_string(i % in.nodes) + "] is not finite");
    }
    data.other = PackedMatrix(other.size(), in.nodes);
    if (in.diagonal) {
      bool plain = in.nodes == rows_ && blocks_.size() == 1 && blocks_[0].rows.size() == rows_;
      for (std::size_t i = 0; plain && i < rows_; ++i) plain = blocks_[0].rows[i] == i;
      require(plain, "channel \"" + in.kind + "\": rows that are points need one block of all rows in their order");
      data.train = PackedMatrix(std::vector<double>(in.matrix, in.matrix + rows_), rows_, rows_);
      channels_.push_back(std::move(data));
      continue;
    }
    data.train = PackedMatrix(blocks_[0].rows.size(), in.nodes);
    for (std::size_t n = 0; n < in.nodes; ++n) {
      for (std::size_t i = 0; i < blocks_[0].rows.size(); ++i) {
        data.train.set(i, n, in.matrix[blocks_[0].rows[i] * in.nodes + n]);
      }
      for (std::size_t i = 0; i < other.size(); ++i) data.other.set(i, n, in.matrix[other[i] * in.nodes + n]);
    }
    channels_.push_back(std::move(data));
  }
  for (std::size_t j = 0; j < input.extra_columns; ++j) {
    std::vector<double> rest(other_scale_.size(), 0.0);
    for (std::size_t i = 0; i < other.size(); ++i) {
      rest[i] = other_scale_[i] * input.extra[other[i] * input.extra_columns + j];
    }
    extra_other_.push_back(std::move(rest));
  }
  build_fitted(input);
}

void Problem::build_fitted(const ProblemInput& input) {
  const std::vector<std::size_t>& block = blocks_[0].rows;
  const std::size_t length = padded(block.size());
  std::vector<double> scale(length, 0.0);
  std::size_t nodes = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    scale[i] = std::sqrt(input.weights[block[i]] / static_cast<double>(block.size()));
  }
  // The target and the fractions' columns, weighted: they belong to what has to be represented.
  std::vector<std::vector<double>> vectors(1 + input.extra_columns, std::vector<double>(length, 0.0));
  for (std::size_t i = 0; i < block.size(); ++i) {
    vectors[0][i] = scale[i] * input.target[block[i]];
    for (std::size_t j = 0; j < input.extra_columns; ++j) {
      vectors[1 + j][i] = scale[i] * input.extra[block[i] * input.extra_columns + j];
    }
  }
  std::vector<const PackedMatrix*> matrices;
  for (const ChannelData& channel : channels_) {
    matrices.push_back(&channel.train);
    nodes += channel.nodes;
  }
  std::unique_ptr<RowBasis> basis;
  fitted_rows_ = block.size();
  const bool points =
      std::any_of(input.channels.begin(), input.channels.end(), [](const auto& c) { return c.diagonal; });
  if (!points && nodes <= kMostRotatedNodes && block.size() <= nodes && block.size() >= kFewestRotatedRows) {
    basis = std::make_unique<RowBasis>(matrices, scale, vectors);
    if (basis->rank() < block.size()) {
      fitted_rows_ = basis->rank();
    } else {
      basis.reset();
    }
  }
  std::vector<double> column(length);
  const std::size_t fitted_stride = padded(fitted_length());
  const auto rotated = [&](std::vector<double> v) {
    if (basis) basis->rotate(v.data());
    v.resize(std::max(length, fitted_stride), 0.0);
    std::fill(v.begin() + static_cast<std::ptrdiff_t>(fitted_rows_), v.end(), 0.0);
    v.resize(fitted_stride);
    return v;
  };
  fitted_target_ = rotated(vectors[0]);
  for (std::size_t j = 0; j < input.extra_columns; ++j) extra_fitted_.push_back(rotated(vectors[1 + j]));
  for (std::size_t e = 0; e < equalities_.size(); ++e) fitted_target_[equality_begin() + e] = equalities_[e].value;

  for (std::size_t k = 0; k < channels_.size(); ++k) {
    ChannelData& data = channels_[k];
    const std::size_t own = data.nodes;
    // Points of conditions are nodes that no energy depends on.
    struct Term {
      std::size_t row, node;
      double coefficient;
    };
    std::vector<Term> terms;
    const auto add = [&](const std::vector<PointTerm>& points, std::size_t row, double factor) {
      for (const PointTerm& point : points) {
        require(point.channel < channels_.size(), "a constraint names a channel that does not exist");
        if (point.channel != k) continue;
        require(point.features.size() == data.features.size(), "a constraint on channel \"" + data.kind + "\" needs " +
                                                                   std::to_string(data.features.size()) + " features");
        for (std::size_t f = 0; f < data.features.size(); ++f) data.features[f].push_back(point.features[f]);
        terms.push_back({row, data.nodes++, factor * point.coefficient});
      }
    };
    for (std::size_t p = 0; p < penalties_.size(); ++p) {
      add(penalties_[p].terms, penalty_begin() + p, std::sqrt(penalties_[p].weight));
    }
    for (std::size_t e = 0; e < equalities_.size(); ++e) add(equalities_[e].terms, equality_begin() + e, 1.0);
    const ChannelInput& in = input.channels[k];
    if (in.diagonal) {
      std::vector<double> diagonal(in.matrix, in.matrix + rows_);
      for (std::size_t i = 0; i < rows_; ++i) diagonal[i] *= scale[i];
      data.fitted = PackedMatrix(std::move(diagonal), fitted_length(), data.nodes);
    } else {
      data.fitted = PackedMatrix(fitted_length(), data.nodes);
    }
    for (std::size_t n = 0; !in.diagonal && n < own; ++n) {
      std::fill(column.begin(), column.end(), 0.0);
      for (std::size_t i = 0; i < block.size(); ++i) column[i] = scale[i] * data.train(i, n);
      if (basis) basis->rotate(column.data());
      for (std::size_t i = 0; i < fitted_rows_; ++i) data.fitted.set(i, n, column[i]);
    }
    for (const Term& term : terms) data.fitted.set(term.row, term.node, term.coefficient);
  }
}

}  // namespace fastsfes::fit
