"""A Python file of JAX functions: the energy density, differentiable in the densities and in the parameters."""

from __future__ import annotations

from dataclasses import replace

from ..functionals.functional import Functional
from .describe import description, identifier, line_comments, thresholds
from .python_code import energy_functions, parameter_table, python_language

__all__ = ["files"]

_PLAIN = python_language("jnp", "jax.scipy.special")
_FLOOR = """def _floor(x, least):
    # a maximum with the slope of x on either side of it
    return jnp.where(x < least, least + (x - jax.lax.stop_gradient(x)), x)
"""
# (t - 1)/(t + 1) at tau = 0, where t is 1e40: JAX's own rule leaves the rounding of two huge numbers
_DIV = """@jax.custom_jvp
def _div(a, b):
    return a / b


@_div.defjvp
def _div_slope(point, slope):
    quotient = _div(*point)
    return quotient, (slope[0] - quotient * slope[1]) / point[1]
"""
JAX = replace(
    _PLAIN,
    functions={**_PLAIN.functions, "floor": "_floor", "div": "_div"},
    helpers={**_PLAIN.helpers, "floor": _FLOOR, "div": _DIV},
    calls={"/": "div"},
)

_HEAD = """
import jax
import jax.numpy as jnp

NAME = {name!r}
# exact exchange at short and long range, and omega; VV10's b and C
HYBRID = {hybrid!r}
VV10 = {nlc!r}
PARAMETERS = {{
{parameters}
}}


def _float64(x):
    x = jnp.asarray(x, dtype=float)
    if x.dtype != jnp.float64:
        raise TypeError('energies need double precision: jax.config.update("jax_enable_x64", True) comes first')
    return x
"""


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One Python file."""
    code, layouts = energy_functions(functional, JAX, "jnp.asarray({}, dtype=float)", "jnp.broadcast_to(values[0], {})")
    h = functional.hybrid
    head = _HEAD.format(
        name=identifier(functional.name),
        hybrid=(h.short_range, h.long_range, h.omega),
        nlc=None if functional.nlc is None else (functional.nlc.b, functional.nlc.C),
        parameters="\n".join(parameter_table(layouts, functional)),
    )
    usage = [
        "",
        *thresholds(),
        "",
        "    import jax, jax.numpy as jnp",
        '    jax.config.update("jax_enable_x64", True)',
        f"    import {identifier(stem)} as f",
        "    f.exc_unpol(rho, sigma, tau)",
        "    jax.grad(lambda r: jnp.sum(f.exc_unpol(r, sigma, tau)))(rho)              # vrho",
        "    jax.grad(lambda p: jnp.sum(w * f.exc_unpol(rho, sigma, tau, p)))(f.PARAMETERS)",
    ]
    return {"": line_comments([*description(functional), *usage]) + head + code}
