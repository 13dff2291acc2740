#include "core/fit/channel_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/error.hpp"
#include "core/base/stop.hpp"
#include "core/expression/linearity.hpp"
#include "core/fit/linalg.hpp"
#include "core/fit/problem.hpp"
#include "core/program/interpreter.hpp"

namespace fastsfes::fit {
namespace {

std::size_t program_bytes(const Program& p) {
  return sizeof(BoundProgram) + p.instructions().size() * sizeof(Instruction) +
         p.prologue().size() * sizeof(UniformInstruction) + p.uniforms() * 16 + 64 * p.features().size() +
         64 * p.parameters().size();
}

void append(std::string& key, const void* data, std::size_t size) { key.append(static_cast<const char*>(data), size); }

/// The structure of what `root` needs: operators, indices, constants, names of features; parameters by their index.
std::string structure(std::size_t channel, const Graph& graph, NodeId root) {
  std::string key;
  const std::vector<char> needed = graph.reachable({root});
  std::vector<NodeId> number(root + 1, 0);
  NodeId next = 0;
  key += static_cast<char>(channel);
  for (NodeId id = 0; id <= root; ++id) {
    if (!needed[id]) continue;
    const Node& n = graph[id];
    number[id] = next++;
    append(key, &n.op, 1);
    if (n.op == Op::Constant) {
      append(key, &n.value, sizeof n.value);
    } else if (n.op == Op::Feature) {
      key += graph.name(id);
      key += '\0';
    } else if (n.op == Op::Parameter) {
      append(key, n.args.data(), sizeof n.args[0]);
    }
    for (int i = 0; i < graph.arity(id); ++i) append(key, &number[n.args[static_cast<std::size_t>(i)]], sizeof(NodeId));
  }
  return key;
}

}  // namespace

BoundProgram::BoundProgram(const Graph& graph, const std::vector<NodeId>& roots,
                           const std::vector<std::string>& feature_names)
    : program(graph, roots) {
  for (const std::string& name : program.features()) {
    const auto it = std::find(feature_names.begin(), feature_names.end(), name);
    if (it == feature_names.end()) {
      std::string known;
      for (const std::string& f : feature_names) known += (known.empty() ? "" : ", ") + f;
      throw InputError("feature \"" + name + "\": the nodes of this channel hold " +
                       (known.empty() ? std::string("no features") : known) +
                       "; use one of these, or fit on the full grid");
    }
    feature.push_back(static_cast<std::size_t>(it - feature_names.begin()));
  }
}

void BoundProgram::evaluate(const ChannelData& channel, const double* parameters, double* const* outputs,
                            std::vector<double>& scratch) const {
  const std::size_t inputs = feature.size(), count = program.outputs();
  scratch.resize(program.registers() * kBlock + program.uniforms() + 1);
  double* uniforms = scratch.data() + program.registers() * kBlock;
  program.make_uniforms(parameters, uniforms);
  std::vector<const double*> in(inputs);
  std::vector<double*> out(count);
  for (std::size_t start = 0; start < channel.nodes; start += kBlock) {
    check_stop();
    for (std::size_t j = 0; j < inputs; ++j) in[j] = channel.features[feature[j]].data() + start;
    for (std::size_t k = 0; k < count; ++k) out[k] = outputs[k] + start;
    interpret_block(program, uniforms, in.data(), out.data(), std::min(kBlock, channel.nodes - start), scratch.data());
  }
}

std::size_t ChannelModel::bytes() const noexcept {
  std::size_t size = sizeof(*this) + 80 * parameters.size() + 16 * derivatives.size();
  for (const Fixed& f : fixed) size += sizeof f + f.column->bytes();  // they live as long as the model does
  return size + (moving ? program_bytes(moving->program) : 0);
}

std::size_t ValueModel::bytes() const noexcept {
  return sizeof(*this) + 40 * parameters.size() + (program ? program_bytes(program->program) : 0);
}

std::shared_ptr<const FixedColumn> Problem::column(std::size_t channel, const Graph& graph, NodeId root) const {
  return columns_.get(structure(channel, graph, root), [&] {
    // Made from what the key describes alone: the bits must not depend on what else the graph holds.
    Graph own;
    const NodeId own_root = own.import(graph, root);
    const ChannelData& data = channels_[channel];
    const BoundProgram bound(own, {own_root}, data.feature_names);
    std::vector<double> values(data.nodes), scratch;
    double* output = values.data();
    bound.evaluate(data, nullptr, &output, scratch);
    auto made = std::make_shared<FixedColumn>();
    made->finite = std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
    if (!made->finite) return made;
    made->fitted.resize(data.fitted.stride());
    made->other.resize(data.other.stride());
    const double* in = values.data();
    double* out = made->fitted.data();
    data.fitted.project(&in, 1, &out);
    out = made->other.data();
    data.other.project(&in, 1, &out);
    for (std::size_t i = 0; i < made->other.size(); ++i) out[i] *= other_scale_[i];
    return made;
  });
}

std::shared_ptr<const ChannelModel> Problem::model(std::size_t channel, const Expression& expression,
                                                   const std::vector<char>& eliminable) const {
  std::string key = structure(channel, expression.graph(), expression.root());
  key.append(eliminable.begin(), eliminable.end());
  return models_.get(key, [&] {
    auto made = std::make_shared<ChannelModel>();
    ChannelModel& m = *made;
    Graph g;
    for (const std::string& name : expression.parameters()) g.parameter(name);
    const NodeId written = g.import(expression.graph(), expression.root(), {}, true);
    m.parameters = g.parameters();
    const std::size_t n = m.parameters.size();
    m.positive = block_parameters(g, written);
    const NodeId root = expand_defined(g, written);
    m.linear = linearity(g, root, eliminable).linear;

    std::vector<NodeId> leaves;
    std::vector<std::size_t> owner;
    std::unordered_map<std::string, NodeId> zeros;
    for (std::size_t p = 0; p < n; ++p) {
      if (m.linear[p]) {
        leaves.push_back(g.parameter(m.parameters[p]));
        owner.push_back(p);
        zeros.emplace(m.parameters[p], g.constant(0.0));
      } else {
        m.nonlinear.push_back(p);
      }
    }
    const std::vector<NodeId> columns = gradient(g, root, leaves);
    const Graph before = g;  // import() may not read the graph that it extends
    const NodeId offset = g.import(before, root, zeros, true);

    // What moves with a non-linear parameter goes into one program, the rest into columns of their own.
    std::vector<char> moves(g.size(), 0);
    for (NodeId id = 0; id < g.size(); ++id) {
      moves[id] = g[id].op == Op::Parameter;
      for (int i = 0; i < g.arity(id); ++i) moves[id] |= moves[g[id].args[static_cast<std::size_t>(i)]];
    }
    std::vector<NodeId> roots;
    const auto place = [&](NodeId id, int parameter) {
      if (g.is_constant(id, 0.0)) return;
      if (moves[id]) {
        roots.push_back(id);
        m.moving_parameter.push_back(parameter);
      } else {
        m.fixed.push_back({parameter, column(channel, g, id)});
      }
    };
    place(offset, -1);
    for (std::size_t k = 0; k < columns.size(); ++k) place(columns[k], static_cast<int>(owner[k]));
    if (!roots.empty()) {
      const std::size_t moving = roots.size();
      for (std::size_t j = 0; j < m.nonlinear.size(); ++j) {
        check_stop();
        const std::vector<NodeId> derivatives =
            differentiate(g, std::vector<NodeId>(roots.begin(), roots.begin() + static_cast<std::ptrdiff_t>(moving)),
                          g.parameter(m.parameters[m.nonlinear[j]]));
        for (std::size_t k = 0; k < moving; ++k) {
          if (g.is_constant(derivatives[k], 0.0)) continue;
          roots.push_back(derivatives[k]);
          m.derivatives.push_back({k, j});
        }
      }
      m.moving.emplace(g, roots, channels_[channel].feature_names);
    }
    return made;
  });
}

std::shared_ptr<const ValueModel> Problem::value(std::size_t channel, const Expression& expression,
                                                 bool derivatives) const {
  std::string key = structure(channel, expression.graph(), expression.root());
  key += derivatives ? 'd' : 'v';
  return values_.get(key, [&] {
    auto made = std::make_shared<ValueModel>();
    Graph g;
    std::vector<NodeId> leaves;
    for (const std::string& name : expression.parameters()) leaves.push_back(g.parameter(name));
    const NodeId root = g.import(expression.graph(), expression.root());
    made->parameters = g.parameters();
    const std::vector<NodeId> roots = derivatives ? gradient(g, root, leaves) : std::vector<NodeId>{root};
    made->program.emplace(g, roots, channels_[channel].feature_names);
    return made;
  });
}

}  // namespace fastsfes::fit
