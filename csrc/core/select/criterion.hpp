#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/select/conditioned.hpp"
#include "core/select/problem.hpp"

namespace fastsfes::select {

/// What a subset is judged by where that is not its residual: the largest of some sums of squared errors.
///
/// A row has a bin, to whose sum its squared error goes, times the bin's factor, and may have a fold, which says that
/// the row is predicted by a fit without that fold. One bin and several folds are a cross-validation, several bins and
/// no folds the worst of some kinds of rows, and both together the worst of them in a cross-validation.
class Criterion {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  /// `fold`: of each row, kNone for those that every fit sees; `bin`: of each row, kNone for those that are not judged.
  Criterion(const Input& input, const std::vector<std::size_t>& fold, const std::vector<std::size_t>& bin,
            std::vector<double> factor);

 private:
  friend class Judge;
  struct Part {
    std::size_t bin, length;
    std::vector<double> columns, target;  ///< terms x length, unscaled
  };
  struct Fit {
    std::unique_ptr<Problem> problem;
    std::vector<Part> parts;  ///< rows that it predicts
  };
  std::vector<double> factor_;
  std::vector<Fit> fits_;
};

/// A criterion with the memory of one thread.
class Judge {
 public:
  explicit Judge(const Criterion& criterion);
  /// The criterion of a subset; infinite where a fit has no solution. May stop above `above`.
  double operator()(const std::vector<std::size_t>& chosen, double above);

 private:
  double error(const Criterion::Part& part, const Problem& problem, const std::vector<std::size_t>& chosen,
               const std::vector<double>& x);
  const Criterion& criterion_;
  std::vector<Conditioned> fits_;
  std::vector<double> left_, sum_;
};

}  // namespace fastsfes::select
