#pragma once

#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes::normal {

/// A power of a node that is no sum, product or power of others: a feature, a parameter, a function, or a sum that is
/// kept as it is.
struct Factor {
  NodeId atom = 0;
  double power = 0.0;
  bool operator==(const Factor&) const = default;
};

/// A few factors, kept in place: formulas are made of millions of terms, nearly all of them short.
class Factors {
 public:
  Factors() = default;
  Factors(std::initializer_list<Factor> list) {
    for (const Factor& f : list) push_back(f);
  }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void push_back(const Factor& f) {
    if (size_ < kInPlace) {
      first_[size_] = f;
    } else {
      if (size_ == kInPlace) more_.assign(first_.begin(), first_.end());
      more_.push_back(f);
    }
    ++size_;
  }
  Factor* begin() { return size_ <= kInPlace ? first_.data() : more_.data(); }
  Factor* end() { return begin() + size_; }
  const Factor* begin() const { return size_ <= kInPlace ? first_.data() : more_.data(); }
  const Factor* end() const { return begin() + size_; }
  const Factor& operator[](std::size_t k) const { return begin()[k]; }
  bool operator==(const Factors& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

 private:
  static constexpr std::size_t kInPlace = 4;
  std::size_t size_ = 0;
  std::array<Factor, kInPlace> first_;
  std::vector<Factor> more_;  ///< all of them, where they are too many
};

/// A number times powers of atoms; the atoms ascend.
struct Term {
  Factors factors;
  double coefficient = 1.0;
  bool operator==(const Term&) const = default;
};

/// Terms with different factors and coefficients other than 0; no term is the number 0.
using Sum = std::vector<Term>;

[[nodiscard]] Sum number(double value);
[[nodiscard]] bool is_number(const Sum& sum);

/// total += scale * term
void add(Sum& total, const Term& term, double scale = 1.0);

[[nodiscard]] Term product(const Term& a, const Term& b);
/// The term to a power that keeps it one term: an integer.
[[nodiscard]] Term power(const Term& term, double exponent);
/// The number that times one sum is another, exactly; 0 where there is none.
[[nodiscard]] double multiple(const Sum& sum, const Sum& of);
/// Every term with every other.
[[nodiscard]] Sum product(const Sum& a, const Sum& b);
/// `from` without the factors of `by`.
[[nodiscard]] Term quotient(const Term& from, const Term& by);

/// The power of an atom in a term; 0 when it does not occur.
[[nodiscard]] double power_of(const Term& term, NodeId atom);

[[nodiscard]] bool is_whole(double value);
/// Whether a term is the number 1, or -1.
[[nodiscard]] bool is_one(const Term& term);

}  // namespace fastsfes::normal
