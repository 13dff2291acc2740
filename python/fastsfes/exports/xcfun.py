"""C++ in the style of XCFun: the energy density as a template over the number type.

Derivatives of any order come from the number type (XCFun's `ctaylor`, or any type with forward-mode arithmetic). XCFun:
Ekstrom, Visscher, Bast, Thorvaldsen, Ruud, J. Chem. Theory Comput. 6, 1971 (2010), 10.1021/ct100117s.
"""

from __future__ import annotations

from ..functionals.formulas import VARIABLES
from ..functionals.functional import Functional
from .c import declarations, leaf_names
from .describe import block_comment, c_string, description, identifier, thresholds
from .layout import differentiable_layout, raised, self_test
from .straightline import Language, straight_line
from .taken import check_name

__all__ = ["files"]

_MEMBERS = {
    "rho_a": "a",
    "rho_b": "b",
    "sigma_aa": "gaa",
    "sigma_ab": "gab",
    "sigma_bb": "gbb",
    "tau_a": "taua",
    "tau_b": "taub",
}


def _forward(name: str) -> str:
    return f"template <class num>\nnum {name}(const num& a) {{\n  using std::{name};\n  return {name}(a);\n}}"


_FORWARDED = ("sqrt", "cbrt", "exp", "expm1", "log", "erf", "asinh", "sin", "cos", "atan")
_HELPERS = {
    **{f: _forward(f) for f in _FORWARDED},
    # XCFun's numbers have none of these; the forms keep all digits near 0
    "log1p": "template <class num>\nnum log1p(const num& a) {\n  using std::asinh;\n  using std::sqrt;\n"
    "  return 2.0 * asinh(a / (2.0 * sqrt(1.0 + a)));\n}",
    "tanh": "template <class num>\nnum tanh(const num& a) {\n  using std::expm1;\n"
    "  if (a < 0.0) {\n    const num e = expm1(2.0 * a);\n    return e / (e + 2.0);\n  }\n"
    "  const num e = expm1(-2.0 * a);\n  return -1.0 * (e / (e + 2.0));\n}",
    "sinh": "template <class num>\nnum sinh(const num& a) {\n  using std::expm1;\n"
    "  if (a < 0.0) {\n    const num e = expm1(-1.0 * a);\n    return -0.5 * (e + e / (e + 1.0));\n  }\n"
    "  const num e = expm1(a);\n  return 0.5 * (e + e / (e + 1.0));\n}",
    "cosh": "template <class num>\nnum cosh(const num& a) {\n  using std::exp;\n"
    "  return 0.5 * (exp(a) + exp(-1.0 * a));\n}",
    "pow": "template <class num>\nnum pow(const num& a, const num& b) {\n  using std::exp;\n  using std::log;\n"
    "  return exp(b * log(a));\n}",
    "fma": "template <class num>\nnum fma(const num& a, const num& b, const num& c) {\n  return a * b + c;\n}",
    "abs": "template <class num>\nnum abs(const num& a) {\n  return a < 0.0 ? num(-1.0 * a) : a;\n}",
    "select": "template <class num>\nnum select(const num& a, const num& b, const num& c) {\n"
    "  return a > 0.0 || !(a != 0.0) ? b : a < 0.0 ? c : a;\n}",
    # a number is less than, greater than or equal to 0
    "min": "template <class num>\nnum min(const num& a, const num& b) {\n"
    "  return b < a || (b != 0.0 && !(b < 0.0) && !(b > 0.0)) ? b : a;\n}",
    "max": "template <class num>\nnum max(const num& a, const num& b) {\n"
    "  return a < b || (b != 0.0 && !(b < 0.0) && !(b > 0.0)) ? b : a;\n}",
    "floor": "// a maximum with the slope of x on either side of it; what is negative has none\n"
    "template <class num>\nnum floor(const num& x, const num& least) {\n"
    "  return x < least ? (x < 0.0 ? least : num(x + least)) : x;\n}",
}
XCFUN = Language(functions={f: f"detail::{f}<num>" for f in _HELPERS}, helpers=_HELPERS)


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One header."""
    name = identifier(functional.name)
    check_name(name, "xcfun")
    made = differentiable_layout(functional, True)
    leaves = leaf_names(made, functional)
    inner = leaves | {v: f"{v}_" for v in made.floors}
    floors, code = raised(made, XCFUN, leaves, inner), straight_line(made.groups, XCFUN, inner)
    variables = [v for names in VARIABLES[True].values() for v in names]
    arguments = ", ".join(f"const num& {v}" if v in made.inputs else f"const num& /*{v}*/" for v in variables)
    lines = [f"  const double {n} = {v};" for n, v in declarations(made, functional)]
    lines += [f"  const num {n} = {v};" for n, v in (*floors.steps[0], *code.steps[0])]
    about = [
        *description(functional),
        "",
        *thresholds(),
        "",
        f"{name}::energy<num>(...) is the energy per volume of both spins' variables for any number type with + - * /,",
        f"comparisons < > != and, as far as they occur, {', '.join(_FORWARDED)} that",
        "argument-dependent lookup finds. In XCFun: copy the file to src/functionals, include it from a source file",
        f"there after functional.hpp, define FASTSFES_XCFUN, and add XC_{name.upper()} to list_of_functionals.hpp.",
    ]
    guard = f"FASTSFES_{name.upper()}_XCFUN_HPP"
    text = [
        block_comment(about),
        f"#ifndef {guard}\n#define {guard}\n\n#include <cmath>\n\nnamespace {name} {{\nnamespace detail {{\n",
        "\n\n".join(dict.fromkeys((*floors.helpers, *code.helpers))),
        "\n}  // namespace detail\n",
        f"template <class num>\nnum energy({arguments}) {{",
        *lines,
        f"  return {code.results[0][0]};",
        "}\n",
        f"}}  // namespace {name}\n",
        "#ifdef FASTSFES_XCFUN\n" + _registration(functional, name) + "#endif\n\n#endif",
    ]
    return {"": "\n".join(text) + "\n"}


def _registration(functional: Functional, name: str) -> str:
    """XCFun's record: description, what it depends on, and a point with energy and first derivatives."""
    family = functional.family
    groups = {"lda": ("rho",), "gga": ("rho", "sigma"), "mgga": ("rho", "sigma", "tau")}[family]
    depends = {"lda": "XC_DENSITY", "gga": "XC_DENSITY | XC_GRADIENT"}.get(
        family, "XC_DENSITY | XC_GRADIENT | XC_KINETIC"
    )
    kind = {"lda": "XC_A_B", "gga": "XC_A_B_GAA_GAB_GBB"}.get(family, "XC_A_B_GAA_GAB_GBB_TAUA_TAUB")
    test = self_test(functional, True, 1, (0,))
    inputs = [repr(float(v)) for g in groups for v in test.inputs[g].ravel()]
    values = [test.values["exc"].ravel()]
    zero = {g: 0.0 * test.inputs[g] for g in groups}
    values += [test.values.get(f"v{g}", zero[g]).ravel() for g in groups]
    outputs = [repr(float(v)) for array in values for v in array]
    members = ", ".join(
        f"d.{_MEMBERS[v]}" if v.partition("_")[0] in groups else "num(0.0)"
        for names in VARIABLES[True].values()
        for v in names
    )
    return f"""template <class num>
static num {name}_energy(const densvars<num>& d) {{
  return {name}::energy<num>({members});
}}

FUNCTIONAL(XC_{name.upper()}) = {{
  {c_string(f"{name} ({family})")},
  {c_string(functional.citation or "found by fastsfes")},
  {depends},
  ENERGY_FUNCTION({name}_energy)
  {kind},
  XC_PARTIAL_DERIVATIVES,
  1,
  1e-11,
  {{{", ".join(inputs)}}},
  {{{", ".join(outputs)}}}
}};
"""
