#include "core/expression/normal/shorten.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/stop.hpp"
#include "core/expression/normal/size.hpp"

namespace fastsfes::normal {
namespace {

constexpr std::size_t kMostTerms = 32;
constexpr double kLargestPower = 32.0;
constexpr int kOpenings = 4;              ///< of kept sums, one after the other
constexpr std::size_t kMostNodes = 1000;  ///< longer expressions stay as they are

bool finite(const Sum& sum) {
  return std::all_of(sum.begin(), sum.end(), [](const Term& t) { return std::isfinite(t.coefficient); });
}

Sum one_atom(NodeId id, double power = 1.0) { return {Term{{{id, power}}, 1.0}}; }

}  // namespace

Shortener::Shortener(Graph& graph, Prefer prefer)
    : g_(graph), prefer_(prefer), order_(graph), shared_(graph.size(), 0) {
  std::vector<char> used(graph.size(), 0);
  for (NodeId id = 0; id < graph.size(); ++id) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) {
      const NodeId a = graph[id].args[k];
      shared_[a] = used[a] && order_.is_sum(a);
      used[a] = 1;
    }
  }
}

const Sum& Shortener::sum(NodeId id, View view) {
  if (is_function(id)) view = View::Factors;  // the same in all of them
  const auto& known = sums_[static_cast<std::size_t>(view)];
  if (id < known.size() && known[id]) return *known[id];
  Sum found = made(id, view);
  if (!finite(found)) found = one_atom(id);
  if (view == View::None && found.size() > kMostTerms) found = sum(id, View::Factors);
  return keep(id, view, std::move(found));
}

const Sum& Shortener::keep(NodeId id, View view, Sum found) {
  auto& known = sums_[static_cast<std::size_t>(view)];
  if (known.size() <= id) known.resize(std::max<std::size_t>(g_.size(), 2 * known.size()));
  if (!known[id]) known[id] = &kept_.emplace_back(std::move(found));
  return *known[id];
}

/// Whether a node is a leaf or a function, not made of arithmetic.
bool Shortener::is_function(NodeId id) const {
  switch (g_[id].op) {
    case Op::Add:
    case Op::Sub:
    case Op::Neg:
    case Op::Mul:
    case Op::Fma:
    case Op::Fms:
    case Op::Fnma:
    case Op::Div:
    case Op::Pow:
      return false;
    default:
      return true;
  }
}

Sum Shortener::made(NodeId id, View view) {
  check_stop();
  const Node n = g_[id];
  const auto inner = [&](std::size_t k) -> const Sum& { return sum(n.args[k], view); };
  const auto plus = [&](Sum total, std::size_t k, double sign) {
    const NodeId a = n.args[k];
    if (view == View::Shared && a < shared_.size() && shared_[a]) {
      add(total, atomised(inner(k)), sign);
    } else {
      for (const Term& term : inner(k)) add(total, term, sign);
    }
    return total;
  };
  switch (n.op) {
    case Op::Constant:
      return number(n.value);
    case Op::Parameter:
    case Op::Feature:
      return one_atom(id);
    case Op::Add:
    case Op::Sub:
      return plus(plus({}, 0, 1.0), 1, n.op == Op::Add ? 1.0 : -1.0);
    case Op::Neg:
      return plus({}, 0, -1.0);
    case Op::Mul:
      return multiplied(inner(0), inner(1), view);
    case Op::Fma:
    case Op::Fms:
      return plus(multiplied(inner(0), inner(1), view), 2, n.op == Op::Fma ? 1.0 : -1.0);
    case Op::Fnma: {
      Sum total = multiplied(inner(0), inner(1), view);
      for (Term& term : total) term.coefficient = -term.coefficient;
      return plus(std::move(total), 2, 1.0);
    }
    case Op::Div: {
      const Sum below = sum(n.args[1], view == View::None ? View::Factors : view);
      if (below.empty()) return function(id);
      return multiplied(inner(0), {power(atomised(below), -1.0)}, view);
    }
    case Op::Pow:
      return raised(id, view);
    default:
      return function(id);
  }
}

Sum Shortener::multiplied(const Sum& a, const Sum& b, View view) {
  if (a.empty() || b.empty()) return {};
  const auto unit = [](const Sum& s) { return is_number(s) && std::abs(s[0].coefficient) == 1.0; };
  if (unit(a) || unit(b) || (view == View::None && a.size() * b.size() <= 2 * kMostTerms)) {
    return rootless(product(a, b));
  }
  return rootless({product(atomised(a), atomised(b))});
}

