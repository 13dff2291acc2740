"""Parametrised families: which parameters are linear, and fingerprints.

Two candidates that differ in the names, the order or the scale of their parameters, or in redundant ones, describe
the same family of enhancement factors and reach the same loss. The fingerprint recognises them without a fit: for
fixed nonlinear parameters a family is an affine space of functions, phi_0 + span(phi_1, ..., phi_n). Sampled at
probe features it is determined by the projector P on the span and by (1 - P) phi_0, neither of which depends on how
the space is parametrised. Nonlinear parameters get probe values in an order that does not depend on their names: that
of the spaces which they give when they alone have another value. Before that their scales and shifts are removed:
exp(3*g*h*x2/5) is the family exp(g*x2). All of it happens in the core; here stand the probes. A family in a shape that
is harder to fit, like a**3 + b*c*w for c0 + c1*w, counts as another one: its fit may end where the better shape's does
not.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from .. import _core
from .expression import COLUMNS, Expression, features
from .normal_form import normal

__all__ = ["channel_dimension", "channel_fingerprint", "fingerprint", "linear_parameters", "scale_parameters"]

_POINTS = 48
_DIRECTIONS = 3


def linear_parameters(expression: Expression) -> tuple[str, ...]:
    """A maximal set of parameters in which the expression is jointly affine, in order of evaluation.

    Where two parameters multiply each other one of them is left out: the one that multiplies more parameters, or the
    later one. Fits eliminate the same parameters.
    """
    return tuple(_core.linear_parameters(expression._handle))


def scale_parameters(expression: Expression) -> tuple[str, ...]:
    """Parameters that stand as an argument of a block: g of u(x2, g), kappa of pbe_x, ...

    They are positive scales, and fits step in their logarithms.
    """
    return tuple(_core.scale_parameters(expression._handle))


@lru_cache(maxsize=1)
def _recogniser() -> _core.Recogniser:
    """With feature values that are bounded, so that exponentials and high powers stay finite."""
    rng = np.random.default_rng(20220909)
    probes = {
        # the signs and sizes of what is signed: w, zeta and the like lie between -1 and 1
        row["name"]: np.exp(rng.uniform(-4.0, 2.5, _POINTS))
        if row["nonnegative"]
        else rng.uniform(-0.95, 0.95, _POINTS)
        for row in features()
    }
    probes |= {name: rng.uniform(-0.95, 0.95, _POINTS) for name in COLUMNS}
    directions = np.random.default_rng(10126).standard_normal((_POINTS, _DIRECTIONS)).T
    return _core.Recogniser({name: v.tolist() for name, v in probes.items()}, directions.tolist())


@lru_cache(maxsize=65536)
def _recognised(text: str) -> str:
    return _recogniser().recognise(text)


def channel_fingerprint(expression: Expression) -> str:
    """Fingerprint of one channel's family, 16 hexadecimal digits."""
    return _recognised(expression.text)


def channel_dimension(expression: Expression) -> int:
    """Number of parameters that count: those of the normal form."""
    return len(normal(expression.text).parameters)


def fingerprint(expressions: dict[str, Expression]) -> str:
    """Fingerprint of a functional's family: that of its channels, whose parameters are independent."""
    parts = [f"{kind}:{channel_fingerprint(e)}" for kind, e in sorted(expressions.items())]
    return hashlib.blake2b("|".join(parts).encode(), digest_size=8).hexdigest()
