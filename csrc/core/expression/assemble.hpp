#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/expression/expression.hpp"

namespace fastsfes {

/// One line of a program: output = op(arguments..., constant), or output += that.
struct Line {
  Op op = Op::Add;
  std::optional<double> constant;
  bool accumulates = false;
  std::string output;
  std::vector<std::string> arguments;
};

/// Programs of lines on named values, as expressions.
class Assembler {
 public:
  /// Values of the names before the first line; a name that is not among them is a parameter.
  explicit Assembler(const std::unordered_map<std::string, Expression>& start);

  /// What `output` is after the last line, simplified; nothing when it contains a constant that is not finite.
  [[nodiscard]] std::optional<Expression> run(const std::vector<Line>& lines, const std::string& output) const;

 private:
  Graph graph_;
  std::unordered_map<std::string, NodeId> start_;
};

}  // namespace fastsfes
