#include "core/family/normal_form.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <vector>

#include "core/expression/normal/shorten.hpp"
#include "core/expression/normal/size.hpp"
#include "core/family/free_coefficients.hpp"
#include "core/family/recognise.hpp"
#include "core/family/superfluous.hpp"
#include "core/fit/cache.hpp"

namespace fastsfes::family {
namespace {

constexpr std::size_t kBytesPerNode = 200;
constexpr std::size_t kMostNodes = 1000;               ///< of forms in which ties are looked for
constexpr std::size_t kMemory = std::size_t{1} << 25;  ///< bytes of forms that are known

normal::Size size_of(const Expression& e) { return normal::size(e.graph(), e.root()); }

/// Takes the other parametrisation where it is within the limit and has no more parameters.
bool adopt(NormalForm& form, const Reparametrised& made, std::size_t limit) {
  const Expression& next = made.expression;
  if (size_of(next).nodes > limit || next.parameters().size() > form.expression.parameters().size()) return false;
  Values values;
  if (!form.values.empty()) {
    for (const std::string& p : next.parameters()) {
      const auto it = made.meaning.find(p);
      values[p] = it == made.meaning.end() ? form.values.at(p) : value(it->second, form.values);
    }
  }
  form = {next, std::move(values)};
  return true;
}

/// Drops one superfluous parameter; false when there is none.
bool drop(NormalForm& form) {
  const Expression before = form.expression;
  struct Choice {
    Superfluous removed;
    Expression next;
    std::size_t parameters;
    normal::Size size;
  };
  std::vector<Choice> choices;
  for (const Superfluous& s : superfluous(before)) {
    Expression next = before.substitute({{s.parameter, Expression::constant(s.value)}}).fold();
    choices.push_back({s, next, next.parameters().size(), size_of(next)});
  }
  std::stable_sort(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
    if (a.parameters != b.parameters) return a.parameters < b.parameters;
    return normal::better(a.size, b.size, normal::Prefer::Nodes);
  });
  for (const auto& [removed, next, parameters, size] : choices) {
    if (!replaces(next, before, removed)) continue;
    Values values;
    if (!form.values.empty()) {
      const auto found = refitted(next, before, form.values, removed);
      if (!found) continue;
      values = *found;
    }
    form = {next, std::move(values)};
    return true;
  }
  return false;
}

NormalForm renamed(const NormalForm& form) {
  const Expression read = normal::in_reading_order(form.expression.graph(), form.expression.root());
  const std::vector<std::string> linear = linear_parameters(read);
  auto graph = std::make_shared<Graph>();
  std::unordered_map<std::string, NodeId> names;
  Values values;
  std::size_t numbers[2] = {0, 0};
  for (const std::string& p : read.parameters()) {
    const bool is_linear = std::find(linear.begin(), linear.end(), p) != linear.end();
    const std::string name = (is_linear ? 'c' : 'g') + std::to_string(numbers[is_linear ? 0 : 1]++);
    names.emplace(p, graph->parameter(name));
    if (!form.values.empty()) values[name] = form.values.at(p);
  }
  const NodeId root = graph->import(read.graph(), read.root(), names);
  return {Expression(std::move(graph), root), std::move(values)};
}

/// The expression with some nodes rewritten; nothing when none was. `rewrite` gets the new graph and a node of it whose
/// arguments have been rewritten, and returns what stands for it.
template <typename Rewrite>
std::optional<Expression> rewritten(const Expression& e, Rewrite rewrite) {
  const Graph& from = e.graph();
  auto graph = std::make_shared<Graph>();
  std::vector<NodeId> map(e.root() + 1);
  bool any = false;
  for (NodeId id = 0; id <= e.root(); ++id) {
    if (from.arity(id) == 0) {
      map[id] = graph->import(from, id);
      continue;
    }
    std::array<NodeId, kMaxArity> args{};
    for (std::size_t k = 0; k < static_cast<std::size_t>(from.arity(id)); ++k) args[k] = map[from[id].args[k]];
    const NodeId same = graph->node(from[id].op, args);
    map[id] = rewrite(*graph, same);
    any = any || map[id] != same;
  }
  if (!any) return std::nullopt;
  return Expression(graph, map[e.root()]);
}

/// The blocks that have a number for an argument, as u(0, g) has, replaced by their formulas.
std::optional<Expression> opened(const Expression& e) {
  return rewritten(e, [](Graph& graph, NodeId id) {
    bool number = false;
    for (std::size_t k = 0; k < static_cast<std::size_t>(graph.arity(id)); ++k) {
      number = number || graph.is_constant(graph[id].args[k]);
    }
    return number && op_info(graph[id].op).kind == OpKind::Defined ? expand_defined(graph, id) : id;
  });
}

/// u of a u where the outer scale is a number: u(u(a, g), h) = h/(1 + h)*u(a, (1 + h)*g).
std::optional<Expression> unnested(const Expression& e) {
  return rewritten(e, [](Graph& graph, NodeId id) {
    const Node outer = graph[id];
    if (outer.op != Op::U || !graph.is_constant(outer.args[1]) || graph[outer.args[0]].op != Op::U) return id;
    const double h = graph[outer.args[1]].value;
    if (!(h > 0.0) || !std::isfinite(h)) return id;
    const Node inner = graph[outer.args[0]];
    const NodeId scale = graph.node(Op::Mul, graph.constant(1.0 + h), inner.args[1]);
    return graph.node(Op::Mul, graph.constant(h / (1.0 + h)), graph.node(Op::U, inner.args[0], scale));
  });
}

/// What is left of a product without a factor; nothing where it is no such product.
std::optional<NodeId> without(Graph& graph, NodeId product, NodeId factor) {
  const Node n = graph[product];
  if (n.op != Op::Mul && n.op != Op::Div) return std::nullopt;
  if (n.args[0] == factor && n.op == Op::Mul) return n.args[1];
  const auto left = without(graph, n.args[0], factor);
  if (!left) return std::nullopt;
  return graph.node(n.op, *left, n.args[1]);
}

/// Sums in which a parameter, or its power, stands alone and in another term, with it taken out of both: c0 - c0*w is
/// c0*(1 - w).
std::optional<Expression> collected(const Expression& e) {
  if (e.graph().size() > kMostNodes) return std::nullopt;
  return rewritten(e, [](Graph& graph, NodeId id) {
    struct Summand {
      NodeId node;
      bool minus;
    };
    std::vector<Summand> terms;
    const auto is_sum = [&](NodeId node) { return graph[node].op == Op::Add || graph[node].op == Op::Sub; };
    NodeId first = id;
    for (; is_sum(first); first = graph[first].args[0]) {
      terms.insert(terms.begin(), {graph[first].args[1], graph[first].op == Op::Sub});
    }
    terms.insert(terms.begin(), {first, false});
    for (std::size_t k = 0; k < terms.size(); ++k) {
      const auto [alone, minus] = terms[k];
      const NodeId tied = graph[alone].op == Op::Pow ? graph[alone].args[0] : alone;
      if (graph[tied].op != Op::Parameter) continue;
      for (std::size_t j = k + 1; j < terms.size(); ++j) {
        const auto rest = without(graph, terms[j].node, alone);
        if (!rest) continue;
        const NodeId sum = graph.node(terms[j].minus == minus ? Op::Add : Op::Sub, graph.constant(1.0), *rest);
        terms[k].node = graph.node(Op::Mul, alone, sum);
        terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(j));
        NodeId total = terms[0].node;
        for (auto it = terms.begin() + 1; it != terms.end(); ++it) {
          total = graph.node(it->minus ? Op::Sub : Op::Add, total, it->node);
        }
        return total;
      }
    }
    return id;
  });
}

