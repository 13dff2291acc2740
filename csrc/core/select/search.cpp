#include "core/select/search.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/base/random.hpp"
#include "core/base/team.hpp"
#include "core/fit/linalg.hpp"
#include "core/select/conditioned.hpp"
#include "core/select/sweep.hpp"

namespace fastsfes::select {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kBetter = 1e-10;     // relative: a smaller decrease is rounding
constexpr double kCarrier = 1e-6;     // of an equality of unit norm: smaller elements are rounding
constexpr std::size_t kPlain = 200;   // without regard to the equalities
constexpr std::size_t kDraws = 2000;  // random subsets tried for a start

/// The best subsets seen, each once.
class Best {
 public:
  explicit Best(std::size_t keep) : keep_(keep) {}
  bool wants(double value) const { return subsets_.size() < keep_ || value < subsets_.back().value; }
  void see(std::vector<std::size_t> terms, double value) {
    if (!wants(value)) return;
    std::sort(terms.begin(), terms.end());
    for (const Subset& s : subsets_) {
      if (s.terms == terms) return;
    }
    const Subset fresh{std::move(terms), value};
    const auto at = std::upper_bound(subsets_.begin(), subsets_.end(), fresh, [](const Subset& a, const Subset& b) {
      return a.value < b.value || (a.value == b.value && a.terms < b.terms);
    });
    subsets_.insert(at, fresh);
    if (subsets_.size() > keep_) subsets_.pop_back();
  }
  std::vector<Subset>& subsets() { return subsets_; }

 private:
  std::size_t keep_;
  std::vector<Subset> subsets_;
};

/// One restart.
class Restart {
 public:
  Restart(const Problem& problem, const Criterion* criterion, const Plan& plan, Random random,
          const std::atomic<bool>& stopped)
      : problem_(problem),
        plan_(plan),
        random_(random),
        stopped_(stopped),
        sweep_(problem),
        conditioned_(problem),
        best_(plan.keep) {
    if (criterion != nullptr) judge_.emplace(*criterion);
  }

  bool run(const std::vector<std::size_t>* from) {
    if (!start(from)) return false;
    descend();
    std::vector<std::size_t> home = sweep_.chosen();
    double least = value_;
    for (std::size_t idle = 0; idle < plan_.patience && !stopped_; ++idle) {
      kick();
      descend();
      if (value_ < least * (1.0 - kBetter)) {
        idle = 0;
      } else if (value_ > least) {
        move_to(home);
        continue;
      }
      least = value_;
      home = sweep_.chosen();
    }
    return true;
  }

  Best& best() { return best_; }
  double scored() const { return sweep_.scored(); }
  double solved() const { return conditioned_.solved(); }

 private:
  std::vector<std::size_t> draw(bool carried) {
    std::vector<std::size_t> chosen, pool;
    std::vector<char> in(problem_.terms, 0);
    for (std::size_t j = 0; j < problem_.terms; ++j) {
      if (problem_.always[j]) {
        chosen.push_back(j);
        in[j] = 1;
      } else if (!problem_.never[j]) {
        pool.push_back(j);
      }
    }
    // Where chance did not bring a solution, every equality gets a term that it holds of.
    for (std::size_t k = 0; carried && k < problem_.equalities && chosen.size() < plan_.size; ++k) {
      std::vector<std::size_t> carriers;
      for (std::size_t j : pool) {
        bool free = std::abs(problem_.equality[k * problem_.stride + j]) > kCarrier;
        for (std::size_t p : problem_.parents[j]) free = free && in[p];
        if (free) carriers.push_back(j);
      }
      if (carriers.empty()) continue;
      const std::size_t j = carriers[random_.below(carriers.size())];
      pool.erase(std::find(pool.begin(), pool.end(), j));
      chosen.push_back(j);
      in[j] = 1;
    }
    while (chosen.size() < plan_.size && !pool.empty()) {
      const std::size_t at = random_.below(pool.size()), j = pool[at];
      pool.erase(pool.begin() + static_cast<std::ptrdiff_t>(at));
      bool complete = true;
      for (std::size_t p : problem_.parents[j]) complete = complete && in[p];
      if (!complete) {
        // Comes back once its parents are in; they are drawn sooner or later.
        bool possible = false;
        for (std::size_t p : problem_.parents[j]) possible = possible || std::count(pool.begin(), pool.end(), p) > 0;
        if (possible) pool.push_back(j);
        continue;
      }
      chosen.push_back(j);
      in[j] = 1;
    }
    return chosen;
  }

