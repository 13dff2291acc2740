#include "core/select/bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/select/conditioned.hpp"
#include "core/select/sweep.hpp"

namespace fastsfes::select {
namespace {

constexpr double kCarrier = 1e-10;  // of the inverse's diagonal: below it the equalities need the term
constexpr double kRounding = 1e-9;  // relative: what cancellation may add to a residual along a path

/// A set of terms, with the inverse Gram matrix and the coefficients of its terms.
struct Set {
  std::vector<std::size_t> terms;
  std::vector<double> inverse, coefficient;
  double value = 0.0;
};

Set without(const Set& set, std::size_t place) {
  const std::size_t n = set.terms.size();
  Set out;
  out.terms.reserve(n - 1);
  out.inverse.reserve((n - 1) * (n - 1));
  out.coefficient.reserve(n - 1);
  const double* gone = &set.inverse[place * n];
  const double factor = 1.0 / gone[place], c = set.coefficient[place];
  out.value = set.value + c * c * factor;
  for (std::size_t a = 0; a < n; ++a) {
    if (a == place) continue;
    out.terms.push_back(set.terms[a]);
    const double x = gone[a] * factor;
    out.coefficient.push_back(set.coefficient[a] - x * c);
    for (std::size_t b = 0; b < n; ++b) {
      if (b != place) out.inverse.push_back(set.inverse[a * n + b] - x * gone[b]);
    }
  }
  return out;
}

class Search {
 public:
  Search(const Problem& problem, std::size_t size, double value, std::size_t nodes, const std::function<bool()>& stop)
      : problem_(problem), size_(size), budget_(nodes), stop_(stop), conditioned_(problem) {
    found_.value = value;
    found_.lower = std::numeric_limits<double>::infinity();
  }

  /// Terms at the first `kept` places stay; no subset of the set has a residual below `least`.
  void visit(const Set& set, std::size_t kept, double least) {
    if (kept > size_) return;
    least = std::max(least, set.value);
    if (found_.nodes >= budget_ || (found_.nodes % 4096 == 4095 && stop_ && stop_())) {
      budget_ = 0;
      found_.lower = std::min(found_.lower, least);
      return;
    }
    ++found_.nodes;
    if (problem_.conditional) {
      const auto status = conditioned_.solve(set.terms, found_.value);
      if (status != Conditioned::Status::Optimal) return;
      least = std::max(least, conditioned_.value());
    }
    if (!(least < found_.value * (1.0 - kRounding))) return;
    const std::size_t n = set.terms.size();
    if (n == size_) {
      if (!problem_.allowed(set.terms)) return;
      found_.terms = set.terms;
      found_.value = problem_.conditional ? conditioned_.value() : set.value;
      return;
    }
    // The children that leave out a costly term first: they have the most subsets and the fewest chances.
    std::vector<std::pair<double, std::size_t>> order;
    for (std::size_t p = kept; p < n; ++p) {
      const double inverse = set.inverse[p * n + p], c = set.coefficient[p];
      order.push_back({inverse > kCarrier ? c * c / inverse : std::numeric_limits<double>::infinity(), p});
    }
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.first > b.first || (a.first == b.first && a.second < b.second);
    });
    std::vector<std::size_t> places(kept);
    std::iota(places.begin(), places.end(), std::size_t{0});
    for (const auto& [cost, place] : order) places.push_back(place);
    const Set sorted = arranged(set, places);
    // The cheapest first, so that good subsets are known early; the k-th keeps the k costlier ones.
    for (std::size_t k = order.size(); k-- > 0;) {
      if (kept + k > size_ || problem_.always[sorted.terms[kept + k]]) continue;
      if (!(set.value + order[k].first < found_.value * (1.0 - kRounding))) break;  // and so are the costlier ones
      visit(without(sorted, kept + k), kept + k, least);
    }
  }

  Bound finish() {
    found_.complete = budget_ > 0;
    found_.lower = found_.complete ? found_.value : std::min(found_.lower, found_.value);
    std::sort(found_.terms.begin(), found_.terms.end());
    return found_;
  }

 private:
  static Set arranged(const Set& set, const std::vector<std::size_t>& places) {
    const std::size_t n = places.size();
    Set out;
    out.value = set.value;
    out.inverse.resize(n * n);
    for (std::size_t a = 0; a < n; ++a) {
      out.terms.push_back(set.terms[places[a]]);
      out.coefficient.push_back(set.coefficient[places[a]]);
      for (std::size_t b = 0; b < n; ++b) out.inverse[a * n + b] = set.inverse[places[a] * n + places[b]];
    }
    return out;
  }

  const Problem& problem_;
  std::size_t size_, budget_;
  const std::function<bool()>& stop_;
  Conditioned conditioned_;
  Bound found_;
};

}  // namespace

Bound leaps_and_bounds(const Problem& problem, std::size_t size, double value, std::size_t nodes,
                       const std::function<bool()>& stop) {
  Set all;
  for (std::size_t j = 0; j < problem.terms; ++j) {
    if (!problem.never[j]) all.terms.push_back(j);
  }
  Sweep sweep(problem);
  if (!sweep.start(all.terms)) {
    // Terms that are not independent: all of them together bound the rest.
    Bound out;
    out.value = value;
    out.lower = problem.rest;
    return out;
  }
  all.inverse = sweep.inverse_of_chosen();
  all.coefficient = sweep.coefficients();
  all.value = sweep.residual();
  Search search(problem, size, value, nodes, stop);
  search.visit(all, 0, 0.0);
  return search.finish();
}

}  // namespace fastsfes::select