/// Removes what the family does not need; false when that is nothing.
bool reduce(NormalForm& form, std::size_t limit) {
  bool changed = false;
  if (const auto made = opened(form.expression)) {
    const Expression next = normal::readable(*made, limit);
    if (next.parameters().size() < form.expression.parameters().size()) changed = adopt(form, {next, {}}, limit);
  }
  const Reparametrised absorbed = absorb(form.expression);
  if (!absorbed.meaning.empty()) changed = adopt(form, absorbed, limit);
  if (const auto made = free_coefficients(form.expression)) changed = adopt(form, *made, limit) || changed;
  while (drop(form)) changed = true;
  if (const auto made = unnested(form.expression)) {
    NormalForm trial{*made, form.values};  // shorter where parameters take the numbers up
    const Reparametrised taken = absorb(trial.expression);
    adopt(trial, taken, std::numeric_limits<std::size_t>::max());
    if (const auto freed = free_coefficients(trial.expression)) {
      adopt(trial, *freed, std::numeric_limits<std::size_t>::max());
    }
    trial.expression = normal::readable(trial.expression, size_of(form.expression).nodes);
    if (normal::better(size_of(trial.expression), size_of(form.expression), normal::Prefer::Nodes) &&
        trial.expression.parameters().size() <= form.expression.parameters().size()) {
      form = trial;
      changed = true;
    }
  }
  return changed;
}

