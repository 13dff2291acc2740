#include "core/expression/normal/sum.hpp"

#include <algorithm>
#include <cmath>

namespace fastsfes::normal {

Sum number(double value) {
  if (value == 0.0) return {};
  return {Term{{}, value}};
}

bool is_number(const Sum& sum) { return sum.empty() || (sum.size() == 1 && sum[0].factors.empty()); }

void add(Sum& total, const Term& term, double scale) {
  for (std::size_t k = 0; k < total.size(); ++k) {
    if (total[k].factors != term.factors) continue;
    total[k].coefficient += scale * term.coefficient;
    if (total[k].coefficient == 0.0) total.erase(total.begin() + static_cast<std::ptrdiff_t>(k));
    return;
  }
  if (scale * term.coefficient != 0.0) total.push_back({term.factors, scale * term.coefficient});
}

double multiple(const Sum& sum, const Sum& of) {
  if (sum.size() != of.size()) return 0.0;
  double ratio = 0.0;
  for (const Term& term : sum) {
    const auto same = std::find_if(of.begin(), of.end(), [&](const Term& t) { return t.factors == term.factors; });
    if (same == of.end()) return 0.0;
    const double now = term.coefficient / same->coefficient;
    if (now * same->coefficient != term.coefficient || (ratio != 0.0 && now != ratio)) return 0.0;
    ratio = now;
  }
  return ratio;
}

namespace {

/// The factors of one term times those of another to the power 1 or -1.
Factors merged(const Factors& a, const Factors& b, double sign) {
  Factors found;
  const Factor *i = a.begin(), *j = b.begin(), *const i_end = a.end(), *const j_end = b.end();
  while (i != i_end || j != j_end) {
    if (j == j_end || (i != i_end && i->atom < j->atom)) {
      found.push_back(*i++);
    } else if (i == i_end || j->atom < i->atom) {
      found.push_back({j->atom, sign * j->power});
      ++j;
    } else {
      const double power = i->power + sign * j->power;
      if (power != 0.0) found.push_back({i->atom, power});
      ++i, ++j;
    }
  }
  return found;
}

}  // namespace

Term product(const Term& a, const Term& b) {
  return {merged(a.factors, b.factors, 1.0), a.coefficient * b.coefficient};
}

Term quotient(const Term& from, const Term& by) {
  return {merged(from.factors, by.factors, -1.0), from.coefficient / by.coefficient};
}

Term power(const Term& term, double exponent) {
  Term found{term.factors, std::pow(term.coefficient, exponent)};
  for (Factor& factor : found.factors) factor.power *= exponent;
  return found;
}

Sum product(const Sum& a, const Sum& b) {
  Sum total;
  for (const Term& x : a) {
    for (const Term& y : b) add(total, product(x, y));
  }
  return total;
}

double power_of(const Term& term, NodeId atom) {
  for (const Factor& factor : term.factors) {
    if (factor.atom == atom) return factor.power;
  }
  return 0.0;
}

bool is_whole(double value) { return value == std::trunc(value); }

bool is_one(const Term& term) { return term.factors.empty() && std::abs(term.coefficient) == 1.0; }

}  // namespace fastsfes::normal
