"""Files for libxc 7: the Maple source, generated C with first and second derivatives, the registration, and a test.

libxc describes a functional in `maple/<family>_exc/<name>.mpl`, makes `src/maple2c/<family>_exc/<name>.c` of it with
Maple, and registers it in `src/<name>.c`. Maple is not needed here: the C file is written directly, from the same
expressions and in the form that libxc's work functions call; whoever has Maple can make it again, to higher orders,
from the `.mpl`. Layout of libxc 7.0: Lehtola et al., SoftwareX 7, 1 (2018), 10.1016/j.softx.2017.11.002.
"""

from __future__ import annotations

import re

from ..formula.expression import Expression
from ..formula.features import CHANNELS, DENSITY_THRESHOLD, channel_terms, pair_features, spin_features
from ..functionals.formulas import free_parameters
from ..functionals.functional import Functional
from .describe import block_comment, c_string, description, identifier
from .layout import self_test
from .libxc_code import (
    ARGUMENTS,
    OUTPUTS,
    THRESHOLD,
    evaluation,
    libxc_name,
    one_line,
    out_params,
    parameter_names,
    record,
)
from .straightline import Language, straight_line
from .taken import check_name

__all__ = ["MAPLE", "files", "sources"]

NUMBER = 90001
"""Of the functional in libxc; a number that no functional of libxc has, to be changed where it must be unique."""

_MAPLE_ARGUMENTS = {
    "lda": "rs, z",
    "gga": "rs, z, xt, xs0, xs1",
    "mgga": "rs, z, xt, xs0, xs1, us0, us1, ts0, ts1",
}
_RS = 0.6203504908994001  # (3/(4 pi))^(1/3)


def _maple_number(value: float) -> str:
    """A decimal number, or the fraction that a double stands for: exponents such as 1/3 must be exact in Maple."""
    for denominator in (1, 2, 3, 4, 6, 12):
        numerator = round(value * denominator)
        if abs(numerator) < 2**53 and numerator / denominator == value:
            text = str(numerator) if denominator == 1 else f"{numerator}/{denominator}"
            return text if denominator == 1 and numerator >= 0 else f"({text})"
    text = repr(value)
    return text if value > 0 else f"({text})"


MAPLE = Language(column="maple", number=_maple_number, nan="undefined", powers=True)


def files(functional: Functional, stem: str) -> dict[str, str]:
    """The files by their place in libxc's sources."""
    check_name(identifier(functional.name), "libxc")
    name = libxc_name(functional)
    return {**sources(functional, name, NUMBER), "README.md": _readme(functional, name)}


def sources(functional: Functional, name: str, number: int) -> dict[str, str]:
    """The files that stand in libxc's sources, by their place; the functional is called `name` there."""
    family = functional.family
    return {
        f"maple/{family}_exc/{name}.mpl": _maple(functional, name),
        f"src/maple2c/{family}_exc/{name}.c": evaluation(functional, name),
        f"src/{name}.c": _registration(functional, name, number),
        f"testsuite/{name}_test.c": _test(functional, name),
    }


# -- Maple ------------------------------------------------------------------------------------------------------------


def _maple(functional: Functional, name: str) -> str:
    """The energy per particle as a procedure of libxc's reduced variables."""
    energy = _reduced_energy(functional)
    names = parameter_names(functional)
    leaves = {v: v for v in ("rs", "z", "xt", "xs0", "xs1", "ts0", "ts1", "opz", "omz")}
    leaves |= {p: f"params_a_{n}" for p, n in names.items()} | {THRESHOLD: "p_a_dens_threshold"}
    code = straight_line([[energy]], MAPLE, leaves)
    prefix = ""
    if free_parameters(functional):
        prefix = (
            f"(* prefix:\n  const {name}_params *params;\n\n  assert(p->params != NULL);\n"
            f"  params = (const {name}_params * )(p->params);\n*)\n\n"
        )
    local = ", ".join(["opz", "omz", *(n for n, _ in code.steps[0])])
    lines = [
        block_comment(description(functional), "(*", "*)"),
        f"(* type: {functional.family}_exc *)\n{prefix}",
        f"f := proc({_MAPLE_ARGUMENTS[functional.family]})",
        f"  local {local}:",
        "  opz := my_piecewise3(1 + z <= p_a_zeta_threshold, p_a_zeta_threshold, 1 + z):",
        "  omz := my_piecewise3(1 - z <= p_a_zeta_threshold, p_a_zeta_threshold, 1 - z):",
        *(f"  {n} := {v}:" for n, v in code.steps[0]),
        f"  {code.results[0][0]}:",
        "end proc:",
    ]
    return "\n".join(lines) + "\n"


