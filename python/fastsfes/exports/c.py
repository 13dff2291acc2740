"""C99 and C++17 source: energy density, first and second derivatives, and a main program that checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..functionals.formulas import VARIABLES, free_parameters
from ..functionals.functional import Functional
from .describe import block_comment, description, identifier, thresholds
from .layout import TOLERANCE, Layout, all_keys, layout, parameter_names, self_test
from .straightline import Code, Language, straight_line

__all__ = ["CPP", "C", "c_files", "cpp_files", "declarations", "statements"]

_ELEMENTARY = ("exp", "expm1", "log", "log1p", "tanh", "erf", "asinh", "sin", "cos", "atan", "sinh", "cosh")
_SAME = ("sqrt", "cbrt", *_ELEMENTARY, "pow", "fma")

C = Language(
    functions={**{f: f for f in _SAME}, "abs": "fabs", "select": "fs_select", "min": "fs_min", "max": "fs_max"},
    helpers={
        "select": "static double fs_select(double a, double b, double c) { return a >= 0.0 ? b : a < 0.0 ? c : a; }",
        "min": "static double fs_min(double a, double b) { return b < a || b != b ? b : a; }",
        "max": "static double fs_max(double a, double b) { return b > a || b != b ? b : a; }",
    },
)
CPP = replace(
    C,
    functions={
        **{f: f"std::{f}" for f in _SAME},
        "abs": "std::fabs",
        **{f: f"detail::{f}" for f in ("select", "min", "max")},
    },
    helpers={
        "select": "inline double select(double a, double b, double c) { return a >= 0.0 ? b : a < 0.0 ? c : a; }",
        "min": "inline double min(double a, double b) { return b < a || b != b ? b : a; }",
        "max": "inline double max(double a, double b) { return b > a || b != b ? b : a; }",
    },
)


def declarations(made: Layout, functional: Functional) -> list[tuple[str, str]]:
    """Names and values of the parameters that occur."""
    names, values = parameter_names(functional), free_parameters(functional)
    return [(names[p], repr(values[p])) for p in made.parameters]


def leaf_names(made: Layout, functional: Functional) -> dict[str, str]:
    """What inputs and parameters are called in the statements."""
    names = parameter_names(functional)
    # rho, sigma and tau are the arrays
    return {v: v if "_" in v else f"{v}_t" for v in made.inputs} | {p: names[p] for p in made.parameters}


def statements(code: Code, order: int, indent: str = "    ") -> list[str]:
    """Lines that compute what this order adds."""
    return [f"{indent}const double {name} = {value};" for name, value in code.steps[order]]


def _body(functional: Functional, polarised: bool, language: Language, member: str) -> tuple[list[str], Code]:
    """Lines of the loop over points, and the code they came from."""
    made = layout(functional, polarised)
    leaves = leaf_names(made, functional)
    code = straight_line(made.groups, language, leaves)
    lines = [f"  const double {n} = {v};" for n, v in declarations(made, functional)]
    used = {g for g, names in VARIABLES[polarised].items() if set(names) & set(made.inputs)}
    lines += [f"  (void){g};" for g in ("sigma", "tau") if g not in used]
    index = "std::size_t" if language is CPP else "size_t"
    lines += [f"  for ({index} i = 0; i < n; ++i) {{"]
    for group, names in VARIABLES[polarised].items():
        for k, name in enumerate(names):
            if name in made.inputs:
                place = "i" if len(names) == 1 else f"{len(names)} * i + {k}"
                lines.append(f"    const double {leaves[name]} = {group}[{place}];")
    for order, values in enumerate(made.orders):
        if order:
            lines.append(f"    if (order < {order}) continue;")
        lines += statements(code, order)
        results = iter(code.results[order])
        texts = {key: [next(results) for _ in expressions] for key, expressions in values.items()}
        for key, size in all_keys(polarised, order).items():
            target = f"out{member}{key}"
            stores = [
                f"{target}[{'i' if size == 1 else f'{size} * i + {k}'}] = {t};"
                for k, t in enumerate(texts.get(key, ["0.0"] * size))
            ]
            lines.append(f"    if ({target}) {{ {' '.join(stores)} }}" if size <= 3 else f"    if ({target}) {{")
            lines += [] if size <= 3 else [*(f"      {s}" for s in stores), "    }"]
    return [*lines, "  }"], code


def _arrays(values: Mapping[str, NDArray[np.float64]], prefix: str) -> list[str]:
    return [
        f"  static const double {prefix}{key}[] = {{{', '.join(repr(float(v)) for v in array.ravel())}}};"
        for key, array in values.items()
    ]


def _main(functional: Functional, name: str, language: Language) -> str:
    """A program that evaluates both spin cases and compares; exit status 0 when all values agree."""
    cpp = language is CPP
    lines = [
        "static int check(const char *what, const double *got, const double *want, int points, int size) {",
        "  int wrong = 0;",
        "  for (int i = 0; i < points; ++i) {",
        "    double scale = 0.0;",
        "    for (int k = 0; k < size; ++k) {",
        "      const double magnitude = ABS(want[i * size + k]);",
        "      if (magnitude > scale) scale = magnitude;",
        "    }",
        "    for (int k = 0; k < size; ++k) {",
        "      const double difference = ABS(got[i * size + k] - want[i * size + k]);",
        f"      if (!(difference <= {TOLERANCE!r} * scale)) {{",
        '        printf("%s, point %d, component %d: got %.17g, expected %.17g\\n", what, i, k, got[i * size + k],',
        "               want[i * size + k]);",
        "        ++wrong;",
        "      }",
        "    }",
        "  }",
        "  return wrong;",
        "}",
        "",
    ]
    calls = []
    for polarised in (False, True):
        case = "pol" if polarised else "unpol"
        test = self_test(functional, polarised)
        points = len(test.inputs["rho"])
        lines += [f"static int {case}_wrong(void) {{", *_arrays(test.inputs, ""), *_arrays(test.values, "want_")]
        lines += [f"  double {key}[{array.size}];" for key, array in test.values.items()]
        lines.append(f"  {name}::values out;" if cpp else f"  {name}_values out = {{0}};")
        lines += [f"  out.{key} = {key};" for key in test.values]
        call = f"{name}::{case}({points}, 2, rho, sigma, tau, out)" if cpp else None
        lines.append(f"  {call or f'{name}_{case}({points}, 2, rho, sigma, tau, &out)'};")
        sums = [f'check("{case} {key}", {key}, want_{key}, {points}, {a.shape[1]})' for key, a in test.values.items()]
        lines += ["  return " + " +\n         ".join(sums) + ";", "}", ""]
        calls.append(f"{case}_wrong()")
    lines += [
        "int main(void) {" if not cpp else "int main() {",
        f"  const int wrong = {' + '.join(calls)};",
        f'  if (wrong == 0) printf("{name}: all values agree\\n");',
        "  return wrong != 0;",
        "}",
    ]
    text = "\n".join(lines).replace("ABS(", "std::fabs(" if cpp else "fabs(")
    return text.replace("printf(", "std::printf(") if cpp else text


def _usage(name: str, signature: str, macro: str, compile_: str) -> list[str]:
    return [
        "",
        *thresholds(),
        "",
        f"{signature}: n points, derivatives up to order 0, 1 or 2.",
        "rho, sigma, tau and all results hold the components of one point after the other, as libxc's arrays do:",
        "1, 1, 1 values a point (unpol) or 2, 3, 2 (pol). What is not wanted stays a null pointer; sigma and tau may",
        "be null where the family does not need them.",
        f"Self-test: {compile_} (macro {macro}); it prints what differs and ends with status 0 or 1.",
    ]


def _members(kind: str) -> list[str]:
    keys: list[Sequence[str]] = [list(all_keys(True, order)) for order in (0, 1, 2)]
    if kind == "c":
        return [f"  double {', '.join(f'*{k}' for k in group)};" for group in keys]
    return [f"  double {', '.join(f'*{k} = nullptr' for k in group)};" for group in keys]


def c_files(functional: Functional, stem: str) -> dict[str, str]:
    """Source and header."""
    name = identifier(functional.name)
    header_name = f"{identifier(stem)}.h"
    macro = f"{name.upper()}_SELF_TEST"
    arguments = "size_t n, int order, const double *rho, const double *sigma, const double *tau"
    about = description(functional) + _usage(
        name,
        f"{name}_unpol, {name}_pol",
        macro,
        f"cc -std=c99 -D{macro} {identifier(stem)}.c -lm",
    )
    guard = f"FASTSFES_{name.upper()}_H"
    header = [
        block_comment(about),
        f'#ifndef {guard}\n#define {guard}\n\n#include <stddef.h>\n\n#ifdef __cplusplus\nextern "C" {{\n#endif\n',
        "typedef struct {",
        *_members("c"),
        f"}} {name}_values;\n",
        *(f"void {name}_{case}({arguments}, const {name}_values *out);" for case in ("unpol", "pol")),
        "\n#ifdef __cplusplus\n}\n#endif\n\n#endif",
    ]
    bodies, helpers = [], dict[str, None]()
    for polarised in (False, True):
        lines, code = _body(functional, polarised, C, "->")
        helpers |= dict.fromkeys(code.helpers)
        signature = f"void {name}_{'pol' if polarised else 'unpol'}({arguments}, const {name}_values *out) {{"
        bodies += [signature, *lines, "}", ""]
    source = [
        block_comment(description(functional)),
        f'#include "{header_name}"\n\n#include <math.h>\n',
        *helpers,
        "",
        *bodies,
        f"#ifdef {macro}\n#include <stdio.h>\n",
        _main(functional, name, C),
        "#endif",
    ]
    return {"": "\n".join(source) + "\n", header_name: "\n".join(header) + "\n"}


def cpp_files(functional: Functional, stem: str) -> dict[str, str]:
    """One header."""
    name = identifier(functional.name)
    macro = f"{name.upper()}_SELF_TEST"
    arguments = "std::size_t n, int order, const double* rho, const double* sigma, const double* tau, const values& out"
    about = description(functional) + _usage(
        name, f"{name}::unpol, {name}::pol", macro, f"c++ -std=c++17 -x c++ -D{macro} {identifier(stem)}.hpp"
    )
    bodies, helpers = [], dict[str, None]()
    for polarised in (False, True):
        lines, code = _body(functional, polarised, CPP, ".")
        helpers |= dict.fromkeys(code.helpers)
        bodies += [f"inline void {'pol' if polarised else 'unpol'}({arguments}) {{", *lines, "}", ""]
    guard = f"FASTSFES_{name.upper()}_HPP"
    text = [
        block_comment(about),
        f"#ifndef {guard}\n#define {guard}\n\n#include <cmath>\n#include <cstddef>\n\nnamespace {name} {{\n",
        "struct values {",
        *_members("cpp"),
        "};\n",
        "namespace detail {",
        *helpers,
        "}  // namespace detail\n",
        *bodies,
        f"}}  // namespace {name}\n",
        f"#ifdef {macro}\n#include <cstdio>\n",
        _main(functional, name, CPP),
        "#endif\n\n#endif",
    ]
    return {"": "\n".join(text) + "\n"}