Sum Shortener::rootless(Sum sum) {
  Sum found;
  for (Term& term : sum) {
    Term rest{{}, 1.0};
    for (Factor& f : term.factors) {
      const double root = g_[f.atom].op == Op::Sqrt ? 2.0 : g_[f.atom].op == Op::Cbrt ? 3.0 : 0.0;
      if (root == 0.0 || !is_whole(f.power) || std::abs(f.power) < root) continue;
      const double whole = std::trunc(f.power / root);
      const NodeId inside = g_[f.atom].args[0];
      f.power -= root * whole;
      rest = product(rest, power(atomised(this->sum(inside, View::Factors)), whole));
    }
    Term left{{}, term.coefficient};
    for (const Factor& f : term.factors) {
      if (f.power != 0.0) left.factors.push_back(f);
    }
    add(found, product(left, rest));
  }
  return found;
}

Sum Shortener::raised(NodeId id, View view) {
  const Node n = g_[id];
  const NodeId base = n.args[0];
  const Sum exponent = sum(n.args[1], View::Factors);
  if (!is_number(exponent)) return function(id);
  const double k = exponent.empty() ? 0.0 : exponent[0].coefficient;
  if (k == 0.0) return number(1.0);
  const Sum inner = sum(base, view);
  if (k == 1.0) return inner;
  if (inner.empty()) return k > 0.0 ? Sum{} : function(id);
  if (!is_whole(k)) {
    if (inner.size() == 1 && inner[0].coefficient == 1.0 && inner[0].factors.size() == 1 &&
        inner[0].factors[0].power == 1.0) {
      return one_atom(inner[0].factors[0].atom, k);
    }
    return function(id);
  }
  if (view == View::None && inner.size() > 1 && k > 0.0 && k <= kLargestPower) {
    Sum found = inner;
    for (int i = 1; i < static_cast<int>(k); ++i) {
      if (found.size() * inner.size() > 2 * kMostTerms) return sum(id, View::Factors);
      found = product(found, inner);
    }
    return rootless(std::move(found));
  }
  return rootless({power(atomised(inner), k)});
}

Sum Shortener::function(NodeId id) {
  const Node n = g_[id];
  std::array<NodeId, kMaxArity> args{};
  for (std::size_t k = 0; k < static_cast<std::size_t>(g_.arity(id)); ++k) args[k] = best(n.args[k]);
  const NodeId made = g_.simplified(n.op, args);
  if (g_[made].op != n.op) return sum(made, View::Factors);
  for (const View view : {View::Factors, View::Shared, View::None}) keep(made, view, one_atom(made));
  return one_atom(made);
}

Term Shortener::atomised(const Sum& given) {
  if (given.empty()) return {{}, 0.0};
  if (given.size() == 1) return given[0];
  Sum sum = given;
  order_.sort(sum);
  double sign = 1.0;
  if (sum[0].coefficient < 0.0) {
    sign = -1.0;
    for (Term& term : sum) term.coefficient = -term.coefficient;
  }
  const NodeId id = written(sum);
  const Sum& inside = this->sum(id, View::Factors);
  Term found = inside.size() == 1 ? inside[0] : Term{{{id, 1.0}}, 1.0};
  found.coefficient *= sign;
  return found;
}

NodeId Shortener::write(Sum sum, Strategy strategy) {
  while (sum.size() > 1) {
    const Term factor = common_factor(sum, strategy, order_);
    if (is_one(factor)) break;
    Sum inner, rest;
    for (const Term& term : sum) {
      if (divides(factor, term)) {
        inner.push_back(quotient(term, factor));
      } else {
        rest.push_back(term);
      }
    }
    add(rest, product(factor, atomised(inner)));
    sum = std::move(rest);
  }
  return write_terms(g_, order_, std::move(sum));
}

Size Shortener::measured(NodeId id) {
  if (sizes_.size() <= id) sizes_.resize(std::max<std::size_t>(g_.size(), 2 * sizes_.size()));
  if (sizes_[id].nodes == 0) sizes_[id] = size(g_, id);
  return sizes_[id];
}

NodeId Shortener::written(const Sum& sum) {
  check_stop();
  const auto known = std::find_if(written_.begin(), written_.end(), [&](const auto& w) { return w.first == sum; });
  if (known != written_.end()) return known->second;
  std::optional<NodeId> found;
  Size least;
  for (const Strategy strategy : kStrategies) {
    const NodeId node = write(sum, strategy);
    if (found && node == *found) continue;
    const Size now = measured(node);
    if (!found || better(now, least, prefer_)) {
      found = node;
      least = now;
    }
    if (strategy == kStrategies[0] && is_one(common_factor(sum, strategy, order_))) break;  // nor for the others
  }
  written_.emplace_back(sum, *found);
  return *found;
}

