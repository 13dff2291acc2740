#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/select/conditioned.hpp"
#include "core/select/problem.hpp"

namespace fastsfes::select {

/// What a subset is judged by where that is not its residual: errors of groups of rows.
enum class Judged {
  Cross,  ///< each group predicted by a fit without it: sum of the squared errors
  Worst   ///< one fit: the largest mean of squared errors of a group, times the group's factor
};

/// Groups of rows and the problems that are fitted for them.
class Criterion {
 public:
  static constexpr std::size_t kNoGroup = static_cast<std::size_t>(-1);

  /// `group`: of each row; rows of none are fitted always and judged never. `factor`: per group, for Worst.
  Criterion(const Input& input, Judged kind, const std::vector<std::size_t>& group, std::vector<double> factor);

 private:
  friend class Judge;
  struct Part {
    std::size_t rows, length;
    std::vector<double> columns, target;  ///< terms x length, unscaled
  };
  Judged kind_;
  std::vector<Part> parts_;
  std::vector<double> factor_;
  std::vector<std::unique_ptr<Problem>> problems_;  ///< fitted: one per group, or one for all
};

/// A criterion with the memory of one thread.
class Judge {
 public:
  explicit Judge(const Criterion& criterion);
  /// The criterion of a subset; infinite where a fit has no solution. May stop above `above`.
  double operator()(const std::vector<std::size_t>& chosen, double above);

 private:
  double error(std::size_t part, const Problem& problem, const std::vector<std::size_t>& chosen,
               const std::vector<double>& x);
  const Criterion& criterion_;
  std::vector<Conditioned> fits_;
  std::vector<double> left_;
};

}  // namespace fastsfes::select
