// libFuzzer harness of the selection of terms: small problems, their terms dependent more often than not.
//
//   nox -s fuzz_core            builds it with AddressSanitizer and UndefinedBehaviorSanitizer and runs it
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <numeric>
#include <vector>

#include "core/select/bound.hpp"
#include "core/select/conditioned.hpp"
#include "core/select/dependence.hpp"
#include "core/select/search.hpp"

namespace {

using namespace fastsfes;

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNumbers[] = {0.0, 1.0, -1.0, 2.0, 0.5, 1.0 / 3.0, -7.25, 1e-9, 1e-150, 1e150, -1e8, 3.0};

/// What a string of bytes decides, one after the other; zeros when there are no more.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  std::size_t below(std::size_t n) { return at_ == end_ ? 0 : *at_++ % n; }
  double number() { return kNumbers[below(std::size(kNumbers))]; }
  std::vector<double> numbers(std::size_t n) {
    std::vector<double> out(n);
    for (double& x : out) x = number();
    return out;
  }

 private:
  const std::uint8_t *at_, *end_;
};

select::Input input(Choices& choices) {
  select::Input in;
  in.terms = 1 + choices.below(8);
  in.rows = 1 + choices.below(12);
  in.matrix = choices.numbers(in.rows * in.terms);
  in.target = choices.numbers(in.rows);
  const std::size_t equalities = choices.below(3), inequalities = choices.below(4);
  in.equality_matrix = choices.numbers(equalities * in.terms);
  in.equality_value = choices.numbers(equalities);
  in.inequality_matrix = choices.numbers(inequalities * in.terms);
  in.inequality_bound = choices.numbers(inequalities);
  for (std::size_t k = 0; k < inequalities; ++k) in.inequality_weight.push_back(choices.below(2) ? kInfinite : 2.0);
  const bool limited = choices.below(2) != 0;
  in.limit.assign(in.terms, kInfinite);
  in.always.assign(in.terms, 0);
  in.never.assign(in.terms, 0);
  for (std::size_t j = 0; j < in.terms; ++j) {
    if (limited) in.limit[j] = 0.5 + static_cast<double>(choices.below(4));
    (choices.below(2) ? in.always : in.never)[j] = choices.below(8) == 1;
  }
  if (choices.below(2)) {
    in.parents.resize(in.terms);
    for (auto& of : in.parents) {
      if (choices.below(3) == 0) of.push_back(choices.below(in.terms));
    }
  }
  if (choices.below(3) == 1 && in.terms > 2) in.groups = {{choices.below(2), 2}};
  return in;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(data, size);
  const select::Problem problem(input(choices));
  for (std::size_t j = 0; j < problem.terms; ++j) {
    if (problem.always[j] && problem.never[j]) return 0;
  }
  std::vector<std::size_t> all(problem.terms);
  std::iota(all.begin(), all.end(), 0);
  const auto independent = select::independent(problem, all);
  const auto circuit = select::circuit(problem, all);
  if (independent.size() > all.size() || circuit.size() > all.size()) std::abort();
  select::Conditioned conditioned(problem);
  conditioned.solve(all, kInfinite);

  const auto never_stop = [] { return false; };
  const std::size_t most = problem.open().size(), least = std::max<std::size_t>(problem.forced(), 1);
  if (least > most) return 0;
  const std::size_t chosen = least + choices.below(most - least + 1);
  select::Plan plan;
  plan.size = chosen;
  plan.restarts = 2;
  plan.patience = 3;
  plan.threads = 1;
  double value = kInfinite;
  for (const auto& subset : select::search(problem, nullptr, plan, never_stop).subsets) {
    if (subset.terms.size() != chosen || !problem.allowed(subset.terms)) std::abort();
    value = std::min(value, subset.value);
  }
  const select::Bound bound = select::leaps_and_bounds(problem, chosen, value, 500, never_stop);
  if (!bound.terms.empty() && !problem.allowed(bound.terms)) std::abort();
  return 0;
}
