#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace fastsfes::select {

/// What a selection is given, in the caller's units; matrices by rows.
struct Input {
  std::size_t terms = 0, rows = 0;
  std::vector<double> matrix;  ///< rows x terms
  std::vector<double> target;  ///< rows
  std::vector<double> equality_matrix, equality_value;
  std::vector<double> inequality_matrix, inequality_bound;  ///< matrix c >= bound
  std::vector<double> inequality_weight;                    ///< of the squared violation; infinite where it must hold
  std::vector<double> limit;                                ///< |c| <= limit per term, infinite for none
  std::vector<std::uint8_t> always, never;
  std::vector<std::vector<std::size_t>> parents;  ///< terms that have to be chosen where this one is
  std::vector<std::vector<std::size_t>> groups;   ///< terms that are chosen together or not at all
};

/// Least squares over subsets of terms: min |y - X c|^2 over the chosen, with E c = e, A c >= a, |c| <= limit. A graded
/// inequality may be violated; the square of the violation times its weight then joins the sum.
///
/// Rows are rotated (QR) to as many as there are terms at most, columns scaled to unit norm; conditions are scaled to
/// unit norm in the scaled coefficients. Everything in here is in scaled coefficients.
class Problem {
 public:
  explicit Problem(const Input& input);

  std::size_t terms, stride;    ///< stride: terms, padded
  std::size_t length;           ///< of a rotated column, padded
  std::vector<double> columns;  ///< terms x length
  std::vector<double> target;   ///< length
  double rest;                  ///< what no term reaches: square of the target beyond the rotated rows
  double square;                ///< |y|^2
  std::vector<double> gram;     ///< terms x stride
  std::vector<double> rhs;      ///< stride
  std::vector<double> scale;    ///< coefficient = scaled coefficient * scale
  std::size_t equalities;
  std::vector<double> equality;  ///< equalities x stride
  std::vector<double> value;
  std::size_t inequalities, row_stride;
  std::vector<double> row;         ///< inequalities x stride
  std::vector<double> row_column;  ///< terms x row_stride
  std::vector<double> bound;       ///< row_stride; -infinity in the padding
  std::vector<double> weight;      ///< inequalities; infinite for those that must hold
  std::vector<double> limit;       ///< terms
  std::vector<std::uint8_t> always, never;
  std::vector<std::vector<std::size_t>> parents, children, groups;
  std::vector<std::size_t> group;  ///< of a term, kAlone where it has none
  static constexpr std::size_t kAlone = static_cast<std::size_t>(-1);
  bool conditional;    ///< inequalities or limits
  bool heredity;       ///< a term has parents
  std::size_t graded;  ///< inequalities that may be violated

  [[nodiscard]] std::size_t forced() const;  ///< how many terms are always chosen
  /// Terms that may be chosen, those that always are first.
  [[nodiscard]] std::vector<std::size_t> open() const;
  [[nodiscard]] bool allowed(const std::vector<std::size_t>& chosen) const;
};

/// Adds what is always and never chosen by heredity and groups: what a term needs is chosen with it, and where that is
/// never chosen, the term is not either.
void follow(const std::vector<std::vector<std::size_t>>& parents, const std::vector<std::vector<std::size_t>>& groups,
            std::vector<std::uint8_t>& always, std::vector<std::uint8_t>& never);

}  // namespace fastsfes::select
