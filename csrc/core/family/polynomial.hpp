#pragma once

#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/expression/expression.hpp"

namespace fastsfes::family {

/// The expression has too many terms to be worth writing out.
class TooLong : public std::exception {};

/// Powers of features and other factors, each as its text, in the order of the texts; empty for the number 1.
using Monomial = std::vector<std::pair<std::string, int>>;

/// Terms in the order in which they appeared first; none has the coefficient 0.
using Polynomial = std::vector<std::pair<Monomial, double>>;

/// The expression as a polynomial of features and of what is no polynomial itself, written as text; parameters count as
/// numbers. Throws TooLong.
Polynomial polynomial(const Expression& expression, const std::map<std::string, double>& values);

}  // namespace fastsfes::family
