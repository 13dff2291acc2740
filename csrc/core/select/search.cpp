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

constexpr double kUnbounded = std::numeric_limits<double>::infinity();
constexpr double kBetter = 1e-10;      // relative: a smaller decrease is rounding
constexpr double kLeast = 1e-6;        // of an equality of unit norm: smaller elements are rounding
constexpr std::size_t kPlain = 200;    // without regard to the equalities
constexpr std::size_t kDraws = 2000;   // random subsets tried for a start
constexpr std::size_t kRounds = 4;     // of restarts from the best subsets, where the independent ones do not agree
constexpr std::size_t kFew = 4;        // of the independent restarts, as many as this part of them
constexpr double kIndependent = 1e-9;  // square of what of a unit column no other term of a start gives
constexpr std::size_t kTries = 100;    // random terms tried for one that may leave or come

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
        home_(problem),
        conditioned_(problem),
        best_(plan.keep) {
    sweep_.reserve(plan.size);
    if (criterion != nullptr) judge_.emplace(*criterion);
  }

  bool run(const std::vector<std::size_t>* from) {
    if (!start(from)) return false;
    descend();
    if (!stay()) return false;
    for (std::size_t idle = 0; idle < plan_.patience && !stopped_; ++idle) {
      kick();
      descend();
      if (value_ < home_value_ * (1.0 - kBetter) && stay()) {
        idle = 0;
      } else {
        back();
      }
    }
    return true;
  }

  Best& best() { return best_; }
  double scored() const { return sweep_.scored(); }
  double solved() const { return conditioned_.solved(); }

 private:
  /// Makes the present subset the one that is gone back to, its sweep computed anew: rounding errors of the exchanges
  /// that led to it, some through sets of nearly dependent terms, must not go with all
  /// that follow. False where it has no unique solution.
  bool stay() {
    const std::vector<std::size_t> reached = sweep_.chosen();
    if (!sweep_.start(reached)) return false;
    if (problem_.conditional) sweep_.set_rhs(multiplied_);
    home_.take(sweep_);
    home_value_ = value_;
    home_bounded_ = bounded_;
    return true;
  }
  void back() {
    sweep_.take(home_);
    value_ = home_value_;
    bounded_ = home_bounded_;
  }

  std::vector<std::size_t> draw(bool carried, std::size_t size) {
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
    for (std::size_t k = 0; carried && k < problem_.equalities && chosen.size() < size; ++k) {
      std::vector<std::size_t> carriers;
      for (std::size_t j : pool) {
        bool free = std::abs(problem_.equality[k * problem_.stride + j]) > kLeast;
        for (std::size_t p : problem_.parents[j]) free = free && in[p];
        if (free) carriers.push_back(j);
      }
      if (carriers.empty()) continue;
      const std::size_t j = carriers[random_.below(carriers.size())];
      pool.erase(std::find(pool.begin(), pool.end(), j));
      chosen.push_back(j);
      in[j] = 1;
    }
    fill(chosen, in, std::move(pool), size);
    return chosen;
  }

  /// The group of a term, or the term alone.
  std::vector<std::size_t> unit(std::size_t term) const {
    const std::size_t g = problem_.group[term];
    return g == Problem::kAlone ? std::vector<std::size_t>{term} : problem_.groups[g];
  }

  /// Adds random terms of a pool, groups as a whole, until the subset has its size.
  void fill(std::vector<std::size_t>& chosen, std::vector<char>& in, std::vector<std::size_t> pool, std::size_t size) {
    std::size_t idle = 0;
    while (chosen.size() < size && !pool.empty() && idle <= 8 * pool.size()) {
      const std::size_t at = random_.below(pool.size()), j = pool[at];
      pool.erase(pool.begin() + static_cast<std::ptrdiff_t>(at));
      const std::vector<std::size_t> fresh = unit(j);
      if (in[j] || chosen.size() + fresh.size() > size) continue;
      for (std::size_t k : fresh) in[k] = 1;
      bool complete = true, possible = false;
      for (std::size_t k : fresh) {
        for (std::size_t p : problem_.parents[k]) {
          complete = complete && in[p];
          possible = possible || std::count(pool.begin(), pool.end(), p) > 0;
        }
      }
      if (complete) {
        chosen.insert(chosen.end(), fresh.begin(), fresh.end());
        idle = 0;
        continue;
      }
      for (std::size_t k : fresh) in[k] = 0;
      if (possible) pool.push_back(j);  // comes back once its parents are in; they are drawn sooner or later
      ++idle;
    }
  }

  /// Exchanges a random group for other terms, or others for it; false where that is not possible.
  bool toggle() {
    const std::size_t g = random_.below(problem_.groups.size());
    const std::vector<std::size_t>& group = problem_.groups[g];
    if (problem_.always[group[0]] || problem_.never[group[0]]) return false;
    std::vector<std::size_t> chosen = sweep_.chosen();
    std::vector<char> in(problem_.terms, 0);
    for (std::size_t j : chosen) in[j] = 1;
    const auto leave = [&](std::size_t term) {
      for (std::size_t k : unit(term)) {
        in[k] = 0;
        chosen.erase(std::find(chosen.begin(), chosen.end(), k));
      }
    };
    if (in[group[0]]) {
      leave(group[0]);
    } else {
      for (std::size_t k : group) in[k] = 1;
      chosen.insert(chosen.end(), group.begin(), group.end());
      for (std::size_t tries = 0; chosen.size() > plan_.size && tries < kTries; ++tries) {
        const std::size_t j = chosen[random_.below(chosen.size())];
        if (problem_.always[j] || problem_.group[j] == g) continue;
        leave(j);
      }
    }
    std::vector<std::size_t> pool;
    for (std::size_t j = 0; j < problem_.terms; ++j) {
      if (!in[j] && !problem_.never[j] && problem_.group[j] != g) pool.push_back(j);
    }
    fill(chosen, in, std::move(pool), plan_.size);
    if (chosen.size() == plan_.size && problem_.allowed(chosen) && move_to(chosen)) return true;
    back();
    return false;
  }

  bool start(const std::vector<std::size_t>* from) {
    if (from != nullptr && from->size() == plan_.size && problem_.allowed(*from) && move_to(*from)) return true;
    for (std::size_t k = 0; k < kDraws && !stopped_; ++k) {
      if (k < kPlain) {
        const std::vector<std::size_t> chosen = draw(false, plan_.size);
        if (chosen.size() == plan_.size && move_to(chosen)) return true;
        continue;
      }
      // Large random subsets of similar terms are singular: a smaller one, and then terms that are independent of it.
      const std::size_t least = std::max<std::size_t>(1, problem_.forced());
      const std::vector<std::size_t> some = draw(true, least + random_.below(plan_.size - least + 1));
      if (move_to(some) && grow() && move_to(std::vector<std::size_t>(sweep_.chosen()))) return true;
    }
    return false;
  }

  bool grow() {
    std::vector<std::size_t> pool;
    while (sweep_.chosen().size() < plan_.size) {
      pool.clear();
      for (std::size_t j = 0; j < problem_.terms; ++j) {
        if (sweep_.enterable(j) && sweep_.independence(j) > kIndependent) pool.push_back(j);
      }
      if (pool.empty() || !sweep_.add(pool[random_.below(pool.size())])) return false;
    }
    return true;
  }

  /// Sweeps on a subset; false where it is singular or no coefficients meet the conditions.
  bool move_to(const std::vector<std::size_t>& chosen) {
    if (problem_.conditional && conditioned_.solve(chosen, kUnbounded) != Conditioned::Status::Optimal) return false;
    solved_ = chosen;
    if (!sweep_.start(chosen)) return false;
    arrive();
    return true;
  }

  void arrive() {
    value_ = problem_.conditional ? conditioned_.residual() : sweep_.residual();
    exact_ = true;
    if (problem_.conditional) relax();
    if (judge_) value_ = (*judge_)(sweep_.chosen(), kUnbounded);
    if (sweep_.chosen().size() == plan_.size) best_.see(sweep_.chosen(), value_);  // a start may begin with fewer
  }

  /// The objective of a subset; above `above` any larger number.
  double objective(const std::vector<std::size_t>& chosen, double above) {
    if (judge_) return (*judge_)(chosen, above);
    return conditioned_.solve(chosen, above) == Conditioned::Status::Optimal ? conditioned_.value() : kUnbounded;
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
      exact_ = false;
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
      if (conditioned_.solve(trial, kUnbounded) != Conditioned::Status::Optimal) return false;
      solved_ = trial;
    }
    if (!sweep_.exchange(place, term)) return false;
    if (problem_.conditional || judge_) {
      arrive();
    } else {
      exact_ = false;  // until the kick is over
    }
    return true;
  }

  void descend() {
    while (!stopped_ && step()) {
    }
    if (!exact_) arrive();
  }

  void kick() {
    if (!problem_.groups.empty() && random_.below(2) == 0 && toggle()) return;
    const std::size_t exchanges = 1 + random_.below(3);
    for (std::size_t k = 0; k < exchanges; ++k) {
      for (std::size_t tries = 0; tries < kTries; ++tries) {
        const std::size_t place = random_.below(plan_.size), term = random_.below(problem_.terms);
        if (!sweep_.removable(place) || !sweep_.enterable(term)) continue;
        std::vector<std::size_t> trial = sweep_.chosen();
        trial[place] = term;
        if (problem_.heredity && !problem_.allowed(trial)) continue;
        if (exchange_to(place, term, trial)) break;
      }
    }
    if (!exact_) arrive();
  }

  const Problem& problem_;
  const Plan& plan_;
  Random random_;
  const std::atomic<bool>& stopped_;
  Sweep sweep_, home_;
  Conditioned conditioned_;
  std::optional<Judge> judge_;
  Best best_;
  double value_ = kUnbounded, home_value_ = kUnbounded;
  bool exact_ = false;  // value_ is the residual of the subset itself, not a sum of decreases
  std::vector<double> multiplied_, bounded_, home_bounded_, decrease_;
  std::vector<std::size_t> solved_;
  std::vector<std::pair<double, std::size_t>> candidates_;
};

}  // namespace

