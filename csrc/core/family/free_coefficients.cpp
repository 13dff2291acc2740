#include "core/family/free_coefficients.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/expression/normal/shorten.hpp"
#include "core/expression/normal/size.hpp"

namespace fastsfes::family {
namespace {

using normal::Factor;
using normal::Prefer;
using normal::Sum;
using normal::Term;

using Set = std::uint64_t;  ///< parameters by their place in the graph's table of names
constexpr std::size_t kMostParameters = 60;

class Coefficients {
 public:
  /// With `together`, sums that are coefficients of several terms, up to whole numbers, are one.
  Coefficients(normal::Shortener& shortener, const Sum& sum, bool together)
      : s_(shortener), g_(shortener.graph()), together_(together) {
    count_ = g_.parameters().size();
    std::vector<std::pair<Term, Sum>> found;  // features and functions, and what they are multiplied by
    for (const Term& term : sum) {
      Term rest, own{{}, term.coefficient};
      for (const Factor& f : term.factors) (depends(f.atom) ? rest : own).factors.push_back(f);
      for (const Factor& f : rest.factors) held_ |= inside(f.atom);
      const auto it = std::find_if(found.begin(), found.end(), [&](auto& g) { return g.first == rest; });
      if (it == found.end()) {
        found.push_back({rest, {own}});
      } else {
        it->second.push_back(own);
      }
    }
    for (auto& [rest, coefficient] : found) join(rest, std::move(coefficient));
  }

  /// Whether there are fewer coefficients than terms.
  [[nodiscard]] bool joined() const { return joined_; }

  /// The sum in new parameters, or nothing.
  std::optional<Reparametrised> result() {
    peel();
    std::map<std::string, Expression> meaning;
    Sum total;
    for (const Group& group : groups_) {
      const Sum& own = group.coefficient;
      const bool plain = own.size() == 1 && own[0].coefficient == 1.0 && own[0].factors.size() == 1 &&
                         own[0].factors[0].power == 1.0 && g_[own[0].factors[0].atom].op == Op::Parameter;
      if (group.free && !plain) {
        const std::string name = "?" + std::to_string(meaning.size());
        meaning.emplace(name, normal::in_reading_order(g_, s_.written(own)));
        const Term parameter{{{g_.parameter(name), 1.0}}, 1.0};
        for (const Term& rest : group.rest) normal::add(total, normal::product(rest, parameter));
      } else {
        for (const Term& rest : group.rest) {
          for (const Term& term : own) normal::add(total, normal::product(rest, term));
        }
      }
    }
    rescale(total, meaning);
    if (meaning.empty()) return std::nullopt;
    return Reparametrised{normal::in_reading_order(g_, s_.written(total)), meaning};
  }

 private:
  /// A coefficient and what it multiplies.
  struct Group {
    Sum rest;
    Sum coefficient;
    bool free = false;
  };

  /// Adds a term, with `together` to the group that has its coefficient: u + c*u + 2*(1 + c)*w is (1 + c)*(u + 2*w).
  void join(Term rest, Sum coefficient) {
    for (Group& group : groups_) {
      if (!together_ || coefficient.size() == 1) break;  // a product can be taken out as it is
      const double times = normal::multiple(coefficient, group.coefficient);
      const double inverse = normal::multiple(group.coefficient, coefficient);
      if (times != 0.0 && normal::is_whole(times)) {
        rest.coefficient = times;
      } else if (inverse != 0.0 && normal::is_whole(inverse)) {
        for (Term& other : group.rest) other.coefficient *= inverse;
        group.coefficient = std::move(coefficient);
      } else {
        continue;
      }
      group.rest.push_back(std::move(rest));
      joined_ = true;
      return;
    }
    groups_.push_back({{std::move(rest)}, std::move(coefficient)});
  }

  void look(NodeId id) {
    if (seen_.size() <= id) seen_.resize(g_.size(), {0, -1});
    if (seen_[id].second >= 0) return;
    Set set = 0;
    bool features = g_[id].op == Op::Feature;
    if (g_[id].op == Op::Parameter) set = Set{1} << g_[id].args[0];
    for (std::size_t k = 0; k < static_cast<std::size_t>(g_.arity(id)); ++k) {
      const NodeId a = g_[id].args[k];
      look(a);
      set |= seen_[a].first;
      features = features || seen_[a].second > 0;
    }
    seen_[id] = {set, features ? 1 : 0};
  }
  /// Parameters that a node is made of.
  Set inside(NodeId id) {
    look(id);
    return seen_[id].first;
  }
  /// Whether a node depends on features.
  bool depends(NodeId id) {
    look(id);
    return seen_[id].second > 0;
  }
  Set inside(const Group& group) {
    Set found = 0;
    for (const Term& term : group.coefficient) {
      for (const Factor& f : term.factors) found |= inside(f.atom);
    }
    return found;
  }

