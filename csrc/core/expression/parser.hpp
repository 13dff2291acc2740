#pragma once

#include <string_view>

#include "core/expression/graph.hpp"

namespace fastsfes {

/// Reads one expression in infix syntax into `graph` and returns its root.
///
///     program  := { name "=" sum ";" } sum [ ";" ]
///     sum      := product { ("+" | "-") product }
///     product  := unary { ("*" | "/") unary }
///     unary    := ("-" | "+") unary | power
///     power    := atom [ "**" unary ]
///     atom     := number | name | name "(" sum { "," sum } ")" | "(" sum ")"
///
/// The grammar is closed: a name followed by "(" must be an operator of the table; a feature name is a feature; an
/// assigned name is its expression; every other name is a parameter. Nothing is evaluated. Nothing is simplified,
/// except that a minus directly before a number belongs to the number.
/// Throws InputError with the position and the token, what was expected and what to do.
[[nodiscard]] NodeId parse(Graph& graph, std::string_view text);

}  // namespace fastsfes
