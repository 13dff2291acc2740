#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/expression/expression.hpp"
#include "core/fit/cache.hpp"
#include "core/fit/channel_model.hpp"
#include "core/fit/packed_matrix.hpp"

namespace fastsfes::fit {

/// A named set of rows of the problem. The first block is the one that is fitted.
struct Block {
  std::string name;
  std::vector<std::size_t> rows;
};

/// What a channel contributes: feature values on its nodes, and the energy of every row per unit of the factor there.
struct ChannelInput {
  std::string kind;
  std::vector<std::string> feature_names;
  std::vector<std::vector<double>> features;  ///< per feature, nodes values
  std::size_t nodes = 0;
  const double* matrix = nullptr;  ///< (rows, nodes), row-major; or (rows,) when diagonal; read in construction only
  bool diagonal = false;           ///< row i is node i: a single block of all rows, in their order
};

/// coefficient * F_channel(features), one term of a linear functional of the factors.
struct PointTerm {
  std::size_t channel = 0;
  std::vector<double> features;  ///< in the order of the channel's feature names
  double coefficient = 0.0;
};

/// sum of terms = value, exactly.
struct Equality {
  std::vector<PointTerm> terms;
  double value = 0.0;
};

/// weight * (distance of the sum of terms from [lower, upper])^2 is added to the squared loss.
struct Penalty {
  std::vector<PointTerm> terms;
  double lower = 0.0, upper = 0.0, weight = 0.0;
};

struct ProblemInput {
  std::vector<ChannelInput> channels;
  std::vector<double> target, weights;  ///< per row
  std::vector<Block> blocks;
  const double* extra = nullptr;  ///< (rows, extra_columns), row-major
  std::size_t extra_columns = 0;
  std::vector<Equality> equalities;
  std::vector<Penalty> penalties;
  double ridge = 0.0;
  std::size_t cache_bytes = std::size_t{64} << 20;
};

/// A channel as the fit reads it. Rows of `fitted`: the fitted block, weighted and rotated into as few rows as it has
/// independent ones (see RowBasis), then the penalties, then the equalities. Rows of `train`: the fitted block as
/// given; of `other`: the remaining blocks one after the other; neither is weighted.
struct ChannelData {
  std::string kind;
  std::vector<std::string> feature_names;
  std::vector<std::vector<double>> features;
  std::size_t nodes = 0;
  PackedMatrix fitted, train, other;
};

/// The weighted least-squares problem that candidates are fitted to; immutable, shared by all threads.
class Problem {
 public:
  explicit Problem(const ProblemInput& input);

  [[nodiscard]] const std::vector<ChannelData>& channels() const noexcept { return channels_; }
  [[nodiscard]] const std::vector<Block>& blocks() const noexcept { return blocks_; }
  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t extra() const noexcept { return extra_fitted_.size(); }
  [[nodiscard]] double ridge() const noexcept { return ridge_; }
  [[nodiscard]] const std::vector<Equality>& equalities() const noexcept { return equalities_; }
  [[nodiscard]] const std::vector<Penalty>& penalties() const noexcept { return penalties_; }

  /// Rows of `fitted`: the block's, penalties, equalities.
  [[nodiscard]] std::size_t penalty_begin() const noexcept { return fitted_rows_; }
  [[nodiscard]] std::size_t equality_begin() const noexcept { return fitted_rows_ + penalties_.size(); }
  [[nodiscard]] std::size_t fitted_length() const noexcept { return equality_begin() + equalities_.size(); }
  [[nodiscard]] std::size_t other_rows() const noexcept { return other_target_.size(); }

  /// Square root of weight / rows in the block per row of `other`; padded with zeros.
  [[nodiscard]] const std::vector<double>& other_scale() const noexcept { return other_scale_; }
  /// Targets in the rows of `fitted` (zero for penalties, the value for equalities) and of `other`, weighted.
  [[nodiscard]] const std::vector<double>& fitted_target() const noexcept { return fitted_target_; }
  [[nodiscard]] const std::vector<double>& other_target() const noexcept { return other_target_; }
  /// Columns of the fractions in these rows.
  [[nodiscard]] const std::vector<std::vector<double>>& extra_fitted() const noexcept { return extra_fitted_; }
  [[nodiscard]] const std::vector<std::vector<double>>& extra_other() const noexcept { return extra_other_; }

  /// Target of a row (kcal/mol) and its factor of a fraction, as given.
  [[nodiscard]] double target(std::size_t row) const noexcept { return target_[row]; }
  [[nodiscard]] double extra(std::size_t row, std::size_t column) const noexcept {
    return extra_[row * extra() + column];
  }

  /// The analysed form of an expression as this channel's factor; `eliminable` says per parameter (in
  /// the order of expression.parameters()) whether it may be eliminated when it is linear.
  [[nodiscard]] std::shared_ptr<const ChannelModel> model(std::size_t channel, const Expression& expression,
                                                          const std::vector<char>& eliminable) const;
  /// A parameter-free factor projected on the rows.
  [[nodiscard]] std::shared_ptr<const FixedColumn> column(std::size_t channel, const Graph& graph, NodeId root) const;
  /// The factor as a program of all its parameters, or its derivatives with respect to them.
  [[nodiscard]] std::shared_ptr<const ValueModel> value(std::size_t channel, const Expression& expression,
                                                        bool derivatives) const;

 private:
  void build_fitted(const ProblemInput& input);

  std::size_t rows_ = 0;
  double ridge_ = 0.0;
  std::vector<ChannelData> channels_;
  std::vector<Block> blocks_;
  std::vector<Equality> equalities_;
  std::vector<Penalty> penalties_;
  std::size_t fitted_rows_ = 0;
  std::vector<double> other_scale_, fitted_target_, other_target_;
  std::vector<double> target_, extra_;
  std::vector<std::vector<double>> extra_fitted_, extra_other_;
  mutable Cache<FixedColumn> columns_;
  mutable Cache<ChannelModel> models_;
  mutable Cache<ValueModel> values_;
};

}  // namespace fastsfes::fit
