#include "core/expression/graph.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

#include "core/base/stop.hpp"
#include "core/base/vmath.h"

namespace fastsfes {
namespace {

constexpr unsigned kCallsPerPoll = 64;
constexpr std::size_t kFirstSlots = 64;

std::size_t hash(const Node& node) noexcept {
  const auto pair = [&](std::size_t k) { return std::uint64_t{node.args[k]} << 32 | node.args[k + 1]; };
  std::uint64_t h = (static_cast<std::uint64_t>(node.op) << 32 | node.args[0]) * 0x9E3779B97F4A7C15ULL;
  h ^= (pair(1) + 0x632BE59BD9B4E019ULL) * 0xBF58476D1CE4E5B9ULL;
  h ^= (pair(3) + 0xD6E8FEB86659FD93ULL) * 0x94D049BB133111EBULL;
  h ^= std::rotl(std::bit_cast<std::uint64_t>(node.value) * 0x2545F4914F6CDD1DULL, 32);
  return static_cast<std::size_t>((h ^ h >> 32) * 0x9E3779B97F4A7C15ULL >> 16);
}

}  // namespace

bool Node::operator==(const Node& other) const noexcept {
  return op == other.op && args == other.args &&
         std::bit_cast<std::uint64_t>(value) == std::bit_cast<std::uint64_t>(other.value);
}

void Graph::rehash(std::size_t slots) {
  slots_.assign(slots, 0);
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    std::size_t at = hash(nodes_[id]) & (slots - 1);
    while (slots_[at] != 0) at = (at + 1) & (slots - 1);
    slots_[at] = id + 1;
  }
}

NodeId Graph::intern(const Node& node) {
  // All that reads, writes and changes formulas comes here, mostly for less time than it takes to look at the clock.
  static thread_local unsigned calls = 0;
  if (++calls % kCallsPerPoll == 0) check_stop();
  if (slots_.size() < 2 * (nodes_.size() + 1)) {
    rehash(std::max(kFirstSlots, 2 * slots_.size()));
    nodes_.reserve(slots_.size() / 2);
  }
  std::size_t at = hash(node) & (slots_.size() - 1);
  for (; slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
    if (nodes_[slots_[at] - 1] == node) return slots_[at] - 1;
  }
  nodes_.push_back(node);
  slots_[at] = static_cast<NodeId>(nodes_.size());
  return slots_[at] - 1;
}

NodeId Graph::constant(double value) { return intern({Op::Constant, {}, value}); }

NodeId Graph::leaf(Op op, std::vector<std::string>& names, std::string_view name) {
  NodeId index = 0;
  while (index < names.size() && names[index] != name) ++index;
  if (index == names.size()) names.emplace_back(name);
  return intern({op, {index}, 0.0});
}

NodeId Graph::parameter(std::string_view name) { return leaf(Op::Parameter, parameters_, name); }
NodeId Graph::feature(std::string_view name) { return leaf(Op::Feature, features_, name); }

const std::string& Graph::name(NodeId id) const {
  const Node& n = nodes_[id];
  return n.op == Op::Feature ? features_[n.args[0]] : parameters_[n.args[0]];
}

NodeId Graph::node(Op op, const std::array<NodeId, kMaxArity>& args) {
  Node n{op, {}, 0.0};
  const int arity = op_info(op).arity;
  for (int i = 0; i < arity; ++i) {
    assert(args[static_cast<std::size_t>(i)] < nodes_.size());  // arguments come before what uses them
    n.args[static_cast<std::size_t>(i)] = args[static_cast<std::size_t>(i)];
  }
  return intern(n);
}

