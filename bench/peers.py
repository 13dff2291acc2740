"""The same expressions for other libraries; each is optional and left out with a note when it is not installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastsfes.formula.expression import Expression

FloatArray = npt.NDArray[np.float64]
Evaluator = Callable[[], Any]


def optional(name: str) -> Any | None:
    """The module, or None when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def density_functionals(
    libxc_code: str, xcfun_code: str, rho: FloatArray, spin: int, deriv: int
) -> dict[str, Evaluator]:
    """Calls of libxc, and of xcfun when it has a name there, as PySCF makes them; `rho` in PySCF's layout."""
    from pyscf.dft import libxc

    cases: dict[str, Evaluator] = {
        "libxc through PySCF": lambda: libxc.eval_xc1(libxc_code, rho, spin=spin, deriv=deriv)
    }
    if xcfun_code:
        from pyscf.dft import xcfun

        cases["xcfun through PySCF"] = lambda: xcfun.eval_xc1(xcfun_code, rho, spin=spin, deriv=deriv)
    return cases


def translate(expression: Expression, leaves: Mapping[str, Any], table: Mapping[str, Callable[..., Any]]) -> Any:
    """The expression built with another library's operators; parameters and features come from `leaves`."""
    values: list[Any] = []
    for name, args, payload in expression.define().nodes():
        if name == "constant":
            values.append(table["constant"](float(str(payload))))
        elif name in ("feature", "parameter"):
            values.append(leaves[str(payload)])
        else:
            values.append(table[name](*(values[i] for i in args)))
    return values[-1]


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "constant": lambda v: v,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "neg": lambda a: -a,
}


def jax_table() -> dict[str, Callable[..., Any]]:
    """Operators of jax.numpy in double precision; integer powers stay integers, as its own users write them."""
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp: Any = importlib.import_module("jax.numpy")

    def power(a: Any, b: Any) -> Any:
        return a ** (int(b) if isinstance(b, float) and b == int(b) else b)

    functions = {n: getattr(jnp, n) for n in ("exp", "expm1", "log", "log1p", "sqrt", "cbrt", "tanh")}
    return {**_ARITHMETIC, **functions, "**": power, "asinh": jnp.arcsinh, "erf": jax.scipy.special.erf}


def heyoka_table(hy: Any) -> dict[str, Callable[..., Any]]:
    """Operators of heyoka."""
    functions = {n: getattr(hy, n) for n in ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "asinh", "erf")}
    return {**_ARITHMETIC, **functions, "cbrt": lambda a: a ** (1.0 / 3.0), "constant": hy.expression}


def heyoka_case(
    hy: Any, expressions: Sequence[Expression], arrays: Mapping[str, FloatArray], parameters: Mapping[str, float]
) -> tuple[Evaluator, FloatArray]:
    """A call of a compiled function (`cfunc`) of heyoka and the array that it fills, (outputs, n)."""
    names = list(arrays)
    leaves = (
        dict(zip(names, hy.make_vars(*names), strict=True)) if len(names) > 1 else {names[0]: hy.make_vars(names[0])}
    )
    variables = [leaves[n] for n in names]
    leaves |= {n: hy.expression(v) for n, v in parameters.items()}
    function = hy.cfunc([translate(e, leaves, heyoka_table(hy)) for e in expressions], vars=variables)
    stacked = np.ascontiguousarray(np.stack([arrays[n] for n in names]))
    out = np.empty((len(expressions), stacked.shape[1]))
    return lambda: function(stacked, outputs=out), out


def infix(expression: Expression, leaves: Mapping[str, str], *, log1p: bool, power: str) -> str:
    """Plain infix text for numexpr and operon, which share subexpressions themselves or not at all."""
    table: dict[str, Callable[..., Any]] = {
        "constant": lambda v: repr(v) if v >= 0 else f"(0 - {-v!r})",
        **{n: (lambda a, b, n=n: f"({a} {n} {b})") for n in "+-*/"},
        "**": lambda a, b: f"({a} {power} {b})",
        "neg": lambda a: f"(0 - {a})",
        "log1p": lambda a: f"log1p({a})" if log1p else f"log(1 + {a})",
        "cbrt": lambda a: f"({a} {power} {1 / 3!r})" if log1p else f"cbrt({a})",
        "asinh": lambda a: f"arcsinh({a})",
        "expm1": lambda a: f"expm1({a})",
        **{n: (lambda a, n=n: f"{n}({a})") for n in ("exp", "log", "sqrt", "tanh")},
    }
    return str(translate(expression, leaves, table))


def numexpr_case(
    ne: Any, expression: Expression, arrays: Mapping[str, FloatArray], parameters: Mapping[str, float], out: FloatArray
) -> Evaluator:
    """A call of numexpr that fills `out`."""
    leaves = {**{n: n for n in arrays}, **{n: n for n in parameters}}
    text = infix(expression, leaves, log1p=True, power="**")
    local = {**arrays, **parameters}
    return lambda: ne.evaluate(text, local_dict=local, out=out)


def operon_case(
    op: Any, expression: Expression, arrays: Mapping[str, FloatArray], parameters: Mapping[str, float]
) -> Evaluator:
    """A call of operon's evaluator: single precision, approximate functions, one thread."""
    data = op.Dataset(np.asfortranarray(np.stack(list(arrays.values()), axis=1)))
    names = [v.Name for v in data.Variables]
    hashes = {v.Name: v.Hash for v in data.Variables}
    leaves = {n: names[i] for i, n in enumerate(arrays)}
    leaves |= {n: repr(v) if v >= 0 else f"(0 - {-v!r})" for n, v in parameters.items()}
    tree = op.InfixParser.Parse(infix(expression, leaves, log1p=False, power="^"), hashes)
    rows = op.Range(0, len(next(iter(arrays.values()))))
    return lambda: op.Evaluate(tree, data, rows)
