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

Term product(const Term& a, const Term& b) {
  Term found{{}, a.coefficient * b.coefficient};
  auto i = a.factors.begin(), j = b.factors.begin();
  while (i != a.factors.end() || j != b.factors.end()) {
    if (j == b.factors.end() || (i != a.factors.end() && i->atom < j->atom)) {
      found.factors.push_back(*i++);
    } else if (i == a.factors.end() || j->atom < i->atom) {
      found.factors.push_back(*j++);
    } else {
      if (i->power + j->power != 0.0) found.factors.push_back({i->atom, i->power + j->power});
      ++i, ++j;
    }
  }
  return found;
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

Term quotient(const Term& from, const Term& by) { return product(from, power(by, -1.0)); }

double power_of(const Term& term, NodeId atom) {
  for (const Factor& factor : term.factors) {
    if (factor.atom == atom) return factor.power;
  }
  return 0.0;
}

bool is_whole(double value) { return value == std::trunc(value); }

bool is_one(const Term& term) { return term.factors.empty() && std::abs(term.coefficient) == 1.0; }

}  // namespace fastsfes::normal