def _reduced_energy(functional: Functional) -> Expression:
    """Energy per particle of rs, 1 + z (opz), 1 - z (omz), xs0, xs1, xt, ts0, ts1; parameters as names."""
    n = f"({_RS!r}/rs)**3"
    rho = {"a": f"0.5*opz*{n}", "b": f"0.5*omz*{n}"}
    raw = {f"rho_{s}": rho[s] for s in "ab"}
    for k, s in enumerate("ab"):
        raw[f"sigma_{s}{s}"] = f"xs{k}**2*({rho[s]})**(8/3)"
        raw[f"tau_{s}"] = f"ts{k}*({rho[s]})**(5/3)"
    raw["sigma_ab"] = f"0.5*(xt**2*({n})**(8/3) - {raw['sigma_aa']} - {raw['sigma_bb']})"
    variables = {name: Expression.parse(text) for name, text in raw.items()}
    variables["sigma"] = Expression.parse(f"xt**2*({n})**(8/3)")
    # features of one spin and of both in libxc's variables, where the general formulas would divide powers of rho
    spin = [spin_features({v: Expression.parse(f"{v}{k}") for v in ("xs", "ts")}, "maple") for k in (0, 1)]
    pair = pair_features(*spin)
    zero, total = Expression.constant(0.0), Expression.constant(0.0)
    for kind, channel in functional.channels.items():
        factor = channel.expression.substitute({p: Expression.parse(f"{kind}_{p}") for p in channel.parameters})
        terms = channel_terms(kind, functional.hybrid.omega, functional.correlation)
        for k, term in enumerate(terms):
            features = {f: e.substitute(variables) for f, e in term.features.items()}
            features |= spin[k] if CHANNELS[kind].per_spin else {f: pair[f] for f in term.of_pair if f in pair}
            if kind in ("c", "one"):
                features["sigma"] = variables["sigma"]
            value = term.prefactor.substitute(variables) * factor.substitute(features)
            # libxc raises densities to the threshold: those that equal it are absent, as in libxc's own functionals
            below = Expression.parse(THRESHOLD) - term.density.substitute(variables)
            total = total + Expression.apply("select", below, zero, value)
    return (total / Expression.parse(n)).define().fold()


# -- registration -----------------------------------------------------------------------------------------------------


def _registration(functional: Functional, name: str, number: int) -> str:
    family, upper = functional.family, f"XC_{name.upper()}"
    made = record(functional, name)
    lines = [
        block_comment(description(functional)),
        f'#include "util.h"\n\n#define {upper} {number} /* {one_line(functional)} */\n',
        *made.parameters,
    ]
    body = list(made.frame)
    if made.values:
        body[:0] = ["  assert(p->params == NULL);", f"  p->params = libxc_malloc(sizeof({name}_params));"]
    if body:
        lines += ["static void", f"{name}_init(xc_func_type *p)", "{", *body, "}\n"]
    work = ["NULL", "NULL", "NULL"]
    work[("lda", "gga", "mgga").index(family)] = f"&work_{family}"
    parameters = (
        f"{{N_PAR, names, desc, par_{name}, set_ext_params_cpy}}" if made.values else "{0, NULL, NULL, NULL, NULL}"
    )
    lines += [
        "#ifndef XC_FLAGS_NEEDS_TAU\n#define XC_FLAGS_NEEDS_TAU 0\n#endif",
        f"#if XC_MAJOR_VERSION < 6\n#define GPU_DEVICE_FUNCTION\n{out_params(family)}#endif\n",
        f'#include "maple2c/{family}_exc/{name}.c"\n',
        *_results_one_by_one(family),
        f'#include "work_{family}.c"\n',
        '#ifdef __cplusplus\nextern "C"\n#endif',
        f"const xc_func_info_type xc_func_info_{name} = {{",
        f"  {upper},",
        f"  {made.kind},",
        f"  {c_string(one_line(functional))},",
        f"  {made.family},",
        "  {NULL, NULL, NULL, NULL, NULL},",
        f"  {made.flags} | MAPLE2C_FLAGS,",
        f"  {DENSITY_THRESHOLD!r},",
        f"  {parameters},",
        f"  {f'{name}_init' if body else 'NULL'}, NULL,",
        f"  {', '.join(work)}",
        "};",
    ]
    return "\n".join(lines) + "\n"


def _results_one_by_one(family: str) -> list[str]:
    """The evaluation functions of libxc 5, which have every array of results as an argument."""
    passed = ", ".join(re.findall(r"\*(\w+)", ARGUMENTS[family]))
    lines = ["#if XC_MAJOR_VERSION < 6"]
    for spin in ("unpol", "pol"):
        lines += [
            "static inline void",
            f"func_{spin}(const xc_func_type *p, int order, {ARGUMENTS[family]},",
            f"    double *zk {family.upper()}_OUT_PARAMS_NO_EXC(XC_COMMA double *, ))",
            "{",
            f"  xc_{family}_out_params out;",
            *(f"  out.{o} = {o};" for o in OUTPUTS[family]),
            *(
                line
                for order, tag in ((2, "fxc"), (1, "vxc"), (0, "exc"))
                for line in (
                    f"#ifndef XC_DONT_COMPILE_{tag.upper()}",
                    f"  if(order >= {order}) {{ func_{tag}_{spin}(p, 0, {passed}, &out); return; }}",
                    "#endif",
                )
            ),
            "}",
        ]
    return [*lines, "#endif\n"]


