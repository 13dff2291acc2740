"""Parametrised families: which parameters are linear, canonical names, and fingerprints.

Two candidates that differ in the names, the order or the scale of their parameters, or in redundant ones, describe
the same family of enhancement factors and reach the same loss. The fingerprint recognises them without a fit: for
fixed nonlinear parameters a family is an affine space of functions, phi_0 + span(phi_1, ..., phi_n). Sampled at
probe features it is determined by the projector P on the span and by (1 - P) phi_0, neither of which depends on how
the space is parametrised. Nonlinear parameters get probe values in an order that does not depend on their names: that
of the spaces which they give when they alone have another value. Before that, `absorb` removes their scales and shifts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from ..expression import Expression, feature_names
from .absorb import absorb, named

__all__ = ["canonical_names", "channel_dimension", "channel_fingerprint", "fingerprint", "linear_parameters"]

_POINTS = 48
_LARGEST_RANK = 36
_RANK_TOLERANCE = 1e-10
_DIGITS = 7
_SCALES = (1.0, 0.1)


def linear_parameters(expression: Expression) -> tuple[str, ...]:
    """A largest-first choice of parameters in which the expression is jointly affine.

    Where two linear parameters multiply each other one of them is left out: the one that occurs in fewer places
    of the expression stays linear only if the other does not.
    """
    return _split(expression)[0]


def _split(expression: Expression) -> tuple[tuple[str, ...], frozenset[str]]:
    """The linear parameters, and those that are not only because they multiply another one."""
    nodes = expression.nodes()
    excluded: set[str] = set()
    factors: set[str] = set()
    while True:
        linear: list[frozenset[str]] = []
        clash: frozenset[str] | None = None
        for name, args, payload in nodes:
            if name == "parameter":
                linear.append(frozenset() if payload in excluded else frozenset((str(payload),)))
                continue
            inner = [linear[a] for a in args]
            if not inner:
                linear.append(frozenset())
            elif name in ("+", "-", "neg"):
                linear.append(frozenset().union(*inner))
            elif name in ("*", "fma", "fms", "fnma"):
                if inner[0] and inner[1]:
                    clash = min(inner[:2], key=lambda s: (len(s), sorted(s)))
                    factors |= clash
                    break
                linear.append(frozenset().union(*inner))
            elif name == "/" and not inner[1]:
                linear.append(inner[0])
            elif any(inner):
                clash = next(s for s in inner[::-1] if s)
                break
            else:
                linear.append(frozenset())
        if clash is None:
            return tuple(p for p in expression.parameters if p not in excluded), frozenset(factors)
        excluded |= clash


def canonical_names(expression: Expression) -> tuple[dict[str, str], str]:
    """New names p0, p1, ... in order of evaluation, and the text with them."""
    names = {p: f"p{k}" for k, p in enumerate(expression.parameters)}
    if all(a == b for a, b in names.items()):
        return names, expression.text
    renamed = expression.substitute({a: named(b) for a, b in names.items()})
    return names, renamed.text


@lru_cache(maxsize=1)
def _probes() -> dict[str, NDArray[np.float64]]:
    """Feature values: bounded, so that exponentials and high powers stay finite."""
    rng = np.random.default_rng(20220909)
    signed = {"w", "zeta"}
    return {
        name: rng.uniform(-0.95, 0.95, _POINTS) if name in signed else np.exp(rng.uniform(-4.0, 2.5, _POINTS))
        for name in feature_names()
    }


@lru_cache(maxsize=1)
def _directions() -> NDArray[np.float64]:
    return np.random.default_rng(10126).standard_normal((_POINTS, 3))


def _probe_values(count: int) -> NDArray[np.float64]:
    """Values of nonlinear parameters; positive, as every parameter of a domain-restricted block must be."""
    golden = np.arange(1, count + 1) * 0.6180339887498949
    return np.asarray(0.05 + 1.9 * (golden - np.floor(golden)), dtype=float)


def channel_fingerprint(expression: Expression) -> str:
    """Fingerprint of one channel's family, 16 hexadecimal digits."""
    return _family_of_text(expression.text).fingerprint


def channel_dimension(expression: Expression) -> int:
    """Number of parameters that count: dimension of the linear space, plus the nonlinear parameters."""
    return _family_of_text(expression.text).dimension


@dataclass(frozen=True)
class _Family:
    fingerprint: str
    dimension: int


