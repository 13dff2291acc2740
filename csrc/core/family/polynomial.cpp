#include "core/family/polynomial.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/expression/printer.hpp"

namespace fastsfes::family {
namespace {

constexpr std::size_t kMostTerms = 40;
constexpr double kLargestPower = 32.0;

Polynomial number(double value) {
  if (value == 0.0) return {};
  return {{Monomial{}, value}};
}

void add(Polynomial& total, const Monomial& monomial, double coefficient) {
  const auto it = std::find_if(total.begin(), total.end(), [&](const auto& term) { return term.first == monomial; });
  if (it == total.end()) {
    if (coefficient != 0.0) total.emplace_back(monomial, coefficient);
    return;
  }
  it->second += coefficient;
  if (it->second == 0.0) total.erase(it);
}

Polynomial sum(Polynomial total, const Polynomial& other, double sign) {
  for (const auto& [monomial, coefficient] : other) add(total, monomial, sign * coefficient);
  return total;
}

Monomial merged(const Monomial& a, const Monomial& b) {
  Monomial found;
  auto i = a.begin(), j = b.begin();
  while (i != a.end() || j != b.end()) {
    if (j == b.end() || (i != a.end() && i->first < j->first)) {
      found.push_back(*i++);
    } else if (i == a.end() || j->first < i->first) {
      found.push_back(*j++);
    } else {
      found.emplace_back(i->first, i->second + j->second);
      ++i, ++j;
    }
  }
  return found;
}

Polynomial product(const Polynomial& a, const Polynomial& b) {
  if (a.size() * b.size() > 4 * kMostTerms) throw TooLong();
  Polynomial total;
  for (const auto& [m1, c1] : a) {
    for (const auto& [m2, c2] : b) add(total, merged(m1, m2), c1 * c2);
  }
  if (total.size() > kMostTerms) throw TooLong();
  for (const auto& [monomial, coefficient] : total) {
    if (!std::isfinite(coefficient)) throw TooLong();
  }
  return total;
}

std::optional<double> constant(const Polynomial& p) {
  if (p.empty()) return 0.0;
  if (p.size() == 1 && p[0].first.empty()) return p[0].second;
  return std::nullopt;
}

/// The polynomial of an operator on polynomials; nothing when it is none.
std::optional<Polynomial> combined(Op op, const std::vector<const Polynomial*>& inner) {
  switch (op) {
    case Op::Add:
      return sum(*inner[0], *inner[1], 1.0);
    case Op::Sub:
      return sum(*inner[0], *inner[1], -1.0);
    case Op::Neg:
      return sum({}, *inner[0], -1.0);
    case Op::Mul:
      return product(*inner[0], *inner[1]);
    case Op::Fma:
      return sum(product(*inner[0], *inner[1]), *inner[2], 1.0);
    case Op::Fms:
      return sum(product(*inner[0], *inner[1]), *inner[2], -1.0);
    case Op::Fnma:
      return sum(*inner[2], product(*inner[0], *inner[1]), -1.0);
    case Op::Div: {
      const auto divisor = constant(*inner[1]);
      if (!divisor || *divisor == 0.0) return std::nullopt;
      Polynomial found = *inner[0];
      for (auto& term : found) term.second /= *divisor;
      return found;
    }
    case Op::Pow: {
      const auto exponent = constant(*inner[1]);
      if (!exponent || !(*exponent > 0.0 && *exponent <= kLargestPower) || *exponent != std::floor(*exponent)) {
        return std::nullopt;
      }
      Polynomial found = number(1.0);
      for (int k = 0; k < static_cast<int>(*exponent); ++k) found = product(found, *inner[0]);
      return found;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

Polynomial polynomial(const Expression& expression, const std::map<std::string, double>& values) {
  const Graph& graph = expression.graph();
  std::vector<Polynomial> found(graph.size());
  for (NodeId id = 0; id < graph.size(); ++id) {
    const Node& n = graph[id];
    switch (n.op) {
      case Op::Constant:
        found[id] = number(n.value);
        break;
      case Op::Parameter:
        found[id] = number(values.at(graph.name(id)));
        break;
      case Op::Feature:
        found[id] = {{Monomial{{graph.name(id), 1}}, 1.0}};
        break;
      default: {
        std::vector<const Polynomial*> inner;
        for (int k = 0; k < graph.arity(id); ++k) inner.push_back(&found[n.args[static_cast<std::size_t>(k)]]);
        auto made = combined(n.op, inner);
        found[id] = made ? std::move(*made) : Polynomial{{Monomial{{print_infix(graph, id), 1}}, 1.0}};
      }
    }
  }
  return std::move(found.back());
}

}  // namespace fastsfes::family
