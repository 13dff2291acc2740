"""Fewer nodes: an interpolative decomposition on random smooth factors.

Node values of all factors that a search can make span few directions to the accuracy wanted. Column-pivoted QR of
the node values of several hundred random factors picks nodes from which the values at all others follow linearly;
the matrix of weights is carried over with the same linear map (empirical interpolation: Barrault et al. 2004,
10.1016/j.crma.2004.08.006; discrete form: Chaturantabut & Sorensen 2010, 10.1137/090766498; pivoted QR: Drmac &
Gugercin 2016, 10.1137/15M1019271). Nodes count by the largest energy that a species puts on them, so accuracy
goes where the electrons are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Random factors per channel, and never fewer than twice the nodes kept: the choice must rest on more than it can hold.
FACTORS = 1200

#: Rows of the projected factors beyond the number of nodes.
OVERSAMPLING = 100

SEED = 20221111

#: Factors, and rows of a matrix, that are worked on at once.
_BLOCK = 128


@dataclass(frozen=True)
class Pivots:
    """A truncated column-pivoted QR decomposition: nodes in order of importance, and what a subset needs."""

    order: npt.NDArray[np.int64]
    triangle: FloatArray
    scale: FloatArray

    def matrix(self, full: FloatArray, count: int) -> FloatArray:
        """Weights (species, count) on the first ``count`` nodes that stand for all weights ``full`` (species, n)."""
        from scipy.linalg import solve_triangular

        kept, rest = self.order[:count], self.order[count:]
        map_ = solve_triangular(self.triangle[:count, :count], self.triangle[:count, count:]) / self.scale[rest]
        map_ *= self.scale[kept, None]
        return np.concatenate([lines[:, kept] + lines[:, rest] @ map_.T for lines in _blocks(full)])


def pivot_nodes(features: Sequence[str], nodes: FloatArray, matrix: FloatArray, count: int) -> Pivots:
    """Order nodes by importance.

    Args:
        features, nodes: names (d) and values (n, d) of the node features.
        matrix: weights of the nodes in hartree, (species, n).
        count: how many nodes will be kept at most.
    """
    from scipy.linalg import qr

    importance = np.max([np.abs(lines).max(axis=0) for lines in _blocks(matrix)], axis=0)
    scale = np.maximum(importance, 1e-9 * importance.max())
    # A random projection of the factors to somewhat more rows than nodes wanted keeps what they span (Halko,
    # Martinsson, Tropp 2011, 10.1137/090771806) and makes the decomposition several times cheaper.
    factors = max(FACTORS, 2 * count)
    rng = np.random.default_rng(factors)
    mixed = np.zeros((min(factors, count + OVERSAMPLING), len(nodes)), order="F")
    for start in range(0, factors, _BLOCK):
        values = random_factors(features, nodes, min(_BLOCK, factors - start), SEED + start)
        energy = np.max([np.abs(values @ lines.T).max(axis=1) for lines in _blocks(matrix)], axis=0)
        mix = rng.normal(size=(len(mixed), len(values)))
        mixed += (mix[:, energy > 0.0] / energy[energy > 0.0]) @ (values[energy > 0.0] * scale)
    _, triangle, order = qr(mixed, mode="economic", pivoting=True, overwrite_a=True)
    rank = int(np.count_nonzero(np.abs(np.diag(triangle)) > 1e-15 * abs(triangle[0, 0])))
    return Pivots(np.asarray(order, dtype=np.int64), np.ascontiguousarray(triangle[: min(count, rank)]), scale)


def _blocks(matrix: FloatArray) -> Iterator[FloatArray]:
    """Some rows at a time: the matrix may be larger than the memory."""
    return (matrix[start : start + _BLOCK] for start in range(0, len(matrix), _BLOCK))


def random_factors(features: Sequence[str], nodes: FloatArray, count: int, seed: int) -> FloatArray:
    """Node values (count, n) of random enhancement factors: products of one random function per feature."""
    rng = np.random.default_rng(seed)
    out = np.ones((count, len(nodes)))
    for k, name in enumerate(features):
        column = nodes[:, k]
        make = {"x2": _of_gradient, "w": _of_bounded}.get(name, _of_positive)
        for i in range(count):
            out[i] *= make(column, rng)
    return out


def _of_gradient(x2: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Powers and roots of u, logarithms, exponentials, poles and the cube root, gamma from 5e-4 to 3."""
    gx = 10.0 ** rng.uniform(-3.3, 0.5) * x2
    kind = rng.integers(0, 6)
    if kind == 0:
        return np.asarray((gx / (1.0 + gx)) ** rng.integers(0, 8))
    if kind == 1:
        return np.asarray((gx / (1.0 + gx)) ** rng.uniform(0.3, 1.0))
    if kind == 2:
        return np.asarray(np.log1p(gx) / (1.0 + gx) ** rng.uniform(0.0, 1.0))
    if kind == 3:
        return np.asarray(np.exp(-gx))
    if kind == 4:
        return np.asarray((1.0 + gx) ** -rng.uniform(0.3, 3.0))
    return np.asarray(np.cbrt(x2) / (1.0 + gx) ** rng.integers(0, 2))


def _of_bounded(w: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Powers, exponentials, real and imaginary poles, soft steps, random polynomials of degree 8."""
    kind = rng.integers(0, 6)
    if kind == 0:
        return np.asarray(w ** rng.integers(0, 8))
    if kind == 1:
        return np.asarray(np.exp(rng.uniform(-3.0, 3.0) * w))
    if kind == 2:
        return np.asarray(1.0 / (1.0 + rng.uniform(-0.9, 0.9) * w))
    if kind == 3:
        return np.asarray(1.0 / (1.0 + rng.uniform(0.0, 10.0) * w**2))
    if kind == 4:
        return np.asarray(np.tanh(rng.uniform(1.0, 5.0) * (w - rng.uniform(-0.9, 0.9))))
    return np.asarray(np.polynomial.chebyshev.chebval(w, rng.normal(size=9)))


def _of_positive(rho: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Saturating powers of a density: (a rho)^p / (1 + (a rho)^p)."""
    scaled = (10.0 ** rng.uniform(-2.0, 2.0) * rho) ** rng.choice([1.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0, 1.0])
    return np.asarray(scaled / (1.0 + scaled) if rng.integers(0, 4) else np.ones_like(rho))