@lru_cache(maxsize=65536)
def _family_of_text(text: str) -> _Family:
    return _family_of_canonical_text(canonical_names(Expression.parse(text))[1])


@lru_cache(maxsize=65536)
def _family_of_canonical_text(text: str) -> _Family:
    expression = absorb(Expression.parse(text))
    linear, factors = _split(expression)
    with np.errstate(all="ignore"):
        for scale in _SCALES:
            found = _probed(expression, linear, factors, scale)
            if found is not None:
                return found
    # undefined at the probes: nothing but the text is left to compare
    plain = canonical_names(expression.simplify())[1]
    return _Family(_hash(b"text" + plain.encode()), len(expression.parameters))


def _probed(expression: Expression, linear: tuple[str, ...], factors: frozenset[str], scale: float) -> _Family | None:
    """The family by its values at the probes; None where it has none for nonlinear parameters of this scale."""
    nonlinear = [p for p in expression.parameters if p not in linear]
    probes = (scale * _probe_values(len(nonlinear) + 1)).tolist()
    keys: dict[str, tuple[str, int]] = {}
    if len(nonlinear) > 1 or factors:
        # all parameters alike but one: what this gives tells the parameters apart, whatever their names
        alike = dict.fromkeys(nonlinear, probes[0])
        first = _digest(expression, linear, alike)
        for p in nonlinear:
            found = _digest(expression, linear, {**alike, p: probes[1]})
            if found is None or first is None:
                return None
            # a factor of what a linear parameter multiplies anyway changes nothing and does not count
            if p not in factors or found != first:
                keys[p] = found
        nonlinear = sorted(keys, key=keys.__getitem__)
    rest = dict.fromkeys(set(expression.parameters) - set(linear), probes[0])
    orders = permutations(nonlinear) if len(nonlinear) == 2 and len(set(keys.values())) == 1 else [nonlinear]
    digests = [_digest(expression, linear, rest | dict(zip(order, probes, strict=False))) for order in orders]
    good = [found for found in digests if found is not None]
    if len(good) < len(digests):
        return None
    fingerprint, rank = min(good)
    return _Family(fingerprint, rank + len(nonlinear))


def _digest(expression: Expression, linear: tuple[str, ...], fixed: dict[str, float]) -> tuple[str, int] | None:
    program = expression.program
    probes = [_probes()[name] for name in program.features]
    order = {name: k for k, name in enumerate(program.parameters)}
    base = np.zeros(len(order))
    for name, value in fixed.items():
        base[order[name]] = value

    def values(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(program.evaluate(probes, parameters, n=_POINTS, threads=1)[0], dtype=float)

    origin = values(base)
    columns = []
    for name in linear:
        shifted = base.copy()
        shifted[order[name]] = 1.0
        columns.append(values(shifted) - origin)
    if not (np.isfinite(origin).all() and all(np.isfinite(c).all() for c in columns)):
        return None
    rest, projected, rank = origin, np.zeros((_POINTS, 3)), 0
    if columns:
        matrix = np.stack(columns, axis=1)
        norms = np.linalg.norm(matrix, axis=0)
        matrix = matrix[:, norms > 0] / norms[norms > 0]
        if matrix.size:
            left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
            span = left[:, singular > _RANK_TOLERANCE * singular[0]]
            rank = span.shape[1]
            if rank > _LARGEST_RANK:
                return None
            rest = origin - span @ (span.T @ origin)
            projected = span @ (span.T @ _directions())
    scale = float(np.abs(origin).max())
    if np.abs(rest).max() <= 1e-9 * max(scale, 1e-300):
        rest = np.zeros(_POINTS)
    return _hash(_rounded(projected) + _rounded(rest[:12])), rank


def _rounded(values: NDArray[np.float64]) -> bytes:
    largest = float(np.abs(values).max())
    exponent = int(np.floor(np.log10(largest))) if largest > 0 else 0
    grid = np.round(values / 10.0**exponent, _DIGITS) + 0.0  # + 0.0: no negative zeros
    return np.int64(exponent).tobytes() + grid.astype("<f8").tobytes()


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def fingerprint(expressions: dict[str, Expression]) -> str:
    """Fingerprint of a functional's family: that of its channels, whose parameters are independent."""
    parts = [f"{kind}:{channel_fingerprint(e)}" for kind, e in sorted(expressions.items())]
    return _hash("|".join(parts).encode())
