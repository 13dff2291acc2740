#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "core/select/problem.hpp"

namespace fastsfes::select {

/// An exchange of a chosen term (a place in chosen()) for another one, and how much it lowers the objective.
struct Exchange {
  std::size_t place = 0, term = 0;
  double decrease = -std::numeric_limits<double>::infinity();
};

/// The Gram matrix swept on the chosen terms, with the equalities as further rows and columns (the matrix of the
/// Karush-Kuhn-Tucker system): what every exchange needs to be scored in O(1).
///
/// Kept are the inverse P of the swept block, H = P K with K the block's rows of all terms, the diagonal T of the Schur
/// complement and the gradient r of the other terms. The first equalities() rows belong to the multipliers.
class Sweep {
 public:
  explicit Sweep(const Problem& problem);

  /// Makes room for so many chosen terms; what there was is lost where there was less.
  void reserve(std::size_t chosen);
  /// Computes everything anew; false where the terms have no unique solution.
  bool start(const std::vector<std::size_t>& chosen);
  /// Takes over the state of another sweep of the same problem.
  void take(const Sweep& other);
  /// Replaces the right-hand side of the terms (a Lagrangian of the inequalities), `stride` elements.
  void set_rhs(const std::vector<double>& rhs);

  [[nodiscard]] const std::vector<std::size_t>& chosen() const noexcept { return chosen_; }
  [[nodiscard]] bool has(std::size_t term) const noexcept { return place_[term] != kOut; }
  /// Residual sum of squares, rotated rows: from the residual itself, not from the Gram matrix.
  [[nodiscard]] double residual() const;
  /// Scaled coefficients in the order of chosen(), with steps of iterative refinement.
  [[nodiscard]] std::vector<double> coefficients(int steps = 2) const;

  /// The inverse Gram matrix of the chosen terms (on the equalities), in the order of chosen().
  [[nodiscard]] std::vector<double> inverse_of_chosen() const;

  /// The best of all exchanges that Problem allows.
  Exchange best();
  /// The decrease of the objective by every exchange, chosen().size() x stride; NaN where it is not allowed.
  void all(std::vector<double>& decrease);
  /// Carries an exchange out; false (and nothing is changed) where the new terms have no unique solution.
  bool exchange(std::size_t place, std::size_t term);
  /// Adds a term; false (and nothing is changed) where it depends on the chosen ones.
  bool add(std::size_t term);
  /// Square of the part of a term's unit column that the chosen ones do not give.
  [[nodiscard]] double independence(std::size_t term) const noexcept { return diagonal_[term]; }
  [[nodiscard]] bool removable(std::size_t place) const;
  [[nodiscard]] bool enterable(std::size_t term) const { return !closed_[term] && !has(term) && complete(term); }

  /// How many exchanges were scored so far.
  [[nodiscard]] double scored() const noexcept { return scored_; }

 private:
  static constexpr std::size_t kOut = static_cast<std::size_t>(-1);
  [[nodiscard]] std::size_t size() const noexcept { return problem_.equalities + chosen_.size(); }
  [[nodiscard]] std::size_t slot(std::size_t place) const noexcept { return problem_.equalities + place; }
  double* inverse(std::size_t k) noexcept { return inverse_.data() + k * capacity_; }
  double* row(std::size_t k) noexcept { return rows_.data() + k * problem_.stride; }
  /// A row of the block: an equality's coefficients, or a chosen term's products with all terms.
  [[nodiscard]] const double* block_row(std::size_t k) const noexcept;
  [[nodiscard]] bool complete(std::size_t term) const;
  void solve();
  void remove(std::size_t place);
  void open_gradient();
  void with_children(std::size_t place, bool closed);

  const Problem& problem_;
  std::size_t capacity_ = 0, moves_ = 0;
  std::vector<std::size_t> chosen_, place_;
  std::vector<double> inverse_, rows_, diagonal_, gradient_, rhs_, value_;
  std::vector<double> open_gradient_, fresh_;
  std::vector<char> closed_;  // terms that no exchange brings in
  std::vector<double> shut_;  // NaN for those and the chosen ones, 0 for the others
  std::vector<double> factor_, column_;
  double scored_ = 0.0;
};

}  // namespace fastsfes::select
