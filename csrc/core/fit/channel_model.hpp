#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/expression/graph.hpp"
#include "core/program/program.hpp"

namespace fastsfes::fit {

struct ChannelData;

/// A parameter-free factor, projected on the rows of the problem and scaled by their weights.
struct FixedColumn {
  std::vector<double> fitted, other;  ///< padded
  bool finite = false;
  [[nodiscard]] std::size_t bytes() const noexcept {
    return (fitted.size() + other.size()) * sizeof(double) + sizeof(*this);
  }
};

/// A program with its inputs resolved: which feature arrays of the channel and which parameters of the expression.
struct BoundProgram {
  BoundProgram(const Graph& graph, const std::vector<NodeId>& roots, const std::vector<std::string>& feature_names);

  /// Values of all outputs on the channel's nodes, those of conditions last; outputs[k] has `nodes` elements.
  void evaluate(const ChannelData& channel, const double* parameters, double* const* outputs,
                std::vector<double>& scratch) const;

  Program program;
  std::vector<std::size_t> feature;  ///< index into the channel's features, per feature of the program
};

/// F = offset + sum over linear p of c_p phi_p, with what is needed to fit it.
struct ChannelModel {
  std::vector<std::string> parameters;  ///< in the order of the expression
  std::vector<char> linear;             ///< per parameter
  std::vector<char> positive;           ///< per parameter: stepped in its logarithm when it starts above zero
  std::vector<std::size_t> nonlinear;   ///< indices of the parameters that are not linear

  struct Fixed {
    int parameter = -1;  ///< -1: the offset
    std::shared_ptr<const FixedColumn> column;
  };
  std::vector<Fixed> fixed;

  /// Outputs: the moving columns, then their derivatives.
  std::optional<BoundProgram> moving;
  std::vector<int> moving_parameter;  ///< per moving column; -1: the offset
  struct Derivative {
    std::size_t column = 0;     ///< moving column
    std::size_t nonlinear = 0;  ///< index into `nonlinear`
  };
  std::vector<Derivative> derivatives;

  [[nodiscard]] std::size_t bytes() const noexcept;
};

/// The factor, or its derivatives with respect to all parameters (one output each), for given values of all.
struct ValueModel {
  std::vector<std::string> parameters;
  std::optional<BoundProgram> program;
  [[nodiscard]] std::size_t bytes() const noexcept;
};

}  // namespace fastsfes::fit