# -- test -------------------------------------------------------------------------------------------------------------


def _test(functional: Functional, name: str) -> str:
    """A program over libxc's public interface that compares energies and first and second derivatives with fastsfes."""
    family = functional.family
    orders = {"lda": ["zk", "vrho", "v2rho2"], "gga": ["zk", "vrho", "vsigma", "v2rho2", "v2rhosigma", "v2sigma2"]}
    mgga = ["zk", "vrho", "vsigma", "vlapl", "vtau", "v2rho2", "v2rhosigma", "v2rholapl", "v2rhotau", "v2sigma2"]
    mgga += ["v2sigmalapl", "v2sigmatau", "v2lapl2", "v2lapltau", "v2tau2"]
    arguments = orders.get(family, mgga)
    inputs = ["rho", *(["sigma"] if family != "lda" else []), *(["lapl", "tau"] if family == "mgga" else [])]
    lines = [
        block_comment([f"Test of {name} in libxc: prints what differs, exit status 0 when nothing does."]),
        "#include <math.h>\n#include <stdio.h>\n#include <xc.h>\n",
        "static int check(const char *what, const double *got, const double *want, int size) {",
        "  double scale = 0.0;",
        "  int wrong = 0;",
        "  for (int k = 0; k < size; ++k) scale = fmax(scale, fabs(want[k]));",
        "  for (int k = 0; k < size; ++k)",
        "    if (!(fabs(got[k] - want[k]) <= 1e-10 * scale)) {",
        '      printf("%s[%d]: got %.17g, expected %.17g\\n", what, k, got[k], want[k]);',
        "      ++wrong;",
        "    }",
        "  return wrong;",
        "}\n",
        "int main(void) {\n  int wrong = 0;\n  xc_func_type func;",
    ]
    for polarised in (False, True):
        test = self_test(functional, polarised, 2, (0,))
        spin = "XC_POLARIZED" if polarised else "XC_UNPOLARIZED"
        lines += ["  {", f'    if (xc_func_init(&func, xc_functional_get_number("{name}"), {spin}) != 0) return 2;']
        density = float(test.inputs["rho"].sum())
        for key, array in test.inputs.items():
            lines.append(f"    const double {key}[] = {{{', '.join(repr(float(v)) for v in array.ravel())}}};")
        lines.append("    const double lapl[2] = {0.0, 0.0};")
        lines += [f"    (void){key};" for key in ("sigma", "lapl", "tau") if key not in inputs]
        values = {("zk" if k == "exc" else k): v.ravel() for k, v in test.values.items()}
        values["zk"] = values["zk"] / density
        lines += [f"    double {key}[9] = {{0.0}};" for key in arguments]
        call = f"xc_{family}_exc_vxc_fxc(&func, 1, {', '.join([*inputs, *arguments])})"
        lines.append(f"    {call};")
        for key, array in values.items():
            lines.append(f"    const double want_{key}[] = {{{', '.join(repr(float(v)) for v in array)}}};")
            lines.append(f'    wrong += check("{key}", {key}, want_{key}, {array.size});')
        lines += ["    xc_func_end(&func);", "  }"]
    lines += [f'  if (wrong == 0) printf("{name}: all values agree\\n");', "  return wrong != 0;", "}"]
    return "\n".join(lines) + "\n"


def _readme(functional: Functional, name: str) -> str:
    family = functional.family
    about = "\n".join(f"    {line}" for line in description(functional))
    return f"""# {name} for libxc 7

{about}

Written for libxc 7.0.0; in its source folder:

1. Copy `maple`, `src` and `testsuite` over the sources, for example with `cp -rn` (nothing of libxc's is overwritten).
   With Maple, `scripts/maple2c.py` makes `src/maple2c/{family}_exc/{name}.c` again, with higher derivatives; the file
   here has first and second derivatives.
2. Choose a number that no functional has in place of {NUMBER} in `src/{name}.c`, and a reference of
   `src/references.h` in place of the first NULL. Keep the comment behind the number: the next step needs it.
3. Run `python3 scripts/get_functional_info.py --srcdir src --builddir src`. It reads the `#define` and the record of
   `src/{name}.c` and writes the lists of functionals: `funcs_*.c`, `xc_funcs.h`, `libxc_inc.f90`.
4. Add `{name}.c` to `raw_sources_list` in `CMakeLists.txt` (CMake) or to the sources of its family in `src/Makefile.am`
   (autotools), and build.
5. Compile `testsuite/{name}_test.c` with -lxc -lm and run it: it compares energies, first and second derivatives
   with those of fastsfes.

The density threshold is {DENSITY_THRESHOLD!r} electrons/bohr^3, that of fastsfes, unless the caller sets another one.
libxc raises the density of a missing spin to the threshold; a spin at the threshold is absent here, as in libxc's own
functionals.
"""