/// A form on its way to the normal one. What becomes of it does not depend on how it came about.
struct State {
  NormalForm form;
  std::size_t limit;  ///< of nodes
  bool done;          ///< whether the form, whatever its parameters are called, has nothing superfluous
  std::string text;

  State(NormalForm given, std::size_t nodes, bool is_done)
      : form(std::move(given)), limit(nodes), done(is_done), text(form.expression.str()) {}
  [[nodiscard]] bool is(const State& other) const {
    return text == other.text && limit == other.limit && done == other.done;
  }
  [[nodiscard]] std::string key() const { return (done ? "=" : "~") + std::to_string(limit) + ' ' + text; }
};

/// One round of the way; nothing where it has come to its end.
std::optional<State> next(const State& state) {
  NormalForm form = state.form;
  const Reparametrised absorbed = absorb(form.expression);  // before sums like 2*c + 1 are multiplied out
  if (!absorbed.meaning.empty()) adopt(form, absorbed, state.limit);
  form.expression = normal::readable(form.expression, state.limit);
  if (state.done && form.expression.str() == state.text) return std::nullopt;
  const bool done = !reduce(form, state.limit);
  form = renamed(form);
  // the form is the best within its own length too, so that it is its own normal form
  State found(form, done ? size_of(form.expression).nodes : state.limit, done);
  if (found.text == state.text) return std::nullopt;
  return found;
}

struct Kept {
  NormalForm form;
  [[nodiscard]] std::size_t bytes() const { return kBytesPerNode * form.expression.graph().size(); }
};

/// The end of a way. Evolution makes the same forms again and again, from texts that differ: where no values go with
/// them they are known.
std::shared_ptr<const Kept> end_of(const State& state, std::vector<State>& way) {
  static fit::Cache<Kept> known(kMemory);
  const auto make = [&] {
    way.push_back(state);
    std::optional<State> following = next(state);
    if (!following) return std::make_shared<const Kept>(Kept{state.form});
    // a round may leave what the next one shortens; should rounds go in a circle, the form with the first text stands
    const auto again = std::find_if(way.begin(), way.end(), [&](const State& s) { return s.is(*following); });
    if (again == way.end()) return end_of(*following, way);
    const auto first = std::min_element(again, way.end(), [](auto& a, auto& b) { return a.text < b.text; });
    return std::make_shared<const Kept>(Kept{first->form});
  };
  return state.form.values.empty() ? known.get(state.key(), make) : make();
}

NormalForm reduced(const Expression& expression, const Values& values) {
  NormalForm start = renamed({expression, values});
  const std::size_t limit = size_of(start.expression).nodes;
  const auto end = [](NormalForm from, std::size_t nodes) {
    std::vector<State> way;
    return end_of(State(std::move(from), nodes, false), way)->form;
  };
  NormalForm form = end(std::move(start), limit);
  if (const auto made = collected(form.expression)) {
    const NormalForm shown = renamed({*made, form.values});
    const std::size_t nodes = size_of(form.expression).nodes;
    const auto is_form = [&] { return end({shown.expression, {}}, nodes).expression.str() == form.expression.str(); };
    if (size_of(shown.expression).nodes == nodes && is_form()) return shown;
  }
  return form;
}

}  // namespace

NormalForm normal_form(const Expression& expression, const Values& values) {
  NormalForm form = reduced(expression, values);
  if (!form.values.empty()) form.values = polished(form.expression, std::move(form.values), expression, values);
  return form;
}

}  // namespace fastsfes::family