  bool start(const std::vector<std::size_t>* from) {
    if (from != nullptr && from->size() == plan_.size && problem_.allowed(*from) && move_to(*from)) return true;
    for (std::size_t k = 0; k < kDraws && !stopped_; ++k) {
      const std::vector<std::size_t> chosen = draw(k >= kPlain);
      if (chosen.size() == plan_.size && move_to(chosen)) return true;
    }
    return false;
  }

  /// Sweeps on a subset; false where it is singular or no coefficients meet the conditions.
  bool move_to(const std::vector<std::size_t>& chosen) {
    if (problem_.conditional && conditioned_.solve(chosen, kInfinite) != Conditioned::Status::Optimal) return false;
    solved_ = chosen;
    if (!sweep_.start(chosen)) return false;
    arrive();
    return true;
  }

  void arrive() {
    value_ = problem_.conditional ? conditioned_.residual() : sweep_.residual();
    if (problem_.conditional) relax();
    if (judge_) value_ = (*judge_)(sweep_.chosen(), kInfinite);
    best_.see(sweep_.chosen(), value_);
  }

  /// The objective of a subset; above `above` any larger number.
  double objective(const std::vector<std::size_t>& chosen, double above) {
    if (judge_) return (*judge_)(chosen, above);
    return conditioned_.solve(chosen, above) == Conditioned::Status::Optimal ? conditioned_.value() : kInfinite;
  }

  /// The sweep of the Lagrangian of the conditions at the multipliers of this subset: the value of an exchange by it is
  /// a lower bound of that under the conditions.
  void relax() {
    multiplied_ = problem_.rhs;
    bounded_.assign(sweep_.chosen().size(), 0.0);
    for (const Conditioned::Active& a : conditioned_.active()) {
      if (a.condition < problem_.inequalities) {
        fit::linalg().axpy(a.multiplier, &problem_.row[a.condition * problem_.stride], multiplied_.data(),
                           problem_.stride);
      } else {
        const std::size_t place = a.condition - problem_.inequalities, term = solved_[place];
        multiplied_[term] += a.sign * a.multiplier;
        for (std::size_t p = 0; p < sweep_.chosen().size(); ++p) {
          if (sweep_.chosen()[p] == term) bounded_[p] += 2.0 * a.multiplier * problem_.limit[term];
        }
      }
    }
    sweep_.set_rhs(multiplied_);
  }

  bool step() {
    if (!problem_.conditional && !judge_) {
      const Exchange e = sweep_.best();
      if (!(e.decrease > kBetter * value_) || !sweep_.exchange(e.place, e.term)) return false;
      const double before = value_;
      value_ -= e.decrease;
      // From the residual itself where it counts: near a minimum of the search the differences lose their digits.
      if (best_.wants(value_) || !(value_ > 0.5 * before)) arrive();
      return value_ < before * (1.0 - 0.5 * kBetter);
    }
    sweep_.all(decrease_);
    candidates_.clear();
    const double enough = kBetter * value_;
    for (std::size_t p = 0; p < sweep_.chosen().size(); ++p) {
      const double* row = &decrease_[p * problem_.stride];
      for (std::size_t j = 0; j < problem_.terms; ++j) {
        const double d = problem_.conditional ? row[j] - bounded_[p] : row[j];
        if (judge_ ? d == d : d > enough) candidates_.push_back({d, p * problem_.stride + j});
      }
    }
    std::make_heap(candidates_.begin(), candidates_.end());
    double least = value_ - enough;
    std::size_t chosen_at = 0;
    bool found = false;
    std::vector<std::size_t> trial;
    for (std::size_t k = 0; k < plan_.screen && !candidates_.empty(); ++k) {
      std::pop_heap(candidates_.begin(), candidates_.end());
      const auto [d, at] = candidates_.back();
      candidates_.pop_back();
      if (!judge_ && value_ - d >= least) break;  // d is the most that the exchange can gain
      trial = sweep_.chosen();
      trial[at / problem_.stride] = at % problem_.stride;
      if (const double value = objective(trial, least); value < least) {
        least = value;
        chosen_at = at;
        found = true;
      }
    }
    if (!found) return false;
    trial = sweep_.chosen();
    trial[chosen_at / problem_.stride] = chosen_at % problem_.stride;
    return exchange_to(chosen_at / problem_.stride, chosen_at % problem_.stride, trial);
  }

