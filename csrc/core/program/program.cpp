#include "core/program/program.hpp"

#include <cmath>
#include <limits>
#include <map>

#include "core/expression/features.hpp"
#include "core/jit/tiers.hpp"
#include "core/program/divisions.hpp"

namespace fastsfes {
namespace {

/// Rewrites a graph into one that holds only operators with a kernel of their own, cheap ones where possible.
class Lowering {
 public:
  explicit Lowering(Graph& graph) : g_(graph) {}

  std::vector<NodeId> run(std::vector<NodeId> roots) { return fuse(reduce_divisions(g_, lower(std::move(roots)))); }

  std::vector<NodeId> lower(std::vector<NodeId> roots) {
    for (NodeId& root : roots) root = expand_defined(g_, root);
    const std::vector<char> needed = g_.reachable(roots);
    map_.assign(g_.size(), 0);
    const auto size = static_cast<NodeId>(g_.size());
    for (NodeId id = 0; id < size; ++id) {
      if (!needed[id]) continue;
      const Node n = g_[id];
      if (op_info(n.op).kind == OpKind::Leaf) {
        map_[id] = id;
      } else if (n.op == Op::Pow) {
        map_[id] = power(map_[n.args[0]], map_[n.args[1]]);
      } else {
        map_[id] = g_.simplified(n.op, {map_[n.args[0]], map_[n.args[1]], map_[n.args[2]], 0, 0});
      }
    }
    for (NodeId& root : roots) root = map_[root];
    return roots;
  }

 private:
  /// By the signs of the tables; only what is certain.
  bool nonnegative(NodeId id, int depth = 0) const {
    const Node& n = g_[id];
    if (depth > 20) return false;
    if (n.op == Op::Constant) return n.value >= 0.0;
    if (n.op == Op::Feature) return find_feature(g_.name(id))->nonnegative;
    const char* sign = op_info(n.op).sign;
    if (sign == nullptr || *sign == 0) return false;
    bool holds = true;
    for (; *sign != 0; ++sign) {
      if (*sign == '|') {
        if (holds) return true;
        holds = true;
      } else if (*sign == '=') {
        holds = holds && n.args[0] == n.args[1];
      } else if (*sign != '+') {
        holds = holds && nonnegative(n.args[static_cast<std::size_t>(*sign - 'a')], depth + 1);
      }
    }
    return holds;
  }

  NodeId integer_power(NodeId base, int n) {
    if (n < 0) return g_.simplified(Op::Div, g_.constant(1.0), integer_power(base, -n));
    if (n == 0) return g_.constant(1.0);
    NodeId result = 0;
    bool empty = true;
    for (NodeId square = base; n > 0; n /= 2) {
      if (n % 2 == 1) {
        result = empty ? square : g_.simplified(Op::Mul, result, square);
        empty = false;
      }
      if (n > 1) square = g_.simplified(Op::Mul, square, square);
    }
    return result;
  }

  // Exponents that are multiples of 1/12 become products of square, cube, fourth and sixth roots.
  NodeId power(NodeId base, NodeId exponent) {
    if (!g_.is_constant(exponent)) return g_.simplified(Op::Pow, base, exponent);
    const double twelfths = 12.0 * g_[exponent].value;
    const double rounded = std::nearbyint(twelfths);
    const bool root = std::abs(twelfths - rounded) <= 4 * std::numeric_limits<double>::epsilon() * std::abs(twelfths);
    if (!root || std::abs(rounded) > 12 * 64) return g_.simplified(Op::Pow, base, exponent);
    int whole = static_cast<int>(rounded) / 12, part = static_cast<int>(rounded) % 12;
    if (part == 0) return integer_power(base, whole);
    if (part % 2 != 0 && part != 3 && part != 9) return g_.simplified(Op::Pow, base, exponent);
    if (part < 0) {
      part += 12;
      --whole;
    }
    const auto root_of = [&](Op op, NodeId x) { return g_.simplified(op, x); };
    NodeId factor = 0;
    switch (part) {
      case 2:
        factor = root_of(Op::Sqrt, root_of(Op::Cbrt, base));
        break;
      case 3:
        factor = root_of(Op::Sqrt, root_of(Op::Sqrt, base));
        break;
      case 4:
        factor = root_of(Op::Cbrt, base);
        break;
      case 6:
        factor = root_of(Op::Sqrt, base);
        break;
      case 8:
        factor = integer_power(root_of(Op::Cbrt, base), 2);
        break;
      case 9:
        factor = integer_power(root_of(Op::Sqrt, root_of(Op::Sqrt, base)), 3);
        break;
      default:
        factor = integer_power(root_of(Op::Sqrt, root_of(Op::Cbrt, base)), 5);
        break;  // 10
    }
    // x**(4/3) with a whole part below zero is 1/(...), so that x = 0 gives Inf as a power does
    NodeId result = whole < 0 ? g_.simplified(Op::Div, factor, integer_power(base, -whole))
                              : g_.simplified(Op::Mul, integer_power(base, whole), factor);
    if (whole < 0 && part != 0) {
      // one root in the denominator is more accurate and survives x = 0: x**(-1/3) = 1/cbrt(x), x**(-2/3) =
      // 1/cbrt(x)**2
      result = g_.simplified(Op::Div, g_.constant(1.0), positive_root_power(base, -static_cast<int>(rounded)));
    }
    if ((part == 4 || part == 8) && !nonnegative(base)) {
      // cbrt is real below zero, a power with a broken exponent is not
      result = g_.node(Op::Select, base, result, g_.constant(std::numeric_limits<double>::quiet_NaN()));
    }
    return result;
  }

