#include "core/expression/normal/order.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fastsfes::normal {
namespace {

int sign(int value) { return (value > 0) - (value < 0); }
int sign(double a, double b) { return (a > b) - (a < b); }

}  // namespace

int Order::kind(NodeId id) const {
  switch (g_[id].op) {
    case Op::Constant:
      return 0;
    case Op::Parameter:
      return 1;
    case Op::Add:
    case Op::Sub:
      return 3;
    default:
      return 2;
  }
}

int Order::shape(NodeId a, NodeId b, bool names) const {
  if (a == b) return 0;
  if (kind(a) != kind(b)) return kind(a) < kind(b) ? -1 : 1;
  const Node &x = g_[a], &y = g_[b];
  if (x.op == Op::Constant && y.op == Op::Constant) return sign(x.value, y.value);
  if (x.op == Op::Parameter) return names ? sign(static_cast<double>(x.args[0]), static_cast<double>(y.args[0])) : 0;
  const char* left = x.op == Op::Feature ? g_.name(a).c_str() : op_info(x.op).name;
  const char* right = y.op == Op::Feature ? g_.name(b).c_str() : op_info(y.op).name;
  if (const int found = sign(std::strcmp(left, right))) return found;
  for (std::size_t k = 0; k < static_cast<std::size_t>(g_.arity(a)); ++k) {
    if (const int found = shape(x.args[k], y.args[k], names)) return found;
  }
  return 0;
}

int Order::compare(NodeId a, NodeId b) const {
  const int found = shape(a, b, false);
  return found ? found : shape(a, b, true);
}

Factors Order::written(const Term& term) const {
  Factors factors = term.factors;
  if (factors.size() < 2) return factors;
  std::sort(factors.begin(), factors.end(), [&](const Factor& a, const Factor& b) {
    const int found = compare(a.atom, b.atom);
    return found ? found < 0 : a.power < b.power;
  });
  return factors;
}

int Order::keys(const Key& a, const Key& b, bool names) const {
  const Factors &x = a.factors, &y = b.factors;
  auto i = x.begin(), j = y.begin();
  // what depends on features decides before parameters do
  const auto feature = [&](auto it, const auto& of) { return it != of.end() && !is_parameter(it->atom); };
  while (i != x.end() && is_parameter(i->atom)) ++i;
  while (j != y.end() && is_parameter(j->atom)) ++j;
  for (; feature(i, x) && feature(j, y); ++i, ++j) {
    if (const int found = shape(i->atom, j->atom, names)) return found;
    if (i->power != j->power) return sign(j->power, i->power);
  }
  if (feature(i, x) != feature(j, y)) return feature(i, x) ? 1 : -1;
  for (i = x.begin(), j = y.begin();; ++i, ++j) {
    const bool left = i != x.end() && is_parameter(i->atom), right = j != y.end() && is_parameter(j->atom);
    if (left != right) return left ? 1 : -1;
    if (!left) return 0;
    if (const int found = shape(i->atom, j->atom, names)) return found;
    if (i->power != j->power) return sign(i->power, j->power);
  }
}

/// Whether something that depends on no feature is left when the node is multiplied out.
bool Order::holds_constant(NodeId id) const {
  if (holds_.size() <= id) holds_.resize(g_.size(), 0);
  if (holds_[id]) return holds_[id] == 2;
  const Node& n = g_[id];
  bool found = n.op != Op::Feature;
  if (is_sum(id)) {
    found = holds_constant(n.args[0]) || holds_constant(n.args[1]);
  } else {
    for (std::size_t k = 0; k < static_cast<std::size_t>(g_.arity(id)); ++k) found = found && holds_constant(n.args[k]);
  }
  holds_[id] = found ? 2 : 1;
  return found;
}

void Order::sort(Sum& sum) const {
  if (sum.size() < 2) return;
  std::vector<Key> key(sum.size());
  std::vector<std::size_t> order;  // of the terms, filled by insertion, which is stable
  order.reserve(sum.size());
  const auto before = [&](std::size_t a, std::size_t b) {
    if (key[a].degree != key[b].degree) return key[a].degree < key[b].degree;
    const int found = keys(key[a], key[b], false);
    return (found ? found : keys(key[a], key[b], true)) < 0;
  };
  for (std::size_t k = 0; k < sum.size(); ++k) {
    key[k].factors = written(sum[k]);
    for (const Factor& f : key[k].factors) {
      const double degree = is_parameter(f.atom) ? 0.0 : is_sum(f.atom) && holds_constant(f.atom) ? 0.5 : 1.0;
      key[k].degree += degree * std::abs(f.power);
    }
    order.insert(std::upper_bound(order.begin(), order.end(), k, before), k);
  }
  if (std::is_sorted(order.begin(), order.end())) return;
  Sum sorted;
  sorted.reserve(sum.size());
  for (const std::size_t k : order) sorted.push_back(std::move(sum[k]));
  sum = std::move(sorted);
}

}  // namespace fastsfes::normal