NodeId Graph::import(const Graph& other, NodeId root, const std::unordered_map<std::string, NodeId>& replace,
                     bool simplify) {
  assert(&other != this);  // it may not read the graph that it extends
  const std::vector<char> needed = other.reachable({root});
  std::vector<NodeId> map(root + 1, 0);
  for (NodeId id = 0; id <= root; ++id) {
    if (!needed[id]) continue;
    const Node& n = other[id];
    switch (n.op) {
      case Op::Constant:
        map[id] = constant(n.value);
        break;
      case Op::Parameter:
      case Op::Feature: {
        const std::string& name = other.name(id);
        const auto it = replace.find(name);
        if (it != replace.end()) {
          map[id] = it->second;
        } else {
          map[id] = n.op == Op::Feature ? feature(name) : parameter(name);
        }
        break;
      }
      default: {
        std::array<NodeId, kMaxArity> args{};
        for (int i = 0; i < other.arity(id); ++i) {
          args[static_cast<std::size_t>(i)] = map[n.args[static_cast<std::size_t>(i)]];
        }
        map[id] = simplify ? simplified(n.op, args) : node(n.op, args);
      }
    }
  }
  return map[root];
}

std::vector<char> Graph::reachable(const std::vector<NodeId>& roots) const {
  std::vector<char> mark(nodes_.size(), 0);
  for (NodeId root : roots) mark[root] = 1;
  for (NodeId id = static_cast<NodeId>(nodes_.size()); id-- > 0;) {
    if (!mark[id]) continue;
    const int arity = op_info(nodes_[id].op).arity;
    for (int i = 0; i < arity; ++i) mark[nodes_[id].args[static_cast<std::size_t>(i)]] = 1;
  }
  return mark;
}

double evaluate_primitive(Op op, double a, double b, double c) noexcept {
  switch (op) {
    case Op::Add:
      return a + b;
    case Op::Sub:
      return a - b;
    case Op::Mul:
      return a * b;
    case Op::Div:
      return a / b;
    case Op::Neg:
      return -a;
    case Op::Pow:
      return vm::pow(a, b);
    case Op::Fma:
      return __builtin_fma(a, b, c);
    case Op::Fms:
      return __builtin_fma(a, b, -c);
    case Op::Fnma:
      return __builtin_fma(-a, b, c);
    case Op::Select:
      return vm::select(a, b, c);
    case Op::Min:
      return vm::min(a, b);
    case Op::Max:
      return vm::max(a, b);
    case Op::Abs:
      return vm::abs(a);
    case Op::Sqrt:
      return vm::sqrt(a);
    case Op::Cbrt:
      return vm::cbrt(a);
    case Op::Exp:
      return vm::exp(a);
    case Op::Expm1:
      return vm::expm1(a);
    case Op::Log:
      return vm::log(a);
    case Op::Log1p:
      return vm::log1p(a);
    case Op::Tanh:
      return vm::tanh(a);
    case Op::Erf:
      return vm::erf(a);
    case Op::Asinh:
      return vm::asinh(a);
    case Op::Sin:
      return vm::sin(a);
    case Op::Cos:
      return vm::cos(a);
    case Op::Atan:
      return vm::atan(a);
    case Op::Sinh:
      return vm::sinh(a);
    case Op::Cosh:
      return vm::cosh(a);
    default:
      return __builtin_nan("");
  }
}

