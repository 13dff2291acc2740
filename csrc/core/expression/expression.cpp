#include "core/expression/expression.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/expression/features.hpp"
#include "core/expression/normal/size.hpp"
#include "core/expression/parser.hpp"
#include "core/expression/printer.hpp"

namespace fastsfes {

Expression::Expression(const std::shared_ptr<const Graph>& graph, NodeId root) : root_(0) {
  // Keep only what the value needs, so that equal expressions have equal graphs.
  const std::vector<char> needed = graph->reachable({root});
  if (root + 1 == needed.size() && std::find(needed.begin(), needed.end(), 0) == needed.end()) {
    graph_ = graph;
    root_ = root;
    return;
  }
  auto own = std::make_shared<Graph>();
  root_ = own->import(*graph, root);
  graph_ = std::move(own);
}

Expression Expression::parse(std::string_view text) {
  auto graph = std::make_shared<Graph>();
  const NodeId root = fastsfes::parse(*graph, text);
  return {std::move(graph), root};
}

Expression Expression::constant(double value) {
  auto graph = std::make_shared<Graph>();
  const NodeId root = graph->constant(value);
  return {std::move(graph), root};
}

Expression Expression::apply(Op op, const std::vector<Expression>& args) {
  const OpInfo& info = op_info(op);
  if (info.kind == OpKind::Leaf || static_cast<int>(args.size()) != info.arity) {
    throw InputError(std::string("operator ") + info.name + " takes " + std::to_string(info.arity) +
                     " arguments, got " + std::to_string(args.size()));
  }
  auto graph = std::make_shared<Graph>();
  std::array<NodeId, kMaxArity> ids{};
  for (std::size_t i = 0; i < args.size(); ++i) ids[i] = graph->import(args[i].graph(), args[i].root());
  const NodeId root = graph->node(op, ids);
  return {std::move(graph), root};
}

std::string Expression::str() const { return print_infix(*graph_, root_); }
std::string Expression::named() const { return print_named(*graph_, root_); }
std::string Expression::latex() const { return print_latex(*graph_, root_); }

std::vector<std::string> Expression::names(Op kind) const {
  std::vector<std::string> out;
  for (NodeId id = 0; id <= root_; ++id) {
    if ((*graph_)[id].op == kind) out.push_back(graph_->name(id));
  }
  return out;
}

std::vector<std::string> Expression::features() const { return names(Op::Feature); }
std::vector<std::string> Expression::parameters() const { return names(Op::Parameter); }
std::size_t Expression::complexity() const { return normal::size(*graph_, root_).nodes; }

Expression Expression::derivative(std::string_view name) const {
  auto graph = std::make_shared<Graph>(*graph_);
  const NodeId leaf = find_feature(name) != nullptr ? graph->feature(name) : graph->parameter(name);
  const NodeId root = differentiate(*graph, root_, leaf);
  return {std::move(graph), root};
}

Expression Expression::substitute(const std::unordered_map<std::string, Expression>& replacements) const {
  auto graph = std::make_shared<Graph>();
  std::unordered_map<std::string, NodeId> replace;
  for (const auto& name : features()) {
    if (const auto it = replacements.find(name); it != replacements.end()) {
      replace.emplace(name, graph->import(it->second.graph(), it->second.root()));
    }
  }
  for (const auto& name : parameters()) {
    if (const auto it = replacements.find(name); it != replacements.end()) {
      replace.emplace(name, graph->import(it->second.graph(), it->second.root()));
    }
  }
  const NodeId root = graph->import(*graph_, root_, replace);
  return {std::move(graph), root};
}

Expression Expression::fold(bool regular) const {
  auto graph = std::make_shared<Graph>();
  if (regular) graph->assume_regular();
  const NodeId root = graph->import(*graph_, root_, {}, true);
  return {std::move(graph), root};
}

Expression Expression::define() const {
  auto graph = std::make_shared<Graph>(*graph_);
  const NodeId root = expand_defined(*graph, root_);
  return {std::move(graph), root};
}

bool Expression::operator==(const Expression& other) const { return str() == other.str(); }

}  // namespace fastsfes