  /// Whether a coefficient takes every value when one parameter does, the others being as they are: as a polynomial of
  /// odd degree.
  bool onto(const Group& group, std::size_t parameter) {
    const Set own = Set{1} << parameter;
    double degree = 0.0;
    for (const Term& term : group.coefficient) {
      for (const Factor& f : term.factors) {
        if (!(inside(f.atom) & own)) continue;
        if (g_[f.atom].op != Op::Parameter || !(f.power > 0.0) || !normal::is_whole(f.power)) return false;
        degree = std::max(degree, f.power);
      }
    }
    return std::fmod(degree, 2.0) == 1.0;
  }

  void peel() {
    for (bool again = true; again;) {
      again = false;
      for (Group& group : groups_) {
        if (group.free) continue;
        Set others = held_;
        for (const Group& other : groups_) {
          if (&other != &group && !other.free) others |= inside(other);
        }
        for (std::size_t p = 0; p < count_ && !group.free; ++p) {
          group.free = !(others >> p & 1) && onto(group, p);
        }
        again = again || group.free;
      }
    }
  }

  /// The number or sign that all terms with a parameter share becomes part of it.
  void rescale(Sum& sum, std::map<std::string, Expression>& meaning) {
    s_.order().sort(sum);
    for (NodeId id = 0, size = static_cast<NodeId>(g_.size()); id < size; ++id) {
      if (g_[id].op != Op::Parameter || (held_ >> g_[id].args[0] & 1) || meaning.contains(g_.name(id))) continue;
      std::vector<Term*> terms;
      bool linear = true;
      for (Term& term : sum) {
        const double power = normal::power_of(term, id);
        if (power != 0.0) terms.push_back(&term);
        linear = linear && (power == 0.0 || power == 1.0);
        for (const Factor& f : term.factors)
          linear = linear && (f.atom == id || !(inside(f.atom) >> g_[id].args[0] & 1));
      }
      if (!linear || terms.empty()) continue;
      double scale = std::abs(terms[0]->coefficient);
      for (const Term* t : terms) scale = std::min(scale, std::abs(t->coefficient));
      for (const Term* t : terms) {
        if (!normal::is_whole(t->coefficient / scale)) scale = 1.0;
      }
      if (terms[0]->coefficient < 0.0) scale = -scale;
      if (scale == 1.0) continue;
      for (Term* t : terms) t->coefficient /= scale;
      const Expression parameter = normal::in_reading_order(g_, id);
      meaning.emplace(g_.name(id), Expression::apply(Op::Mul, {Expression::constant(scale), parameter}));
    }
  }

  normal::Shortener& s_;
  Graph& g_;
  bool together_, joined_ = false;
  std::size_t count_;
  Set held_ = 0;
  std::vector<Group> groups_;
  std::vector<std::pair<Set, int>> seen_;
};

}  // namespace

std::optional<Reparametrised> free_coefficients(const Expression& expression) {
  if (expression.parameters().empty() || expression.graph().parameters().size() > kMostParameters) return std::nullopt;
  Graph graph;
  const NodeId root = graph.import(expression.graph(), expression.root());
  normal::Shortener shortener(graph, Prefer::Nodes);
  std::optional<Reparametrised> best;
  std::size_t fewest = expression.parameters().size();
  normal::Size least = normal::size(expression.graph(), expression.root());
  const auto consider = [&](Coefficients coefficients, bool must_gain) {
    auto found = coefficients.result();
    if (!found) return;
    const std::size_t parameters = found->expression.parameters().size();
    const normal::Size size = normal::size(found->expression.graph(), found->expression.root());
    if ((best || must_gain) && (parameters > fewest || (parameters == fewest && !better(size, least, Prefer::Nodes)))) {
      return;
    }
    best = std::move(found);
    fewest = parameters;
    least = size;
  };
  for (const bool together : {false, true}) {
    for (const auto view : {normal::Shortener::View::Factors, normal::Shortener::View::None}) {
      Coefficients coefficients(shortener, shortener.sum(root, view), together);
      if (!together || coefficients.joined()) consider(std::move(coefficients), together);
    }
  }
  return best;
}

}  // namespace fastsfes::family