Outcome search(const Problem& problem, const Criterion* criterion, const Plan& plan,
               const std::function<bool()>& stop) {
  Outcome out;
  const std::size_t few = std::max<std::size_t>(1, plan.restarts / kFew);
  Best best(std::max(plan.keep, few));
  std::atomic<bool> stopped{false}, failed{false};
  const Random streams = Random(plan.seed).stream(plan.size);
  // Some restarts at a time, in an order that does not depend on threads.
  const auto run = [&](std::size_t first, const std::vector<std::vector<std::size_t>>& starts, std::size_t count) {
    std::vector<std::vector<Subset>> found(count);
    std::vector<double> scored(count, 0.0), solved(count, 0.0);
    std::atomic<std::size_t> next{0};
    in_team(std::min(thread_count(plan.threads), static_cast<int>(count)), [&] {
      try {
        for (std::size_t k = next++; k < count && !stopped; k = next++) {
          Restart restart(problem, criterion, plan, streams.stream(first + k), stopped);
          restart.run(k < starts.size() ? &starts[k] : nullptr);
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
    for (std::size_t k = 0; k < count; ++k) {
      for (const Subset& s : found[k]) best.see(s.terms, s.value);
      out.scored += scored[k];
      out.solved += solved[k];
    }
    return found;
  };
  const auto independent = run(0, plan.starts, plan.restarts);
  const auto agreeing = [&] {
    std::size_t count = 0;
    for (const auto& found : independent) {
      if (!found.empty() && found.front().terms == best.subsets().front().terms) ++count;
    }
    return count;
  };
  for (std::size_t round = 0; round < kRounds && !stopped && !best.subsets().empty(); ++round) {
    if (2 * agreeing() >= plan.restarts) break;
    const double before = best.subsets().front().value;
    std::vector<std::vector<std::size_t>> elite;
    for (const Subset& s : best.subsets()) {
      if (elite.size() < few) elite.push_back(s.terms);
    }
    run(plan.restarts + round * few, elite, elite.size());
    if (round > 0 && !(best.subsets().front().value < before)) break;
  }
  for (const auto& found : independent) out.restarts += !found.empty();
  if (!best.subsets().empty()) out.agreeing = agreeing();
  out.subsets = std::move(best.subsets());
  if (out.subsets.size() > plan.keep) out.subsets.resize(plan.keep);
  return out;
}

}  // namespace fastsfes::select
