#include "core/expression/assemble.hpp"

#include <cmath>
#include <memory>

#include "core/base/error.hpp"

namespace fastsfes {
namespace {

constexpr NodeId kNone = ~NodeId{0};

/// Copies a node with what it needs, each simplified; `map` holds what has been copied. Arguments go from left to
/// right, as a parser meets them, so that equal formulas have equal graphs whatever lines made them (Graph::import
/// keeps the order of the lines).
NodeId copy(const Graph& from, NodeId id, Graph& to, std::vector<NodeId>& map) {
  if (map[id] != kNone) return map[id];
  const Node& n = from[id];
  switch (n.op) {
    case Op::Constant:
      return map[id] = to.constant(n.value);
    case Op::Parameter:
      return map[id] = to.parameter(from.name(id));
    case Op::Feature:
      return map[id] = to.feature(from.name(id));
    default: {
      std::array<NodeId, kMaxArity> args{};
      for (std::size_t k = 0; k < static_cast<std::size_t>(from.arity(id)); ++k) {
        args[k] = copy(from, n.args[k], to, map);
      }
      return map[id] = to.simplified(n.op, args);
    }
  }
}

}  // namespace

Assembler::Assembler(const std::unordered_map<std::string, Expression>& start) {
  for (const auto& [name, value] : start) start_.emplace(name, graph_.import(value.graph(), value.root()));
}

std::optional<Expression> Assembler::run(const std::vector<Line>& lines, const std::string& output) const {
  Graph made = graph_;
  std::unordered_map<std::string, NodeId> values = start_;
  for (const Line& line : lines) {
    const OpInfo& info = op_info(line.op);
    const std::size_t count = line.arguments.size() + (line.constant ? 1 : 0);
    if (info.kind == OpKind::Leaf || count != static_cast<std::size_t>(info.arity)) {
      throw InputError(std::string("operator ") + info.name + " takes " + std::to_string(info.arity) +
                       " arguments, got " + std::to_string(count));
    }
    std::array<NodeId, kMaxArity> args{};
    for (std::size_t k = 0; k < line.arguments.size(); ++k) {
      const auto it = values.find(line.arguments[k]);
      args[k] = it != values.end() ? it->second : made.parameter(line.arguments[k]);
    }
    if (line.constant) args[count - 1] = made.constant(*line.constant);
    NodeId value = made.node(line.op, args);
    if (line.accumulates) {
      const auto it = values.find(line.output);
      if (it != values.end()) value = made.node(Op::Add, it->second, value);
    }
    values[line.output] = value;
  }
  const auto found = values.find(output);
  if (found == values.end()) throw InputError("no line writes \"" + output + "\"");
  auto own = std::make_shared<Graph>();
  std::vector<NodeId> map(made.size(), kNone);
  const NodeId root = copy(made, found->second, *own, map);
  Expression result(std::move(own), root);
  for (NodeId id = 0; id < result.graph().size(); ++id) {
    if (result.graph().is_constant(id) && !std::isfinite(result.graph()[id].value)) return std::nullopt;
  }
  return result;
}

}  // namespace fastsfes
