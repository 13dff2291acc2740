#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/expression/graph.hpp"

namespace fastsfes {

/// Shortest decimal text that reads back as the same double (at most 17 significant digits).
[[nodiscard]] std::string number_text(double value);

/// Canonical infix text: parse(print_infix(g, r)) gives the same tree, and prints the same text again.
/// Throws InputError when the text would be longer than a million characters (a graph that shares its parts heavily).
[[nodiscard]] std::string print_infix(const Graph& graph, NodeId root);

/// As people read it: parts that occur more than once are named where that is shorter, as in y1 = u(x2, g); y1 + y1**2.
/// parse() reads it back as the same graph.
[[nodiscard]] std::string print_named(const Graph& graph, NodeId root);

/// LaTeX; names of features and parameters are typeset (x2 as x^2, c10 as c_{10}, gamma as \gamma).
[[nodiscard]] std::string print_latex(const Graph& graph, NodeId root);

/// MathML, the terms of a sum one by one, each with its sign in front of it. Throws InputError when it nests too
/// deeply.
[[nodiscard]] std::vector<std::string> print_mathml(const Graph& graph, NodeId root);

/// A feature's or parameter's name in plain print: x2 as x², c10 as c₁₀, g as γ.
[[nodiscard]] std::string print_symbol(const std::string& name);

enum class Spelling { Cpp, Maple };

/// The spelling of the operator table, fully parenthesised; `leaf` writes features, parameters and constants.
/// Defined operators must have been expanded.
[[nodiscard]] std::string print_spelling(const Graph& graph, NodeId root, Spelling spelling,
                                         const std::function<std::string(NodeId)>& leaf);

}  // namespace fastsfes
