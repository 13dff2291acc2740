#include "core/select/bound.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/select/conditioned.hpp"
#include "core/select/dependence.hpp"
#include "core/select/sweep.hpp"

namespace fastsfes::select {
namespace {

constexpr double kCarrier = 1e-10;  // of the inverse's diagonal: below it the equalities need the term
constexpr double kRounding = 1e-9;  // relative: what cancellation may add to a residual along a path
constexpr double kLargest = 1e9;    // of the inverse's diagonal, which multiplies rounding errors

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

  /// All subsets of some terms, of which the first `kept` stay. Where terms depend on each other, a subset without all
  /// of those lacks the first of them, or has it and lacks the second, and so on.
  void divide(const std::vector<std::size_t>& terms, std::size_t kept) {
    if (kept > size_ || terms.size() < size_) return;
    Sweep sweep(problem_);
    if (budget_ > 0 && sweep.start(terms)) {
      const Set set{terms, sweep.inverse_of_chosen(), sweep.coefficients(), sweep.residual()};
      double least = set.value;
      if (trusted(set)) {
        visit(set, kept, 0.0);
      } else if (raise(terms, least)) {
        give_up(least);
      }
      return;
    }
    std::vector<std::size_t> dependent;
    if (found_.nodes < budget_) {
      found_.nodes += terms.size();  // as many sets take that time
      dependent = circuit(problem_, terms);
    }
    if (dependent.empty()) {  // all terms together bound the rest
      give_up(problem_.rest);
      return;
    }
    std::vector<std::size_t> held(terms.begin(), terms.begin() + static_cast<std::ptrdiff_t>(kept));
    for (std::size_t gone : dependent) {
      if (std::count(held.begin(), held.end(), gone) > 0) continue;
      std::vector<std::size_t> left = held;
      for (std::size_t j : terms) {
        if (j != gone && std::count(held.begin(), held.end(), j) == 0) left.push_back(j);
      }
      divide(left, held.size());
      held.push_back(gone);
    }
  }

  Bound finish() {
    found_.complete = budget_ > 0 && !open_;
    found_.lower = found_.complete ? found_.value : std::min(found_.lower, found_.value);
    std::sort(found_.terms.begin(), found_.terms.end());
    return found_;
  }

 private:
  /// Terms at the first `kept` places stay; no subset of the set has a residual below `least`.
  void visit(const Set& set, std::size_t kept, double least) {
    if (kept > size_) return;
    least = std::max(least, set.value);
    if (found_.nodes >= budget_ || (found_.nodes % 4096 == 4095 && stop_ && stop_())) {
      give_up(least);
      return;
    }
    ++found_.nodes;
    if (!raise(set.terms, least)) return;
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
      if (kept + k > size_) continue;
      if (!(set.value + order[k].first < found_.value * (1.0 - kRounding))) break;  // and so are the costlier ones
      visit(without(sorted, kept + k), kept + k, least);
    }
  }

  /// Raises `least` to what the conditions leave of it; false where no subset of the terms is of use.
  bool raise(const std::vector<std::size_t>& terms, double& least) {
    if (problem_.conditional) {
      const auto status = conditioned_.solve(terms, found_.value);
      if (status == Conditioned::Status::Optimal) {
        least = std::max(least, conditioned_.value());
      } else if (status != Conditioned::Status::Undecided) {
        return false;
      } else if (terms.size() == size_) {
        open_ = true;
        found_.lower = std::min(found_.lower, least);
        return false;
      }
    }
    return least < found_.value * (1.0 - kRounding);
  }

  void give_up(double least) {
    budget_ = 0;
    found_.lower = std::min(found_.lower, least);
  }

  /// Whether the residuals of subsets, which follow from the inverse, have digits enough to be compared.
  static bool trusted(const Set& set) {
    const std::size_t n = set.terms.size();
    for (std::size_t a = 0; a < n; ++a) {
      if (set.inverse[a * n + a] > kLargest) return false;
    }
    return true;
  }

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
  bool open_ = false;  ///< a subset of this size was left undecided by rounding
  const std::function<bool()>& stop_;
  Conditioned conditioned_;
  Bound found_;
};

}  // namespace

Bound leaps_and_bounds(const Problem& problem, std::size_t size, double value, std::size_t nodes,
                       const std::function<bool()>& stop) {
  Search search(problem, size, value, nodes, stop);
  search.divide(problem.open(), problem.forced());
  return search.finish();
}

}  // namespace fastsfes::select