std::optional<Sum> Shortener::opened(const Sum& sum, NodeId atom) {
  const Sum inside = this->sum(atom, View::Factors);
  Sum total;
  for (const Term& term : sum) {
    const double exponent = power_of(term, atom);
    if (!(exponent > 0.0) || !is_whole(exponent) || exponent > kLargestPower) {
      add(total, term);
      continue;
    }
    Sum factor{quotient(term, Term{{{atom, exponent}}, 1.0})};
    for (int k = 0; k < static_cast<int>(exponent); ++k) {
      if (factor.size() * inside.size() > 2 * kMostTerms) return std::nullopt;
      factor = product(factor, inside);
    }
    for (const Term& part : factor) add(total, part);
    if (total.size() > kMostTerms) return std::nullopt;
  }
  return total;
}

NodeId Shortener::best(NodeId id) {
  if (g_.arity(id) == 0) return id;
  const auto it = best_.find(id);
  if (it != best_.end()) return it->second;
  Sum start = sum(id, View::Factors);
  NodeId found = written(start);
  Size least = measured(found);
  const auto improves = [&](const Sum& other) {
    const NodeId node = written(other);
    const Size now = measured(node);
    if (!better(now, least, prefer_)) return false;
    found = node;
    least = now;
    return true;
  };
  improves(sum(id, View::Shared));
  improves(sum(id, View::None));
  for (int round = 0; round < kOpenings; ++round) {
    std::vector<NodeId> atoms;
    for (const Term& term : start) {
      for (const Factor& f : term.factors) {
        if (order_.is_sum(f.atom) && std::find(atoms.begin(), atoms.end(), f.atom) == atoms.end()) {
          atoms.push_back(f.atom);
        }
      }
    }
    std::optional<Sum> next;
    for (const NodeId atom : atoms) {
      auto other = opened(start, atom);
      if (other && finite(*other) && improves(*other)) next = std::move(other);
    }
    if (!next) break;
    start = std::move(*next);
  }
  best_.emplace(id, found);
  best_.emplace(found, found);
  return found;
}

std::optional<NodeId> Shortener::within(NodeId id, std::size_t nodes) {
  std::optional<NodeId> found;
  Size least;
  const auto consider = [&](NodeId node) {
    const Size now = measured(node);
    if (now.nodes > nodes || (found && !better(now, least, Prefer::Reading))) return;
    found = node;
    least = now;
  };
  consider(best(id));
  if (g_.arity(id) == 0 || (found && prefer_ == Prefer::Reading)) return found;
  for (const View view : {View::Factors, View::Shared, View::None}) {
    for (const Strategy strategy : kStrategies) consider(write(sum(id, view), strategy));
  }
  return found;
}

Expression in_reading_order(const Graph& graph, NodeId root) {
  auto own = std::make_shared<Graph>();
  std::unordered_map<NodeId, NodeId> map;
  std::vector<std::pair<NodeId, bool>> stack{{root, false}};  // deep graphs must not exhaust the machine's own stack
  while (!stack.empty()) {
    const auto [id, ready] = stack.back();
    stack.pop_back();
    if (map.contains(id)) continue;
    const Node& n = graph[id];
    if (n.op == Op::Constant) {
      map[id] = own->constant(n.value);
    } else if (n.op == Op::Parameter) {
      map[id] = own->parameter(graph.name(id));
    } else if (n.op == Op::Feature) {
      map[id] = own->feature(graph.name(id));
    } else if (ready) {
      std::array<NodeId, kMaxArity> args{};
      for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) args[k] = map.at(n.args[k]);
      map[id] = own->node(n.op, args);
    } else {
      stack.emplace_back(id, true);
      for (std::size_t k = static_cast<std::size_t>(graph.arity(id)); k-- > 0;) stack.emplace_back(n.args[k], false);
    }
  }
  return {std::move(own), map.at(root)};
}

Expression readable(const Expression& expression, std::size_t nodes) {
  if (expression.graph().size() > kMostNodes) return expression;
  // where what is easiest to read everywhere is too long, its parts are short
  for (const Prefer prefer : {Prefer::Reading, Prefer::Nodes}) {
    Graph graph;
    const NodeId root = graph.import(expression.graph(), expression.root());
    if (const auto found = Shortener(graph, prefer).within(root, nodes)) return in_reading_order(graph, *found);
  }
  return in_reading_order(expression.graph(), expression.root());
}

Expression multiplied_out(const Expression& expression) {
  if (expression.graph().size() > kMostNodes) return expression;
  Graph graph;
  const NodeId root = graph.import(expression.graph(), expression.root());
  Shortener shortener(graph, Prefer::Nodes);
  const Sum& sum = shortener.sum(root, Shortener::View::None);
  return in_reading_order(graph, write_terms(graph, shortener.order(), sum));
}

}  // namespace fastsfes::normal
