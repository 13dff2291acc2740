#include "core/expression/linearity.hpp"

#include <cstdint>

namespace fastsfes {
namespace {

/// Sets of parameters, one row of bits per node.
class Sets {
 public:
  Sets(std::size_t rows, std::size_t bits) : words_((bits + 63) / 64), data_(rows * words_, 0) {}
  void insert(std::size_t row, std::size_t bit) { data_[row * words_ + bit / 64] |= std::uint64_t{1} << (bit % 64); }
  bool contains(std::size_t row, std::size_t bit) const {
    return (data_[row * words_ + bit / 64] >> (bit % 64) & 1) != 0;
  }
  void merge(std::size_t row, const Sets& other, std::size_t from) {
    for (std::size_t i = 0; i < words_; ++i) data_[row * words_ + i] |= other.data_[from * words_ + i];
  }
  bool empty(std::size_t row) const {
    for (std::size_t i = 0; i < words_; ++i) {
      if (data_[row * words_ + i] != 0) return false;
    }
    return true;
  }

 private:
  std::size_t words_;
  std::vector<std::uint64_t> data_;
};

}  // namespace

Linearity linearity(const Graph& graph, NodeId root, const std::vector<char>& allowed) {
  const std::size_t n = graph.parameters().size();
  Linearity found{std::vector<char>(n, 0), std::vector<char>(n, 0)};
  if (n == 0) return found;
  const std::vector<char> needed = graph.reachable({root});
  Sets depends(root + 1, n), interacts(n, n), curved(1, n);
  // Every parameter of node x interacts with every one of node y, and the other way round.
  const auto couple = [&](NodeId x, NodeId y) {
    if (depends.empty(x) || depends.empty(y)) return;
    for (std::size_t p = 0; p < n; ++p) {
      if (depends.contains(x, p)) interacts.merge(p, depends, y);
      if (x != y && depends.contains(y, p)) interacts.merge(p, depends, x);
    }
  };
  for (NodeId id = 0; id <= root; ++id) {
    if (!needed[id]) continue;
    const Node& node = graph[id];
    if (node.op == Op::Parameter) depends.insert(id, node.args[0]);
    const int arity = graph.arity(id);
    for (int i = 0; i < arity; ++i) depends.merge(id, depends, node.args[static_cast<std::size_t>(i)]);
    for (const char* pair = op_info(node.op).interactions; *pair; pair += 2) {
      const NodeId x = node.args[static_cast<std::size_t>(pair[0] - 'a')];
      couple(x, node.args[static_cast<std::size_t>(pair[1] - 'a')]);
      if (pair[0] == pair[1]) curved.merge(0, depends, x);
    }
  }
  std::vector<char> open(n, 0);
  for (std::size_t p = 0; p < n; ++p) open[p] = allowed[p] != 0 && !interacts.contains(p, p);
  for (;;) {
    std::size_t best = n, fewest = n + 1;
    for (std::size_t p = 0; p < n; ++p) {
      if (!open[p]) continue;
      std::size_t count = 0;
      for (std::size_t q = 0; q < n; ++q) count += open[q] && interacts.contains(p, q) ? 1 : 0;
      if (count < fewest) {
        fewest = count;
        best = p;
      }
    }
    if (best == n) break;
    found.linear[best] = 1;
    open[best] = 0;
    for (std::size_t q = 0; q < n; ++q) {
      if (interacts.contains(best, q)) open[q] = 0;
    }
  }
  for (std::size_t p = 0; p < n; ++p) found.factors[p] = found.linear[p] == 0 && !curved.contains(0, p);
  return found;
}

std::vector<char> block_parameters(const Graph& graph, NodeId root) {
  std::vector<char> found(graph.parameters().size(), 0);
  const std::vector<char> needed = graph.reachable({root});
  for (NodeId id = 0; id <= root; ++id) {
    if (!needed[id] || op_info(graph[id].op).kind != OpKind::Defined) continue;
    for (int i = 0; i < graph.arity(id); ++i) {
      const Node& argument = graph[graph[id].args[static_cast<std::size_t>(i)]];
      if (argument.op == Op::Parameter) found[argument.args[0]] = 1;
    }
  }
  return found;
}

}  // namespace fastsfes
