#include "core/family/tidy.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "core/family/polynomial.hpp"
#include "core/family/recognise.hpp"

namespace fastsfes::family {
namespace {

using Values = std::map<std::string, double>;

constexpr std::size_t kMoreParameters = 2;
constexpr double kLargestInteger = 9.0;

Tidied renamed(const Expression& expression, const Values& values) {
  const std::vector<std::string> linear = linear_parameters(expression);
  std::unordered_map<std::string, Expression> names;
  Tidied result{expression, {}};
  for (const bool wanted : {true, false}) {
    std::size_t number = 0;
    for (const std::string& p : expression.parameters()) {
      if ((std::find(linear.begin(), linear.end(), p) != linear.end()) != wanted) continue;
      const std::string name = (wanted ? "c" : "g") + std::to_string(number++);
      names.emplace(p, Expression::parse(name));
      result.values[name] = values.at(p);
    }
  }
  result.expression = expression.substitute(names);
  return result;
}

int degree(const Monomial& monomial) {
  int total = 0;
  for (const auto& [text, power] : monomial) total += power;
  return total;
}

/// A monomial as an expression, its parameters under new names; nothing for the number 1.
std::optional<Expression> written(const Monomial& monomial, const std::map<std::string, std::string>& names,
                                  const Values& values, Values& found) {
  std::optional<Expression> term;
  for (const auto& [text, power] : monomial) {
    Expression factor = Expression::parse(text);
    std::unordered_map<std::string, Expression> inner;
    for (const std::string& p : factor.parameters()) {
      inner.emplace(p, Expression::parse(names.at(p)));
      found[names.at(p)] = values.at(p);
    }
    factor = factor.substitute(inner);
    if (power != 1) factor = Expression::apply(Op::Pow, {factor, Expression::constant(power)});
    term = term ? Expression::apply(Op::Mul, {*term, factor}) : factor;
  }
  return term;
}

Tidied written_out(const Expression& expression, const Values& values) {
  Polynomial terms = polynomial(expression, values);
  // a coefficient that does not move with the parameters belongs to the form
  Values other;
  for (const auto& [name, value] : values) other[name] = 1.37 * value + 0.11;
  const Polynomial moved = polynomial(expression, other);
  std::map<std::string, std::string> names;
  for (const std::string& p : expression.parameters()) names.emplace(p, "inner_" + std::to_string(names.size()));
  std::sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) {
    return std::pair(degree(a.first), a.first) < std::pair(degree(b.first), b.first);
  });
  std::optional<Expression> result;
  Values found;
  for (std::size_t number = 0; number < terms.size(); ++number) {
    const auto& [monomial, coefficient] = terms[number];
    std::optional<Expression> term = written(monomial, names, values, found);
    bool negative = false;
    const double size = std::abs(coefficient);
    if (coefficient == std::trunc(coefficient) && size <= kLargestInteger &&
        std::find(moved.begin(), moved.end(), terms[number]) != moved.end()) {
      negative = coefficient < 0.0;
      const Expression weight = Expression::constant(size);
      if (!term) {
        term = weight;
      } else if (size != 1.0) {
        term = Expression::apply(Op::Mul, {weight, *term});
      }
    } else {
      const std::string name = "outer_" + std::to_string(number);
      found[name] = coefficient;
      const Expression weight = Expression::parse(name);
      term = term ? Expression::apply(Op::Mul, {weight, *term}) : weight;
    }
    if (result) {
      result = Expression::apply(negative ? Op::Sub : Op::Add, {*result, *term});
    } else {
      result = negative ? Expression::apply(Op::Neg, {*term}) : *term;
    }
  }
  if (!result) return {Expression::constant(0.0), {}};
  Tidied done{result->simplify(), {}};
  for (const std::string& p : done.expression.parameters()) done.values[p] = found.at(p);
  return done;
}

}  // namespace

Tidied tidy(const Expression& expression, const Values& values) {
  try {
    const Tidied written = written_out(expression, values);
    const std::size_t before = expression.parameters().size(), after = written.expression.parameters().size();
    if (after <= before ||
        (after <= before + kMoreParameters && written.expression.complexity() < expression.complexity())) {
      return renamed(written.expression, written.values);
    }
  } catch (const TooLong&) {
    // stays as it is
  }
  return renamed(expression, values);
}

std::vector<std::string> tidied_nodes(const Expression& expression) {
  // any values do, as long as no coefficient vanishes by accident
  Values values;
  std::size_t number = 0;
  for (const std::string& p : expression.parameters()) {
    values[p] = 0.6180339887498949 + 0.4142135623730951 * static_cast<double>(number++);
  }
  const Expression tidied = tidy(expression, values).expression;
  std::vector<std::string> names;
  for (NodeId id = 0; id < tidied.graph().size(); ++id) names.emplace_back(op_info(tidied.graph()[id].op).name);
  return names;
}

}  // namespace fastsfes::family