NodeId Graph::simplified(Op op, const std::array<NodeId, kMaxArity>& args) {
  const NodeId a = args[0], b = args[1], c = args[2];
  const OpInfo& info = op_info(op);
  if (info.kind == OpKind::Primitive) {
    bool constants = true;
    for (int i = 0; i < info.arity; ++i) constants = constants && is_constant(args[static_cast<std::size_t>(i)]);
    if (constants) {
      const double value = evaluate_primitive(op, nodes_[a].value, info.arity > 1 ? nodes_[b].value : 0.0,
                                              info.arity > 2 ? nodes_[c].value : 0.0);
      if (std::isfinite(value)) return constant(value);
    }
  }
  const auto is = [this](NodeId id, Op o) { return nodes_[id].op == o; };
  // 0 times a number that is none is no 0
  const auto finite = [this](NodeId id) { return nodes_[id].op != Op::Constant || std::isfinite(nodes_[id].value); };
  const auto ordered = [this](Op o, NodeId x, NodeId y) { return x <= y ? node(o, x, y) : node(o, y, x); };
  switch (op) {
    case Op::Add:
      if (is_constant(a, 0.0)) return b;
      if (is_constant(b, 0.0)) return a;
      if (a == b) return simplified(Op::Mul, constant(2.0), a);
      if (is(b, Op::Neg)) return simplified(Op::Sub, a, nodes_[b].args[0]);
      if (is(a, Op::Neg)) return simplified(Op::Sub, b, nodes_[a].args[0]);
      return ordered(op, a, b);
    case Op::Sub:
      if (regular_ && a == b) return constant(0.0);
      if (is_constant(b, 0.0)) return a;
      if (is_constant(a, 0.0)) return simplified(Op::Neg, b);
      if (is(b, Op::Neg)) return simplified(Op::Add, a, nodes_[b].args[0]);
      break;
    case Op::Mul: {
      if (is_constant(a, 0.0) && finite(b)) return constant(0.0);
      if (is_constant(b, 0.0) && finite(a)) return constant(0.0);
      if (is_constant(a, 1.0)) return b;
      if (is_constant(b, 1.0)) return a;
      if (is_constant(a, -1.0)) return simplified(Op::Neg, b);
      if (is_constant(b, -1.0)) return simplified(Op::Neg, a);
      if (is(a, Op::Neg)) return simplified(Op::Neg, simplified(Op::Mul, nodes_[a].args[0], b));
      if (is(b, Op::Neg)) return simplified(Op::Neg, simplified(Op::Mul, a, nodes_[b].args[0]));
      // constant * (constant * x) -> constant * x
      const NodeId k = is_constant(a) ? a : b, x = is_constant(a) ? b : a;
      if (is_constant(k) && is(x, Op::Mul)) {
        for (int i = 0; i < 2; ++i) {
          const NodeId inner = nodes_[x].args[static_cast<std::size_t>(i)];
          if (!is_constant(inner)) continue;
          const double folded = nodes_[k].value * nodes_[inner].value;
          if (!std::isfinite(folded)) continue;  // as above: what overflows or is no number stays as written
          return simplified(Op::Mul, constant(folded), nodes_[x].args[static_cast<std::size_t>(1 - i)]);
        }
      }
      return ordered(op, a, b);
    }
    case Op::Div:
      if (regular_ && a == b) return constant(1.0);
      if (is_constant(a, 0.0) && !is_constant(b, 0.0) && finite(b)) return a;
      if (is_constant(b, 1.0)) return a;
      if (is_constant(b, -1.0)) return simplified(Op::Neg, a);
      if (is(a, Op::Neg)) return simplified(Op::Neg, simplified(Op::Div, nodes_[a].args[0], b));
      // x / c is x * (1/c) exactly when c is a power of two; a cheap and a canonical form
      if (is_constant(b)) {
        int exponent = 0;
        if (std::abs(std::frexp(nodes_[b].value, &exponent)) == 0.5 && std::abs(exponent) < 1000) {
          return simplified(Op::Mul, constant(1.0 / nodes_[b].value), a);
        }
      }
      break;
    case Op::Neg:
      if (is(a, Op::Neg)) return nodes_[a].args[0];
      if (is(a, Op::Sub)) return simplified(Op::Sub, nodes_[a].args[1], nodes_[a].args[0]);
      break;
    case Op::Pow:
      if (is_constant(b, 0.0)) return constant(1.0);
      if (is_constant(b, 1.0)) return a;
      break;
    case Op::Select:
      if (b == c) return b;
      if (is_constant(a) && !std::isnan(nodes_[a].value)) return nodes_[a].value >= 0.0 ? b : c;
      break;
    case Op::Min:
    case Op::Max:
      if (a == b) return a;
      break;
    default:
      break;
  }
  return node(op, args);
}

}  // namespace fastsfes