  NodeId positive_root_power(NodeId base, int twelfths) {
    return power(base, g_.constant(static_cast<double>(twelfths) / 12.0));
  }

  // a*b + c with a product used nowhere else becomes one fused operation.
  std::vector<NodeId> fuse(std::vector<NodeId> roots) {
    const std::vector<char> needed = g_.reachable(roots);
    const auto size = static_cast<NodeId>(g_.size());
    std::vector<int> uses(size, 0);
    for (NodeId root : roots) uses[root] += 2;  // a root must exist by itself
    for (NodeId id = 0; id < size; ++id) {
      if (!needed[id]) continue;
      for (int i = 0; i < g_.arity(id); ++i) ++uses[g_[id].args[static_cast<std::size_t>(i)]];
    }
    const std::vector<char> uniform = uniform_nodes(size);
    std::vector<NodeId> map(size, 0);
    for (NodeId id = 0; id < size; ++id) {
      if (!needed[id]) continue;
      const Node n = g_[id];
      if (op_info(n.op).kind == OpKind::Leaf) {
        map[id] = id;
        continue;
      }
      const NodeId a = n.args[0], b = n.args[1];
      const auto product = [&](NodeId x) { return g_[x].op == Op::Mul && uses[x] == 1 && !uniform[x]; };
      const auto fused = [&](Op op, NodeId mul, NodeId other) {
        return g_.node(op, map[g_[mul].args[0]], map[g_[mul].args[1]], map[other]);
      };
      if (n.op == Op::Add && product(b)) {
        map[id] = fused(Op::Fma, b, a);
      } else if (n.op == Op::Add && product(a)) {
        map[id] = fused(Op::Fma, a, b);
      } else if (n.op == Op::Sub && product(a)) {
        map[id] = fused(Op::Fms, a, b);
      } else if (n.op == Op::Sub && product(b)) {
        map[id] = fused(Op::Fnma, b, a);
      } else {
        std::array<NodeId, kMaxArity> args{};
        for (int i = 0; i < g_.arity(id); ++i)
          args[static_cast<std::size_t>(i)] = map[n.args[static_cast<std::size_t>(i)]];
        map[id] = g_.node(n.op, args);
      }
    }
    for (NodeId& root : roots) root = map[root];
    return roots;
  }

  std::vector<char> uniform_nodes(NodeId size) const {
    std::vector<char> uniform(size, 0);
    for (NodeId id = 0; id < size; ++id) {
      uniform[id] = g_[id].op != Op::Feature;
      for (int i = 0; i < g_.arity(id); ++i) {
        uniform[id] = uniform[id] && uniform[g_[id].args[static_cast<std::size_t>(i)]];
      }
    }
    return uniform;
  }