  bool exchange_to(std::size_t place, std::size_t term, const std::vector<std::size_t>& trial) {
    if (problem_.conditional) {
      if (conditioned_.solve(trial, kInfinite) != Conditioned::Status::Optimal) return false;
      solved_ = trial;
    }
    if (!sweep_.exchange(place, term)) return false;
    if (problem_.conditional || judge_) {
      arrive();
    } else {
      value_ = kInfinite;  // until the kick is over
    }
    return true;
  }

  void descend() {
    while (!stopped_ && step()) {
    }
    if (!problem_.conditional && !judge_) arrive();
  }

  void kick() {
    const std::size_t exchanges = 1 + random_.below(3);
    for (std::size_t k = 0; k < exchanges; ++k) {
      for (std::size_t tries = 0; tries < 100; ++tries) {
        const std::size_t place = random_.below(plan_.size), term = random_.below(problem_.terms);
        if (!sweep_.removable(place) || !sweep_.enterable(term)) continue;
        std::vector<std::size_t> trial = sweep_.chosen();
        trial[place] = term;
        if (!problem_.parents.empty() && !problem_.allowed(trial)) continue;
        if (exchange_to(place, term, trial)) break;
      }
    }
    if (!std::isfinite(value_)) arrive();
  }

  const Problem& problem_;
  const Plan& plan_;
  Random random_;
  const std::atomic<bool>& stopped_;
  Sweep sweep_;
  Conditioned conditioned_;
  std::optional<Judge> judge_;
  Best best_;
  double value_ = kInfinite;
  std::vector<double> multiplied_, bounded_, decrease_;
  std::vector<std::size_t> solved_;
  std::vector<std::pair<double, std::size_t>> candidates_;
};

}  // namespace

Outcome search(const Problem& problem, const Criterion* criterion, const Plan& plan,
               const std::function<bool()>& stop) {
  std::vector<std::vector<Subset>> found(plan.restarts);
  std::vector<double> scored(plan.restarts, 0.0), solved(plan.restarts, 0.0);
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stopped{false};
  const int threads = std::min(thread_count(plan.threads), static_cast<int>(plan.restarts));
  std::atomic<bool> failed{false};
  in_team(threads, [&] {
    try {
      for (std::size_t k = next++; k < plan.restarts && !stopped; k = next++) {
        Restart restart(problem, criterion, plan, Random(plan.seed).stream(plan.size).stream(k), stopped);
        restart.run(k < plan.starts.size() ? &plan.starts[k] : nullptr);
        found[k] = std::move(restart.best().subsets());
        scored[k] = restart.scored();
        solved[k] = restart.solved();
        if (stop && stop()) stopped = true;
      }
    } catch (...) {
      failed = stopped = true;
    }
  });
  if (failed) throw std::bad_alloc();
  Outcome out;
  Best best(plan.keep);
  for (const auto& subsets : found) {
    for (const Subset& s : subsets) best.see(s.terms, s.value);
  }
  out.subsets = std::move(best.subsets());
  for (std::size_t k = 0; k < plan.restarts; ++k) {
    out.scored += scored[k];
    out.solved += solved[k];
    if (found[k].empty()) continue;
    ++out.restarts;
    if (found[k].front().terms == out.subsets.front().terms) ++out.agreeing;
  }
  return out;
}

}  // namespace fastsfes::select
