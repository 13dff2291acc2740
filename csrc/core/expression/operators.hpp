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
  Sin,
  Cos,
  Atan,
  Sinh,
  Cosh,
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
/// their differentials da, db, ... In spellings (`infix`, `cpp`, ...) $a, $b, ... stand for the arguments. Levels say
/// where a spelling needs parentheses: a letter for itself and one for what each argument must at least be, of S (sum),
/// P (product), U (sign), W (power) and A (needs none). What does not apply to an operator is null.
struct OpInfo {
  Op op;
  OpKind kind;
  const char* name;  ///< as called in infix text (for + - * / ** the symbol)
  int arity = 0;
  const char* definition = nullptr;    ///< defined operators: their formula
  const char* differential = nullptr;  ///< primitives: the total differential
  const char* interactions = "";       ///< primitives: pairs of arguments with a second derivative, "ab" for d2/(da db)
  /// Primitives: when the value is not negative: "+" always, "ab" where a and b are not, "=" where all arguments are
  /// the same; alternatives between bars.
  const char* sign = nullptr;
  /// Primitives: the dimension by those of the arguments, "a + b" for a product; what stands on both sides of = must
  /// agree; "0": arguments and value are pure numbers; "a*b": a times the number b.
  const char* dimension = nullptr;
  double cost = 0.0;  ///< primitives: nanoseconds per value in the interpreter with 512-bit kernels (fastsfes-bench)
  const char* infix = nullptr;         ///< operators that are no functions: as written in infix text
  const char* infix_levels = nullptr;  ///< its levels
  const char* cpp = nullptr;           ///< primitives: C++ over fastsfes::vm
  const char* maple = nullptr;         ///< primitives: libxc's Maple
  const char* sympy = nullptr;         ///< primitives: Python over SymPy and the helpers of formula/symbolic.py
  const char* latex = nullptr;         ///< LaTeX
  const char* levels = nullptr;        ///< levels of what is typeset, LaTeX and MathML
  const char* label = nullptr;         ///< in drawings, where that is not the name
  const char* mathml = nullptr;        ///< MathML
  const char* domain = nullptr;        ///< where it is defined on the reals
  const char* summary = nullptr;       ///< one line of documentation, with the source
};

[[nodiscard]] const OpInfo& op_info(Op op) noexcept;
std::span<const OpInfo> all_operators() noexcept;

/// The operator that is called as name(...); none for leaves and infix symbols.
[[nodiscard]] std::optional<Op> find_function(std::string_view name) noexcept;

}  // namespace fastsfes
