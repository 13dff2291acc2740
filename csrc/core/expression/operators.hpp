#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace fastsfes {

/// Every kind of node an expression can hold. The order is that of the table in operators.cpp.
enum class Op : std::uint8_t {
  // leaves
  Constant,
  Parameter,
  Feature,
  // primitives: a kernel each
  Add,
  Sub,
  Mul,
  Div,
  Neg,
  Pow,
  Fma,
  Fms,
  Fnma,
  Select,
  Min,
  Max,
  Abs,
  Sqrt,
  Cbrt,
  Exp,
  Expm1,
  Log,
  Log1p,
  Tanh,
  Erf,
  Asinh,
  // defined operators: a formula over the others, expanded before anything is computed
  U,
  Logistic,
  PbeX,
  RpbeX,
  B88X,
  LdaX,
  ErfAttenuation,
  Pw92Ferro,
  Pw92,
  Pw92PaperFerro,
  Pw92Paper,
  PbeC,
  PbeCSpin,
};

inline constexpr int kOpCount = static_cast<int>(Op::PbeCSpin) + 1;
inline constexpr int kMaxArity = 5;

enum class OpKind : std::uint8_t { Leaf, Primitive, Defined };

/// One row of the operator table: all that the program knows about an operator.
///
/// Formulas (`definition`, `differential`) are in fastsfes' own infix syntax over the arguments a, b, c, d, e and
/// their differentials da, db, ... In spellings (`cpp`, `maple`, `latex`) $a, $b, ... stand for the arguments.
struct OpInfo {
  Op op;
  OpKind kind;
  const char* name;  ///< as written in infix text (for + - * / ** and unary minus: the symbol)
  int arity;
  const char* definition;    ///< defined operators: their formula
  const char* differential;  ///< primitives: the total differential
  const char* cpp;           ///< primitives: C++ spelling over fastsfes::vm
  const char* maple;         ///< libxc (Maple) spelling
  const char* latex;         ///< LaTeX spelling
  const char* domain;        ///< where it is defined on the reals
  const char* summary;       ///< one line of documentation, with the source
};

const OpInfo& op_info(Op op) noexcept;
std::span<const OpInfo> all_operators() noexcept;

/// The operator that is called as name(...); none for leaves and infix symbols.
std::optional<Op> find_function(std::string_view name) noexcept;

/// The names that are features everywhere; every other identifier in an expression is a parameter.
std::span<const std::string_view> feature_names() noexcept;
bool is_feature_name(std::string_view name) noexcept;
/// True when the feature cannot be negative (densities, gradients squared, kinetic energy densities).
bool is_nonnegative_feature(std::string_view name) noexcept;

}  // namespace fastsfes