  Graph& g_;
  std::vector<NodeId> map_;
};

}  // namespace

std::vector<NodeId> lower(Graph& graph, std::vector<NodeId> roots) { return Lowering(graph).lower(std::move(roots)); }

Program::Program(const Graph& source, const std::vector<NodeId>& source_roots)
    : outputs_(source_roots.size()), slots_(std::make_shared<jit::Slots>()) {
  Graph g;
  // Names in the order of the source, so that a program over several graphs keeps a stable layout.
  for (const auto& name : source.parameters()) g.parameter(name);
  for (const auto& name : source.features()) g.feature(name);
  std::vector<NodeId> roots;
  roots.reserve(source_roots.size());
  for (NodeId root : source_roots) roots.push_back(g.import(source, root, {}, true));
  roots = Lowering(g).run(std::move(roots));

  features_ = g.features();
  parameters_ = g.parameters();
  const std::vector<char> needed = g.reachable(roots);
  const auto size = static_cast<NodeId>(g.size());

  // Uniforms: parameters first, then constants and what is computed from both.
  std::vector<char> uniform(size, 0);
  std::vector<Operand> place(size);
  uniforms_ = parameters_.size();
  for (NodeId id = 0; id < size; ++id) {
    if (!needed[id]) continue;
    const Node& n = g[id];
    uniform[id] = n.op != Op::Feature;
    for (int i = 0; i < g.arity(id); ++i) uniform[id] = uniform[id] && uniform[n.args[static_cast<std::size_t>(i)]];
    if (n.op == Op::Feature) place[id] = {Place::Feature, n.args[0]};
    if (!uniform[id]) continue;
    if (n.op == Op::Parameter) {
      place[id] = {Place::Uniform, n.args[0]};
      continue;
    }
    place[id] = {Place::Uniform, static_cast<std::uint32_t>(uniforms_++)};
    if (n.op == Op::Constant) {
      constants_.emplace_back(place[id].index, n.value);
    } else {
      UniformInstruction u{n.op, place[id].index, {}};
      for (int i = 0; i < g.arity(id); ++i)
        u.args[static_cast<std::size_t>(i)] = place[n.args[static_cast<std::size_t>(i)]].index;
      prologue_.push_back(u);
    }
  }

  // The last use of every value decides when its register is free again.
  std::vector<NodeId> last(size, 0);
  for (NodeId id = 0; id < size; ++id) {
    if (!needed[id]) continue;
    for (int i = 0; i < g.arity(id); ++i) last[g[id].args[static_cast<std::size_t>(i)]] = id;
  }
  std::vector<char> released(size, 0);
  std::map<NodeId, std::uint32_t> direct;  // value -> the output that is its home
  for (std::uint32_t k = 0; k < roots.size(); ++k) {
    const NodeId root = roots[k];
    if (!uniform[root] && g[root].op != Op::Feature) direct.emplace(root, k);
  }
  std::vector<std::uint32_t> free;
  for (NodeId id = 0; id < size; ++id) {
    if (!needed[id] || uniform[id] || g[id].op == Op::Feature) continue;
    const Node& n = g[id];
    Instruction ins;
    ins.op = n.op;
    ins.arity = static_cast<std::uint8_t>(g.arity(id));
    for (int i = 0; i < ins.arity; ++i)
      ins.args[static_cast<std::size_t>(i)] = place[n.args[static_cast<std::size_t>(i)]];
    // Arguments that end here give their register back first: kernels work in place, element by element.
    for (int i = 0; i < ins.arity; ++i) {
      const NodeId arg = n.args[static_cast<std::size_t>(i)];
      if (last[arg] == id && place[arg].place == Place::Register && !released[arg]) {
        released[arg] = 1;
        free.push_back(place[arg].index);
      }
    }
    const auto home = direct.find(id);
    if (home != direct.end()) {
      place[id] = {Place::Output, home->second};
    } else if (!free.empty()) {
      place[id] = {Place::Register, free.back()};
      free.pop_back();
    } else {
      place[id] = {Place::Register, static_cast<std::uint32_t>(registers_++)};
    }
    ins.target = place[id];
    instructions_.push_back(ins);
  }
  // Outputs that are a feature, a uniform, or equal to another output are copied.
  for (std::uint32_t k = 0; k < roots.size(); ++k) {
    const auto home = direct.find(roots[k]);
    if (home != direct.end() && home->second == k) continue;
    Instruction copy;
    copy.op = Op::Constant;  // stands for "copy" in a program
    copy.arity = 1;
    copy.target = {Place::Output, k};
    copy.args[0] = place[roots[k]];
    instructions_.push_back(copy);
  }
}

void Program::make_uniforms(const double* parameters, double* uniforms) const noexcept {
  for (std::size_t i = 0; i < parameters_.size(); ++i) uniforms[i] = parameters[i];
  for (const auto& [index, value] : constants_) uniforms[index] = value;
  for (const UniformInstruction& u : prologue_) {
    uniforms[u.target] = evaluate_primitive(u.op, uniforms[u.args[0]], uniforms[u.args[1]], uniforms[u.args[2]]);
  }
}

std::vector<double> Program::make_uniforms(const double* parameters) const {
  std::vector<double> uniforms(uniforms_ + 1);
  make_uniforms(parameters, uniforms.data());
  return uniforms;
}

bool Program::reused() const noexcept { return slots_->reused.load(std::memory_order_relaxed); }
void Program::expect_reuse() noexcept { slots_->reused.store(true, std::memory_order_relaxed); }

jit::Slot& Program::slot(jit::Form form) const noexcept { return slots_->of[static_cast<std::size_t>(form)]; }

std::string Program::signature() const {
  std::string text;
  text.append("f").append(std::to_string(features_.size()));
  text.append("u").append(std::to_string(uniforms_)).append("o").append(std::to_string(outputs_));
  const auto operand = [&text](const Operand& o) {
    text.append(1, "rfuo"[static_cast<int>(o.place)]).append(std::to_string(o.index));
  };
  for (const Instruction& i : instructions_) {
    text.append(";").append(std::to_string(static_cast<int>(i.op))).append(":");
    operand(i.target);
    for (int k = 0; k < i.arity; ++k) operand(i.args[static_cast<std::size_t>(k)]);
  }
  return text;
}

}  // namespace fastsfes
