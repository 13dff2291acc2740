#include "core/expression/normal/writer.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "core/base/stop.hpp"

namespace fastsfes::normal {
namespace {

/// What all of some terms have in common, number included where they agree in its size.
Term shared(const std::vector<const Term*>& terms) {
  Term found{terms[0]->factors, std::abs(terms[0]->coefficient)};
  for (const Term* term : terms) {
    if (std::abs(term->coefficient) != found.coefficient) found.coefficient = 1.0;
    Factors left;
    for (Factor f : found.factors) {
      const double other = power_of(*term, f.atom);
      if (f.power > 0.0 ? other <= 0.0 : other >= 0.0) continue;
      f.power = f.power > 0.0 ? std::min(f.power, other) : std::max(f.power, other);
      left.push_back(f);
    }
    found.factors = left;
  }
  return found;
}

/// Operations saved when a factor is taken out of the terms that it divides.
int gain(const Term& factor, const std::vector<const Term*>& terms) {
  const int size = static_cast<int>(factor.factors.size()) + (factor.coefficient != 1.0 ? 1 : 0);
  int saved = -size;
  for (const Term* term : terms) {
    const bool all = term->factors == factor.factors && std::abs(term->coefficient) == factor.coefficient;
    saved += all ? size - 1 : size;
  }
  return saved;
}

}  // namespace

bool divides(const Term& factor, const Term& term) {
  if (factor.coefficient != 1.0 && std::abs(term.coefficient) != factor.coefficient) return false;
  return std::all_of(factor.factors.begin(), factor.factors.end(), [&](const Factor& f) {
    const double power = power_of(term, f.atom);
    return f.power > 0.0 ? power >= f.power : power <= f.power;
  });
}

Term common_factor(const Sum& sum, Strategy strategy, const Order& order) {
  if (strategy == Strategy::None) return {};
  struct Candidate {
    Factor one;         ///< an atom with the sign of its power
    std::size_t times;  ///< how many terms have it
  };
  std::vector<Candidate> candidates;
  for (const Term& term : sum) {
    for (const Factor& f : term.factors) {
      const Factor one{f.atom, f.power > 0.0 ? 1.0 : -1.0};
      const auto same = std::find_if(candidates.begin(), candidates.end(), [&](auto& c) { return c.one == one; });
      if (same == candidates.end()) {
        candidates.push_back({one, 1});
      } else {
        ++same->times;
      }
    }
  }
  std::optional<std::tuple<int, int, std::size_t>> best;
  Factor chosen{};
  Term found;
  std::vector<const Term*> group;
  for (const auto& [candidate, times] : candidates) {
    if (times < 2) continue;
    check_stop();
    group.clear();
    for (const Term& term : sum) {
      if (power_of(term, candidate.atom) * candidate.power > 0.0) group.push_back(&term);
    }
    const Term factor = shared(group);
    const int saved = gain(factor, group);
    if (saved < (strategy == Strategy::Gain ? 1 : 0)) continue;
    const bool parameter = order.is_parameter(candidate.atom);
    const int first = strategy == Strategy::Gain ? 0 : parameter == (strategy == Strategy::Parameters) ? 1 : 0;
    const std::tuple rank(first, saved, group.size());
    if (!best || rank > *best ||
        (rank == *best && (order.compare(candidate.atom, chosen.atom) < 0 ||
                           (candidate.atom == chosen.atom && candidate.power > chosen.power)))) {
      best = rank;
      chosen = candidate;
      found = factor;
    }
  }
  if (best) return found;
  // numbers last: 3*u + 3*w is 3*(u + w)
  for (const Term& term : sum) {
    const double value = std::abs(term.coefficient);
    const auto count = std::count_if(sum.begin(), sum.end(), [&](const Term& other) {
      return std::abs(other.coefficient) == value && !other.factors.empty();
    });
    if (value != 1.0 && count > 1 && !term.factors.empty()) found.coefficient = std::max(value, found.coefficient);
  }
  return found;
}

NodeId write_term(Graph& g, const Order& order, const Term& term) {
  std::optional<NodeId> above, below;
  const auto times = [&](std::optional<NodeId>& into, NodeId node) {
    into = into ? g.node(Op::Mul, *into, node) : node;
  };
  const auto raised = [&](const Factor& f, double power) {
    return power == 1.0 ? f.atom : g.node(Op::Pow, f.atom, g.constant(power));
  };
  const Factors factors = order.written(term);
  // 1/x**2 is x**(-2), one operation; but 1/x is a quotient for the eye
  if (factors.size() == 1 && term.coefficient == 1.0 && factors[0].power < 0.0 && factors[0].power != -1.0) {
    return raised(factors[0], factors[0].power);
  }
  bool negative = false;
  if (term.coefficient == -1.0 && std::any_of(factors.begin(), factors.end(), [](auto& f) { return f.power > 0.0; })) {
    negative = true;
  } else if (term.coefficient != 1.0) {
    above = g.constant(term.coefficient);
  }
  for (const Factor& f : factors) {
    if (f.power > 0.0) {
      const NodeId node = raised(f, f.power);
      times(above, negative && !above ? g.node(Op::Neg, node) : node);
    } else {
      times(below, raised(f, -f.power));
    }
  }
  NodeId node = above ? *above : g.constant(1.0);
  if (below) node = g.node(Op::Div, node, *below);
  return node;
}

NodeId write_terms(Graph& g, const Order& order, Sum sum) {
  if (sum.empty()) return g.constant(0.0);
  order.sort(sum);
  const auto positive = std::find_if(sum.begin(), sum.end(), [](const Term& t) { return t.coefficient > 0.0; });
  if (positive != sum.end()) std::rotate(sum.begin(), positive, positive + 1);
  NodeId total = write_term(g, order, sum[0]);
  for (std::size_t k = 1; k < sum.size(); ++k) {
    Term term = sum[k];
    const bool minus = term.coefficient < 0.0;
    if (minus) term.coefficient = -term.coefficient;
    total = g.node(minus ? Op::Sub : Op::Add, total, write_term(g, order, term));
  }
  return total;
}

}  // namespace fastsfes::normal
