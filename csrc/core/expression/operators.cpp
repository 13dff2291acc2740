// The operator table. A new operator is a row here, an enumerator in operators.hpp and, when it is a primitive, a
// function in vmath.h and a line in kernels.inl; test_operators.py fails when one of them is missing.
#include "core/expression/operators.hpp"

namespace fastsfes {
namespace {

// PW92 (10.1103/PhysRevB.45.13244): G of Eq. 10 and the interpolation of Eq. 8 times the density; the leading
// constants come in two versions, "modified" (more digits) and as printed. r is r_s, q its root.
#define FASTSFES_PW92_G(A, A1, B1, B2, B3, B4) \
  "(-2*" A "*(1 + " A1 "*r)*log1p(1/(2*" A "*q*(" B1 " + q*(" B2 " + q*(" B3 " + q*" B4 "))))))"
#define FASTSFES_PW92_FERRO(A)                                                                                \
  "r = 0.6203504908994001/cbrt(a); q = sqrt(r);" FASTSFES_PW92_G(A, "0.20548", "14.1189", "6.1977", "3.3662", \
                                                                 "0.62517") "*a"
#define FASTSFES_PW92(A0, A1, A2, F20) \
  "n = a + b; z = (a - b)/n; r = 0.6203504908994001/cbrt(n); q = sqrt(r);"                                      \
  "e0 = " FASTSFES_PW92_G(A0, "0.21370", "7.5957", "3.5876", "1.6382", "0.49294") ";"                           \
  "e1 = " FASTSFES_PW92_G(A1, "0.20548", "14.1189", "6.1977", "3.3662", "0.62517") ";"                          \
  "ac = -" FASTSFES_PW92_G(A2, "0.11125", "10.357", "3.6231", "0.88026", "0.49671") ";"                         \
  "f = ((2*a/n)**(4/3) + (2*b/n)**(4/3) - 2)/0.5198420997897464; z4 = z**4;"                                    \
  "(e0 + f*(z4*(e1 - e0) + (1 - z4)*ac/" F20 "))*n"

constexpr OpInfo leaf(Op op, const char* name, const char* summary) {
  return {.op = op, .kind = OpKind::Leaf, .name = name, .domain = "all reals", .summary = summary};
}

// clang-format off
constexpr std::array<OpInfo, kOpCount> kTable{{
  leaf(Op::Constant, "constant", "a number"),
  leaf(Op::Parameter, "parameter", "a number that the fit may change"),
  leaf(Op::Feature, "feature", "a value per grid point"),

  {.op = Op::Add, .kind = OpKind::Primitive, .name = "+", .arity = 2,
   .differential = "da + db", .interactions = "", .sign = "ab", .dimension = "a = b", .cost = 0.2,
   .infix = "$a + $b", .infix_levels = "SSP",
   .cpp = "($a + $b)", .maple = "($a + $b)", .sympy = "($a + $b)",
   .latex = "$a + $b", .levels = "SSS",
   .mathml = "$a<mo>+</mo>$b",
   .domain = "all reals", .summary = "sum"},
  {.op = Op::Sub, .kind = OpKind::Primitive, .name = "-", .arity = 2,
   .differential = "da - db", .interactions = "", .sign = "", .dimension = "a = b", .cost = 0.2,
   .infix = "$a - $b", .infix_levels = "SSP",
   .cpp = "($a - $b)", .maple = "($a - $b)", .sympy = "($a - $b)",
   .latex = "$a - $b", .levels = "SSP",
   .mathml = "$a<mo>−</mo>$b",
   .domain = "all reals", .summary = "difference"},
  {.op = Op::Mul, .kind = OpKind::Primitive, .name = "*", .arity = 2,
   .differential = "da*b + a*db", .interactions = "ab", .sign = "ab|=", .dimension = "a + b", .cost = 0.2,
   .infix = "$a*$b", .infix_levels = "PPU",
   .cpp = "($a * $b)", .maple = "($a * $b)", .sympy = "($a*$b)",
   .latex = "$a\\,$b", .levels = "PPU",
   .mathml = "$a<mspace width=\"0.17em\"></mspace>$b",
   .domain = "all reals", .summary = "product"},
  {.op = Op::Div, .kind = OpKind::Primitive, .name = "/", .arity = 2,
   .differential = "(da - (a/b)*db)/b", .interactions = "abbb", .sign = "ab", .dimension = "a - b", .cost = 0.7,
   .infix = "$a/$b", .infix_levels = "PPU",
   .cpp = "($a / $b)", .maple = "($a / $b)", .sympy = "($a/$b)",
   .latex = "\\frac{$a}{$b}", .levels = "WSS", .label = "÷",
   .mathml = "<mfrac><mrow>$a</mrow><mrow>$b</mrow></mfrac>",
   .domain = "b != 0", .summary = "quotient"},
  {.op = Op::Neg, .kind = OpKind::Primitive, .name = "neg", .arity = 1,
   .differential = "-da", .interactions = "", .sign = "", .dimension = "a", .cost = 0.2,
   .infix = "-$a", .infix_levels = "UU",
   .cpp = "(-$a)", .maple = "(-$a)", .sympy = "(-$a)",
   .latex = "-$a", .levels = "UP",
   .mathml = "<mo>−</mo>$a",
   .domain = "all reals", .summary = "negation"},
  {.op = Op::Pow, .kind = OpKind::Primitive, .name = "**", .arity = 2,
   .differential = "b*a**(b - 1)*da + a**b*log(a)*db", .interactions = "aaabbb", .sign = "a", .dimension = "a*b", .cost = 5.0,
   .infix = "$a**$b", .infix_levels = "WAU",
   .cpp = "vm::pow($a, $b)", .maple = "($a)^($b)", .sympy = "_power($a, $b)",
   .latex = "{$a}^{$b}", .levels = "WAS", .label = "aᵇ",
   .mathml = "<msup><mrow>$a</mrow><mrow>$b</mrow></msup>",
   .domain = "a > 0, or b an integer", .summary = "power; integer and root exponents become products and roots"},
  {.op = Op::Fma, .kind = OpKind::Primitive, .name = "fma", .arity = 3,
   .differential = "da*b + a*db + dc", .interactions = "ab", .sign = "abc", .dimension = "a + b = c", .cost = 0.2,
   .cpp = "__builtin_fma($a, $b, $c)", .maple = "($a*$b + $c)", .sympy = "($a*$b + $c)",
   .latex = "$a\\,$b + $c", .levels = "SPUS",
   .mathml = "$a<mspace width=\"0.17em\"></mspace>$b<mo>+</mo>$c",
   .domain = "all reals", .summary = "a*b + c, rounded once"},
  {.op = Op::Fms, .kind = OpKind::Primitive, .name = "fms", .arity = 3,
   .differential = "da*b + a*db - dc", .interactions = "ab", .sign = "", .dimension = "a + b = c", .cost = 0.2,
   .cpp = "__builtin_fma($a, $b, -$c)", .maple = "($a*$b - $c)", .sympy = "($a*$b - $c)",
   .latex = "$a\\,$b - $c", .levels = "SPUP",
   .mathml = "$a<mspace width=\"0.17em\"></mspace>$b<mo>−</mo>$c",
   .domain = "all reals", .summary = "a*b - c, rounded once"},
  {.op = Op::Fnma, .kind = OpKind::Primitive, .name = "fnma", .arity = 3,
   .differential = "dc - da*b - a*db", .interactions = "ab", .sign = "", .dimension = "a + b = c", .cost = 0.2,
   .cpp = "__builtin_fma(-$a, $b, $c)", .maple = "($c - $a*$b)", .sympy = "($c - $a*$b)",
   .latex = "$c - $a\\,$b", .levels = "SPUS",
   .mathml = "$c<mo>−</mo>$a<mspace width=\"0.17em\"></mspace>$b",
   .domain = "all reals", .summary = "c - a*b, rounded once"},
  {.op = Op::Select, .kind = OpKind::Primitive, .name = "select", .arity = 3,
   .differential = "select(a, db, dc)", .interactions = "aaabac", .sign = "bc", .dimension = "b = c", .cost = 0.2,
   .cpp = "vm::select($a, $b, $c)", .maple = "my_piecewise3($a >= 0, $b, $c)", .sympy = "sympy.Piecewise(($b, $a >= 0), ($c, True))",
   .latex = "\\begin{cases}$b & $a \\geq 0\\\\ $c & \\text{otherwise}\\end{cases}", .levels = "SSSS", .label = "if ≥ 0",
   .mathml = "<mrow><mo>{</mo><mtable columnalign=\"left\"><mtr><mtd>$b</mtd><mtd>$a<mo>≥</mo><mn>0</mn></mtd></mtr><mtr><mtd>$c</mtd><mtd><mtext>otherwise</mtext></mtd></mtr></mtable></mrow>",
   .domain = "all reals", .summary = "b where a >= 0, c where a < 0, NaN where a is NaN; what is not taken does not matter, NaN included"},
  {.op = Op::Min, .kind = OpKind::Primitive, .name = "min", .arity = 2,
   .differential = "select(b - a, da, db)", .interactions = "aaabbb", .sign = "ab", .dimension = "a = b", .cost = 0.2,
   .cpp = "vm::min($a, $b)", .maple = "my_piecewise3($b - $a >= 0, $a, $b)", .sympy = "sympy.Min($a, $b)",
   .latex = "\\min($a, $b)", .levels = "WSS",
   .mathml = "<mi>min</mi><mrow><mo>(</mo>$a<mo>,</mo>$b<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "the smaller; NaN when one is"},
  {.op = Op::Max, .kind = OpKind::Primitive, .name = "max", .arity = 2,
   .differential = "select(a - b, da, db)", .interactions = "aaabbb", .sign = "a|b", .dimension = "a = b", .cost = 0.2,
   .cpp = "vm::max($a, $b)", .maple = "my_piecewise3($a - $b >= 0, $a, $b)", .sympy = "sympy.Max($a, $b)",
   .latex = "\\max($a, $b)", .levels = "WSS",
   .mathml = "<mi>max</mi><mrow><mo>(</mo>$a<mo>,</mo>$b<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "the larger; NaN when one is"},
  {.op = Op::Abs, .kind = OpKind::Primitive, .name = "abs", .arity = 1,
   .differential = "select(a, da, -da)", .interactions = "aa", .sign = "+", .dimension = "a", .cost = 0.2,
   .cpp = "vm::abs($a)", .maple = "my_piecewise3($a >= 0, $a, -($a))", .sympy = "sympy.Abs($a)",
   .latex = "\\left|$a\\right|", .levels = "AS", .label = "|·|",
   .mathml = "<mrow><mo>|</mo>$a<mo>|</mo></mrow>",
   .domain = "all reals", .summary = "absolute value"},
  {.op = Op::Sqrt, .kind = OpKind::Primitive, .name = "sqrt", .arity = 1,
   .differential = "0.5*da/sqrt(a)", .interactions = "aa", .sign = "+", .dimension = "a/2", .cost = 0.7,
   .cpp = "vm::sqrt($a)", .maple = "sqrt($a)", .sympy = "sympy.sqrt($a)",
   .latex = "\\sqrt{$a}", .levels = "AS", .label = "√",
   .mathml = "<msqrt>$a</msqrt>",
   .domain = "a >= 0", .summary = "square root"},
  {.op = Op::Cbrt, .kind = OpKind::Primitive, .name = "cbrt", .arity = 1,
   .differential = "da/(3*cbrt(a)**2)", .interactions = "aa", .sign = "a", .dimension = "a/3", .cost = 1.5,
   .cpp = "vm::cbrt($a)", .maple = "($a)^(1/3)", .sympy = "_cube_root($a)",
   .latex = "\\sqrt[3]{$a}", .levels = "AS", .label = "∛",
   .mathml = "<mroot><mrow>$a</mrow><mn>3</mn></mroot>",
   .domain = "all reals (libxc's Maple spelling: a >= 0)", .summary = "real cube root"},
  {.op = Op::Exp, .kind = OpKind::Primitive, .name = "exp", .arity = 1,
   .differential = "exp(a)*da", .interactions = "aa", .sign = "+", .dimension = "0", .cost = 1.5,
   .cpp = "vm::exp($a)", .maple = "exp($a)", .sympy = "sympy.exp($a)",
   .latex = "e^{$a}", .levels = "WS",
   .mathml = "<msup><mi>e</mi><mrow>$a</mrow></msup>",
   .domain = "all reals", .summary = "exponential"},
  {.op = Op::Expm1, .kind = OpKind::Primitive, .name = "expm1", .arity = 1,
   .differential = "exp(a)*da", .interactions = "aa", .sign = "a", .dimension = "0", .cost = 1.5,
   .cpp = "vm::expm1($a)", .maple = "(exp($a) - 1)", .sympy = "(sympy.exp($a) - 1)",
   .latex = "\\left(e^{$a} - 1\\right)", .levels = "AS", .label = "exp(·)−1",
   .mathml = "<mrow><mo>(</mo><msup><mi>e</mi><mrow>$a</mrow></msup><mo>−</mo><mn>1</mn><mo>)</mo></mrow>",
   .domain = "all reals", .summary = "exp(a) - 1, accurate near 0"},
  {.op = Op::Log, .kind = OpKind::Primitive, .name = "log", .arity = 1,
   .differential = "da/a", .interactions = "aa", .sign = "", .dimension = "0", .cost = 1.5,
   .cpp = "vm::log($a)", .maple = "log($a)", .sympy = "sympy.log($a)",
   .latex = "\\ln\\left($a\\right)", .levels = "WS", .label = "ln",
   .mathml = "<mi>ln</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "a > 0", .summary = "natural logarithm"},
  {.op = Op::Log1p, .kind = OpKind::Primitive, .name = "log1p", .arity = 1,
   .differential = "da/(1 + a)", .interactions = "aa", .sign = "a", .dimension = "0", .cost = 1.5,
   .cpp = "vm::log1p($a)", .maple = "log(1 + $a)", .sympy = "sympy.log(1 + $a)",
   .latex = "\\ln\\left(1 + $a\\right)", .levels = "WS", .label = "ln(1+·)",
   .mathml = "<mi>ln</mi><mrow><mo>(</mo><mn>1</mn><mo>+</mo>$a<mo>)</mo></mrow>",
   .domain = "a > -1", .summary = "log(1 + a), accurate near 0"},
  {.op = Op::Tanh, .kind = OpKind::Primitive, .name = "tanh", .arity = 1,
   .differential = "(1 - tanh(a)**2)*da", .interactions = "aa", .sign = "a", .dimension = "0", .cost = 2.0,
   .cpp = "vm::tanh($a)", .maple = "tanh($a)", .sympy = "sympy.tanh($a)",
   .latex = "\\tanh\\left($a\\right)", .levels = "WS",
   .mathml = "<mi>tanh</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "hyperbolic tangent"},
  {.op = Op::Erf, .kind = OpKind::Primitive, .name = "erf", .arity = 1,
   .differential = "1.1283791670955126*exp(-a**2)*da", .interactions = "aa", .sign = "a", .dimension = "0", .cost = 3.0,
   .cpp = "vm::erf($a)", .maple = "erf($a)", .sympy = "sympy.erf($a)",
   .latex = "\\operatorname{erf}\\left($a\\right)", .levels = "WS",
   .mathml = "<mi>erf</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "error function"},
  {.op = Op::Asinh, .kind = OpKind::Primitive, .name = "asinh", .arity = 1,
   .differential = "da/sqrt(1 + a**2)", .interactions = "aa", .sign = "a", .dimension = "0", .cost = 3.0,
   .cpp = "vm::asinh($a)", .maple = "arcsinh($a)", .sympy = "sympy.asinh($a)",
   .latex = "\\operatorname{arsinh}\\left($a\\right)", .levels = "WS",
   .mathml = "<mi>arsinh</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "inverse hyperbolic sine"},
  {.op = Op::Sin, .kind = OpKind::Primitive, .name = "sin", .arity = 1,
   .differential = "cos(a)*da", .interactions = "aa", .sign = "", .dimension = "0", .cost = 12.0,
   .cpp = "vm::sin($a)", .maple = "sin($a)", .sympy = "sympy.sin($a)",
   .latex = "\\sin\\left($a\\right)", .levels = "WS",
   .mathml = "<mi>sin</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "sine"},
  {.op = Op::Cos, .kind = OpKind::Primitive, .name = "cos", .arity = 1,
   .differential = "-sin(a)*da", .interactions = "aa", .sign = "", .dimension = "0", .cost = 12.0,
   .cpp = "vm::cos($a)", .maple = "cos($a)", .sympy = "sympy.cos($a)",
   .latex = "\\cos\\left($a\\right)", .levels = "WS",
   .mathml = "<mi>cos</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "cosine"},
  {.op = Op::Atan, .kind = OpKind::Primitive, .name = "atan", .arity = 1,
   .differential = "da/(1 + a**2)", .interactions = "aa", .sign = "a", .dimension = "0", .cost = 2.0,
   .cpp = "vm::atan($a)", .maple = "arctan($a)", .sympy = "sympy.atan($a)",
   .latex = "\\arctan\\left($a\\right)", .levels = "WS",
   .mathml = "<mi>arctan</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "inverse tangent"},
  {.op = Op::Sinh, .kind = OpKind::Primitive, .name = "sinh", .arity = 1,
   .differential = "cosh(a)*da", .interactions = "aa", .sign = "a", .dimension = "0", .cost = 2.0,
   .cpp = "vm::sinh($a)", .maple = "sinh($a)", .sympy = "sympy.sinh($a)",
   .latex = "\\sinh\\left($a\\right)", .levels = "WS",
   .mathml = "<mi>sinh</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "hyperbolic sine"},
  {.op = Op::Cosh, .kind = OpKind::Primitive, .name = "cosh", .arity = 1,
   .differential = "sinh(a)*da", .interactions = "aa", .sign = "+", .dimension = "0", .cost = 2.0,
   .cpp = "vm::cosh($a)", .maple = "cosh($a)", .sympy = "sympy.cosh($a)",
   .latex = "\\cosh\\left($a\\right)", .levels = "WS",
   .mathml = "<mi>cosh</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "hyperbolic cosine"},

  {.op = Op::U, .kind = OpKind::Defined, .name = "u", .arity = 2,
   .definition = "b*a/(1 + b*a)",
   .latex = "u\\left($a; $b\\right)", .levels = "ASS",
   .mathml = "<mi>u</mi><mrow><mo>(</mo>$a<mo>;</mo>$b<mo>)</mo></mrow>",
   .domain = "1 + a*b != 0", .summary = "u(x; g) = g x/(1 + g x), the finite-domain transform of B97 (10.1063/1.475007)"},
  {.op = Op::Logistic, .kind = OpKind::Defined, .name = "logistic", .arity = 1,
   .definition = "1/(1 + exp(-a))",
   .latex = "\\operatorname{logistic}\\left($a\\right)", .levels = "AS",
   .mathml = "<mi>logistic</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "all reals", .summary = "1/(1 + exp(-a))"},
  // s^2 = x2/(4 (6 pi^2)^(2/3)) with x2 of one spin
  {.op = Op::PbeX, .kind = OpKind::Defined, .name = "pbe_x", .arity = 3,
   .definition = "1 + b - b/(1 + c*0.016455307846020562*a/b)",
   .latex = "F_x^{\\mathrm{PBE}}\\left($a; $b, $c\\right)", .levels = "ASSS", .label = "PBE",
   .mathml = "<msubsup><mi>F</mi><mi>x</mi><mi>PBE</mi></msubsup><mrow><mo>(</mo>$a<mo>;</mo>$b<mo>,</mo>$c<mo>)</mo></mrow>",
   .domain = "a >= 0, b > 0, c >= 0", .summary = "pbe_x(x2, kappa, mu): PBE exchange enhancement factor (10.1103/PhysRevLett.77.3865, Eq. 14)"},
  {.op = Op::RpbeX, .kind = OpKind::Defined, .name = "rpbe_x", .arity = 3,
   .definition = "1 - b*expm1(-c*0.016455307846020562*a/b)",
   .latex = "F_x^{\\mathrm{RPBE}}\\left($a; $b, $c\\right)", .levels = "ASSS", .label = "RPBE",
   .mathml = "<msubsup><mi>F</mi><mi>x</mi><mi>RPBE</mi></msubsup><mrow><mo>(</mo>$a<mo>;</mo>$b<mo>,</mo>$c<mo>)</mo></mrow>",
   .domain = "a >= 0, b > 0", .summary = "rpbe_x(x2, kappa, mu): RPBE exchange enhancement factor (10.1103/PhysRevB.59.7413, Eq. 15)"},
  {.op = Op::B88X, .kind = OpKind::Defined, .name = "b88_x", .arity = 2,
   .definition = "y = sqrt(a); 1 + b*a/(0.9305257363491001*(1 + 6*b*y*asinh(y)))",
   .latex = "F_x^{\\mathrm{B88}}\\left($a; $b\\right)", .levels = "ASS", .label = "B88",
   .mathml = "<msubsup><mi>F</mi><mi>x</mi><mi>B88</mi></msubsup><mrow><mo>(</mo>$a<mo>;</mo>$b<mo>)</mo></mrow>",
   .domain = "a >= 0, b >= 0", .summary = "b88_x(x2, beta): Becke 1988 exchange enhancement factor (10.1103/PhysRevA.38.3098, Eq. 8)"},
  {.op = Op::LdaX, .kind = OpKind::Defined, .name = "lda_x", .arity = 1,
   .definition = "-0.9305257363491001*a**(4/3)",
   .latex = "e_x^{\\mathrm{LDA}}\\left($a\\right)", .levels = "AS",
   .mathml = "<msubsup><mi>e</mi><mi>x</mi><mi>LDA</mi></msubsup><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "a >= 0", .summary = "lda_x(rho_s): exchange energy density of one spin of the uniform gas (hartree/bohr^3)"},
  // The closed form loses all its digits for large a, hence the series; each branch sees an argument at which it is harmless.
  {.op = Op::ErfAttenuation, .kind = OpKind::Defined, .name = "erf_attenuation", .arity = 1,
   .definition = "b = 1/a; p = max(b, 0.5); m = min(b, 0.5); v = min(a, 2); q = v*v; r = m*m;"
   "select(b - 0.5, 1 - (2/3)*v*(3.5449077018110321*erf(p) - 3*v + q*v + (2*v - q*v)*exp(-p*p)), "
   "r*(1/9 - r*(1/60 - r*(1/420 - r*(1/3240 - r*(1/27720 - r*(1/262080 - r*(1/2721600 - "
   "r*(1/30844800 - r*(1/379209600 - r*(1/5029516800 - r*(1/71610739200 - r*(1/1089728640000 - "
   "r*(1/17653603968000 - r*(1/303380453376000))))))))))))))) ",
   .latex = "F\\left($a\\right)", .levels = "AS",
   .mathml = "<mi>F</mi><mrow><mo>(</mo>$a<mo>)</mo></mrow>",
   .domain = "a > 0", .summary = "erf_attenuation(a), a = omega/k_F: fraction of LDA exchange left by the short-range operator erfc(omega r)/r (10.1063/1.1383587)"},
  {.op = Op::Pw92Ferro, .kind = OpKind::Defined, .name = "pw92_ferro", .arity = 1,
   .definition = FASTSFES_PW92_FERRO("0.01554535"),
   .latex = "e_c^{\\mathrm{PW92}}\\left($a, 0\\right)", .levels = "AS",
   .mathml = "<msubsup><mi>e</mi><mi>c</mi><mi>PW92</mi></msubsup><mrow><mo>(</mo>$a<mo>,</mo><mn>0</mn><mo>)</mo></mrow>",
   .domain = "a > 0", .summary = "pw92_ferro(rho_s): PW92 correlation energy density of a fully polarised gas (10.1103/PhysRevB.45.13244, modified constants)"},
  {.op = Op::Pw92, .kind = OpKind::Defined, .name = "pw92", .arity = 2,
   .definition = FASTSFES_PW92("0.0310907", "0.01554535", "0.0168869", "1.7099209341613657"),
   .latex = "e_c^{\\mathrm{PW92}}\\left($a, $b\\right)", .levels = "ASS",
   .mathml = "<msubsup><mi>e</mi><mi>c</mi><mi>PW92</mi></msubsup><mrow><mo>(</mo>$a<mo>,</mo>$b<mo>)</mo></mrow>",
   .domain = "a, b >= 0, a + b > 0", .summary = "pw92(rho_a, rho_b): PW92 correlation energy density (10.1103/PhysRevB.45.13244, modified constants)"},
  {.op = Op::Pw92PaperFerro, .kind = OpKind::Defined, .name = "pw92_paper_ferro", .arity = 1,
   .definition = FASTSFES_PW92_FERRO("0.015545"),
   .latex = "e_c^{\\mathrm{PW92}}\\left($a, 0\\right)", .levels = "AS",
   .mathml = "<msubsup><mi>e</mi><mi>c</mi><mi>PW92</mi></msubsup><mrow><mo>(</mo>$a<mo>,</mo><mn>0</mn><mo>)</mo></mrow>",
   .domain = "a > 0", .summary = "pw92_paper_ferro(rho_s): pw92_ferro with the constants as printed in 1992"},
  {.op = Op::Pw92Paper, .kind = OpKind::Defined, .name = "pw92_paper", .arity = 2,
   .definition = FASTSFES_PW92("0.031091", "0.015545", "0.016887", "1.709921"),
   .latex = "e_c^{\\mathrm{PW92}}\\left($a, $b\\right)", .levels = "ASS",
   .mathml = "<msubsup><mi>e</mi><mi>c</mi><mi>PW92</mi></msubsup><mrow><mo>(</mo>$a<mo>,</mo>$b<mo>)</mo></mrow>",
   .domain = "a, b >= 0, a + b > 0", .summary = "pw92_paper(rho_a, rho_b): pw92 with the constants as printed in 1992"},
  {.op = Op::PbeC, .kind = OpKind::Defined, .name = "pbe_c", .arity = 4,
   .definition = "pbe_c_spin(0.5*a, 0.5*a, b, c, d)",
   .latex = "e_c^{\\mathrm{PBE}}\\left($a, $b; $c, $d\\right)", .levels = "ASSSS", .label = "PBE corr.",
   .mathml = "<msubsup><mi>e</mi><mi>c</mi><mi>PBE</mi></msubsup><mrow><mo>(</mo>$a<mo>,</mo>$b<mo>;</mo>$c<mo>,</mo>$d<mo>)</mo></mrow>",
   .domain = "a > 0, b >= 0", .summary = "pbe_c(rho, sigma, beta, gamma): PBE correlation energy density, unpolarised (10.1103/PhysRevLett.77.3865)"},
  // t^2 = sigma pi/(16 (3 pi^2)^(1/3) phi^2 rho^(7/3)); per volume, so the gradient term is multiplied by rho
  {.op = Op::PbeCSpin, .kind = OpKind::Defined, .name = "pbe_c_spin", .arity = 5,
   .definition = "n = a + b; lda = pw92(a, b); phi = 0.5*(cbrt(2*a/n)**2 + cbrt(2*b/n)**2); g = e*phi**3;"
   "t2 = 0.06346820609770369*c/(phi**2*n**2*cbrt(n)); y = (d/e)/expm1(-lda/(n*g))*t2;"
   "lda + n*g*log1p((d/e)*t2*(1 + y)/(1 + y + y*y))",
   .latex = "e_c^{\\mathrm{PBE}}\\left($a, $b, $c; $d, $e\\right)", .levels = "ASSSSS", .label = "PBE corr.",
   .mathml = "<msubsup><mi>e</mi><mi>c</mi><mi>PBE</mi></msubsup><mrow><mo>(</mo>$a<mo>,</mo>$b<mo>,</mo>$c<mo>;</mo>$d<mo>,</mo>$e<mo>)</mo></mrow>",
   .domain = "a, b >= 0, a + b > 0, c >= 0", .summary = "pbe_c_spin(rho_a, rho_b, sigma, beta, gamma): PBE correlation energy density (10.1103/PhysRevLett.77.3865)"},
}};
// clang-format on

constexpr bool table_is_in_order() {
  for (int i = 0; i < kOpCount; ++i) {
    if (kTable[static_cast<std::size_t>(i)].op != static_cast<Op>(i)) return false;
  }
  return true;
}
static_assert(table_is_in_order(), "the rows stand in the order of the enumerators");

}  // namespace

const OpInfo& op_info(Op op) noexcept { return kTable[static_cast<std::size_t>(op)]; }

std::span<const OpInfo> all_operators() noexcept { return kTable; }

std::optional<Op> find_function(std::string_view name) noexcept {
  for (const auto& row : kTable) {
    if (row.kind == OpKind::Leaf || !((row.name[0] >= 'a' && row.name[0] <= 'z'))) continue;
    if (name == row.name && row.op != Op::Neg) return row.op;
  }
  return std::nullopt;
}

}  // namespace fastsfes
