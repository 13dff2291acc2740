// The operator table. A new operator is a row here, an enumerator in operators.hpp and, when it is a primitive, a
// function in vmath.h and a line in kernels.inl; test_operators.py fails when one of them is missing.
#include "core/expression/operators.hpp"

#include <algorithm>

namespace fastsfes {
namespace {

constexpr const char* kNone = nullptr;

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
  return {op, OpKind::Leaf, name, 0, kNone, kNone, kNone, kNone, kNone, "all reals", summary};
}

// clang-format off
constexpr std::array<OpInfo, kOpCount> kTable{{
  leaf(Op::Constant, "constant", "a number"),
  leaf(Op::Parameter, "parameter", "a number that the fit may change"),
  leaf(Op::Feature, "feature", "a value per grid point"),

  {Op::Add, OpKind::Primitive, "+", 2, kNone, "da + db",
   "($a + $b)", "($a + $b)", "$a + $b", "all reals", "sum"},
  {Op::Sub, OpKind::Primitive, "-", 2, kNone, "da - db",
   "($a - $b)", "($a - $b)", "$a - $b", "all reals", "difference"},
  {Op::Mul, OpKind::Primitive, "*", 2, kNone, "da*b + a*db",
   "($a * $b)", "($a * $b)", "$a\\,$b", "all reals", "product"},
  {Op::Div, OpKind::Primitive, "/", 2, kNone, "(da - (a/b)*db)/b",
   "($a / $b)", "($a / $b)", "\\frac{$a}{$b}", "b != 0", "quotient"},
  {Op::Neg, OpKind::Primitive, "neg", 1, kNone, "-da",
   "(-$a)", "(-$a)", "-$a", "all reals", "negation"},
  {Op::Pow, OpKind::Primitive, "**", 2, kNone, "b*a**(b - 1)*da + a**b*log(a)*db",
   "vm::pow($a, $b)", "($a)^($b)", "{$a}^{$b}", "a > 0, or b an integer", "power; integer and root exponents become products and roots"},
  {Op::Fma, OpKind::Primitive, "fma", 3, kNone, "da*b + a*db + dc",
   "__builtin_fma($a, $b, $c)", "($a*$b + $c)", "$a\\,$b + $c", "all reals", "a*b + c, rounded once"},
  {Op::Fms, OpKind::Primitive, "fms", 3, kNone, "da*b + a*db - dc",
   "__builtin_fma($a, $b, -$c)", "($a*$b - $c)", "$a\\,$b - $c", "all reals", "a*b - c, rounded once"},
  {Op::Fnma, OpKind::Primitive, "fnma", 3, kNone, "dc - da*b - a*db",
   "__builtin_fma(-$a, $b, $c)", "($c - $a*$b)", "$c - $a\\,$b", "all reals", "c - a*b, rounded once"},
  {Op::Select, OpKind::Primitive, "select", 3, kNone, "select(a, db, dc)",
   "vm::select($a, $b, $c)", "my_piecewise3($a >= 0, $b, $c)", "\\begin{cases}$b & $a \\geq 0\\\\ $c & \\text{otherwise}\\end{cases}",
   "all reals", "b where a >= 0, c where a < 0, NaN where a is NaN; what is not taken does not matter, NaN included"},
  {Op::Min, OpKind::Primitive, "min", 2, kNone, "select(b - a, da, db)",
   "vm::min($a, $b)", "my_piecewise3($b - $a >= 0, $a, $b)", "\\min($a, $b)", "all reals", "the smaller; NaN when one is"},
  {Op::Max, OpKind::Primitive, "max", 2, kNone, "select(a - b, da, db)",
   "vm::max($a, $b)", "my_piecewise3($a - $b >= 0, $a, $b)", "\\max($a, $b)", "all reals", "the larger; NaN when one is"},
  {Op::Abs, OpKind::Primitive, "abs", 1, kNone, "select(a, da, -da)",
   "vm::abs($a)", "my_piecewise3($a >= 0, $a, -($a))", "\\left|$a\\right|", "all reals", "absolute value"},
  {Op::Sqrt, OpKind::Primitive, "sqrt", 1, kNone, "0.5*da/sqrt(a)",
   "vm::sqrt($a)", "sqrt($a)", "\\sqrt{$a}", "a >= 0", "square root"},
  {Op::Cbrt, OpKind::Primitive, "cbrt", 1, kNone, "da/(3*cbrt(a)**2)",
   "vm::cbrt($a)", "($a)^(1/3)", "\\sqrt[3]{$a}", "all reals (libxc's Maple spelling: a >= 0)", "real cube root"},
  {Op::Exp, OpKind::Primitive, "exp", 1, kNone, "exp(a)*da",
   "vm::exp($a)", "exp($a)", "e^{$a}", "all reals", "exponential"},
  {Op::Expm1, OpKind::Primitive, "expm1", 1, kNone, "exp(a)*da",
   "vm::expm1($a)", "(exp($a) - 1)", "\\left(e^{$a} - 1\\right)", "all reals", "exp(a) - 1, accurate near 0"},
  {Op::Log, OpKind::Primitive, "log", 1, kNone, "da/a",
   "vm::log($a)", "log($a)", "\\ln\\left($a\\right)", "a > 0", "natural logarithm"},
  {Op::Log1p, OpKind::Primitive, "log1p", 1, kNone, "da/(1 + a)",
   "vm::log1p($a)", "log(1 + $a)", "\\ln\\left(1 + $a\\right)", "a > -1", "log(1 + a), accurate near 0"},
  {Op::Tanh, OpKind::Primitive, "tanh", 1, kNone, "(1 - tanh(a)**2)*da",
   "vm::tanh($a)", "tanh($a)", "\\tanh\\left($a\\right)", "all reals", "hyperbolic tangent"},
  {Op::Erf, OpKind::Primitive, "erf", 1, kNone, "1.1283791670955126*exp(-a**2)*da",
   "vm::erf($a)", "erf($a)", "\\operatorname{erf}\\left($a\\right)", "all reals", "error function"},
  {Op::Asinh, OpKind::Primitive, "asinh", 1, kNone, "da/sqrt(1 + a**2)",
   "vm::asinh($a)", "arcsinh($a)", "\\operatorname{arsinh}\\left($a\\right)", "all reals", "inverse hyperbolic sine"},

  {Op::U, OpKind::Defined, "u", 2, "b*a/(1 + b*a)", kNone, kNone, kNone,
   "u\\left($a; $b\\right)", "1 + a*b != 0", "u(x; g) = g x/(1 + g x), the finite-domain transform of B97 (10.1063/1.475007)"},
  {Op::Logistic, OpKind::Defined, "logistic", 1, "1/(1 + exp(-a))", kNone, kNone, kNone,
   "\\operatorname{logistic}\\left($a\\right)", "all reals", "1/(1 + exp(-a))"},
  // s^2 = x2/(4 (6 pi^2)^(2/3)) with x2 of one spin
  {Op::PbeX, OpKind::Defined, "pbe_x", 3, "1 + b - b/(1 + c*0.016455307846020562*a/b)", kNone, kNone, kNone,
   "F_x^{\\mathrm{PBE}}\\left($a; $b, $c\\right)", "a >= 0, b > 0, c >= 0",
   "pbe_x(x2, kappa, mu): PBE exchange enhancement factor (10.1103/PhysRevLett.77.3865, Eq. 14)"},
  {Op::RpbeX, OpKind::Defined, "rpbe_x", 3, "1 - b*expm1(-c*0.016455307846020562*a/b)", kNone, kNone, kNone,
   "F_x^{\\mathrm{RPBE}}\\left($a; $b, $c\\right)", "a >= 0, b > 0",
   "rpbe_x(x2, kappa, mu): RPBE exchange enhancement factor (10.1103/PhysRevB.59.7413, Eq. 15)"},
  {Op::B88X, OpKind::Defined, "b88_x", 2,
   "y = sqrt(a); 1 + b*a/(0.9305257363491001*(1 + 6*b*y*asinh(y)))", kNone, kNone, kNone,
   "F_x^{\\mathrm{B88}}\\left($a; $b\\right)", "a >= 0, b >= 0",
   "b88_x(x2, beta): Becke 1988 exchange enhancement factor (10.1103/PhysRevA.38.3098, Eq. 8)"},
  {Op::LdaX, OpKind::Defined, "lda_x", 1, "-0.9305257363491001*a**(4/3)", kNone, kNone, kNone,
   "e_x^{\\mathrm{LDA}}\\left($a\\right)", "a >= 0", "lda_x(rho_s): exchange energy density of one spin of the uniform gas (hartree/bohr^3)"},
  // The closed form loses all its digits for large a, hence the series; each branch sees an argument at which it is harmless.
  {Op::ErfAttenuation, OpKind::Defined, "erf_attenuation", 1,
   "b = 1/a; p = max(b, 0.5); m = min(b, 0.5); s = min(a, 2); q = s*s; r = m*m;"
   "select(b - 0.5, 1 - (2/3)*s*(3.5449077018110321*erf(p) - 3*s + q*s + (2*s - q*s)*exp(-p*p)), "
   "r*(1/9 - r*(1/60 - r*(1/420 - r*(1/3240 - r*(1/27720 - r*(1/262080 - r*(1/2721600 - "
   "r*(1/30844800 - r*(1/379209600 - r*(1/5029516800 - r*(1/71610739200 - r*(1/1089728640000 - "
   "r*(1/17653603968000 - r*(1/303380453376000))))))))))))))) ", kNone, kNone, kNone,
   "F\\left($a\\right)", "a > 0",
   "erf_attenuation(a), a = omega/k_F: fraction of LDA exchange left by the short-range operator erfc(omega r)/r (10.1063/1.1383587)"},
  {Op::Pw92Ferro, OpKind::Defined, "pw92_ferro", 1, FASTSFES_PW92_FERRO("0.01554535"), kNone, kNone, kNone,
   "e_c^{\\mathrm{PW92}}\\left($a, 0\\right)", "a > 0",
   "pw92_ferro(rho_s): PW92 correlation energy density of a fully polarised gas (10.1103/PhysRevB.45.13244, modified constants)"},
  {Op::Pw92, OpKind::Defined, "pw92", 2, FASTSFES_PW92("0.0310907", "0.01554535", "0.0168869", "1.7099209341613657"), kNone, kNone, kNone,
   "e_c^{\\mathrm{PW92}}\\left($a, $b\\right)", "a, b >= 0, a + b > 0",
   "pw92(rho_a, rho_b): PW92 correlation energy density (10.1103/PhysRevB.45.13244, modified constants)"},
  {Op::Pw92PaperFerro, OpKind::Defined, "pw92_paper_ferro", 1, FASTSFES_PW92_FERRO("0.015545"), kNone, kNone, kNone,
   "e_c^{\\mathrm{PW92}}\\left($a, 0\\right)", "a > 0",
   "pw92_paper_ferro(rho_s): pw92_ferro with the constants as printed in 1992"},
  {Op::Pw92Paper, OpKind::Defined, "pw92_paper", 2, FASTSFES_PW92("0.031091", "0.015545", "0.016887", "1.709921"), kNone, kNone, kNone,
   "e_c^{\\mathrm{PW92}}\\left($a, $b\\right)", "a, b >= 0, a + b > 0",
   "pw92_paper(rho_a, rho_b): pw92 with the constants as printed in 1992"},
  {Op::PbeC, OpKind::Defined, "pbe_c", 4, "pbe_c_spin(0.5*a, 0.5*a, b, c, d)", kNone, kNone, kNone,
   "e_c^{\\mathrm{PBE}}\\left($a, $b; $c, $d\\right)", "a > 0, b >= 0",
   "pbe_c(rho, sigma, beta, gamma): PBE correlation energy density, unpolarised (10.1103/PhysRevLett.77.3865)"},
  // t^2 = sigma pi/(16 (3 pi^2)^(1/3) phi^2 rho^(7/3)); per volume, so the gradient term is multiplied by rho
  {Op::PbeCSpin, OpKind::Defined, "pbe_c_spin", 5,
   "n = a + b; lda = pw92(a, b); phi = 0.5*(cbrt(2*a/n)**2 + cbrt(2*b/n)**2); g = e*phi**3;"
   "t2 = 0.06346820609770369*c/(phi**2*n**2*cbrt(n)); y = (d/e)/expm1(-lda/(n*g))*t2;"
   "lda + n*g*log1p((d/e)*t2*(1 + y)/(1 + y + y*y))",
   kNone, kNone, kNone, "e_c^{\\mathrm{PBE}}\\left($a, $b, $c; $d, $e\\right)", "a, b >= 0, a + b > 0, c >= 0",
   "pbe_c_spin(rho_a, rho_b, sigma, beta, gamma): PBE correlation energy density (10.1103/PhysRevLett.77.3865)"},
}};
// clang-format on

constexpr bool table_is_in_order() {
  for (int i = 0; i < kOpCount; ++i) {
    if (kTable[static_cast<std::size_t>(i)].op != static_cast<Op>(i)) return false;
  }
  return true;
}
static_assert(table_is_in_order(), "the rows stand in the order of the enumerators");

constexpr std::array<std::string_view, 17> kFeatures{"x2",       "w",     "t",     "x",     "s2",       "rho",
                                                     "sigma",    "tau",   "rho_a", "rho_b", "sigma_aa", "sigma_ab",
                                                     "sigma_bb", "tau_a", "tau_b", "zeta",  "rs"};

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

std::span<const std::string_view> feature_names() noexcept { return kFeatures; }

bool is_feature_name(std::string_view name) noexcept {
  return std::find(kFeatures.begin(), kFeatures.end(), name) != kFeatures.end();
}

bool is_nonnegative_feature(std::string_view name) noexcept {
  return is_feature_name(name) && name != "w" && name != "zeta" && name != "sigma_ab";
}

}  // namespace fastsfes
