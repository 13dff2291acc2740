"""Uncertainties of fitted parameters from the curvature of the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import FastsfesError
from ..common.files import plain
from .minimum import Optimum

__all__ = ["ParameterUncertainties", "parameter_uncertainties"]

FloatArray = npt.NDArray[np.float64]

SINGULAR = 1e-12
"""Eigenvalues of the scaled Hessian below this part of the largest mean parameters that the data do not determine."""


@dataclass(frozen=True)
class ParameterUncertainties:
    """Standard errors of the parameters at the optimum of a weighted least-squares fit.

    With errors r_i, weights w_i, Jacobian J, n reactions and p parameters:

    * A = J^T w J + sum_i w_i r_i (second derivatives of r_i), half the Hessian of sum w r^2: the nonlinear parameters
      are treated like the linear ones, and residuals that do not vanish are taken into account;
    * ``covariance`` = s^2 A^-1 with s^2 = sum w r^2/(n - p): right when errors of reactions are independent and the
      weights are inverse variances up to a factor;
    * ``robust`` = A^-1 B A^-1 with B = n/(n - p) J^T w^2 r^2 J (White's estimator, 10.2307/1912934): needs
      independence only.

    Away from a minimum, where A need not be positive definite, and at the edge of a parameter's domain, where it need
    not be finite, J^T w J stands for it.

    Both describe the scatter of the parameters if other reactions of the same kind had been drawn, to first order.
    They say nothing on errors of the form itself or of reference values, and reactions that share species are not
    independent, so that they are rather too small.

    Attributes:
        names: parameters, "channel.name".
        values: at the optimum, (p,).
        covariance, robust: (p, p); infinite on the diagonal where the data do not determine a parameter.
        sigma: s, kcal/mol.
        reactions: n.
        condition: of A, with parameters scaled to a unit diagonal.
        minimum: whether A is positive definite, that is whether the parameters are at a minimum.
        slope: largest derivative of the loss with respect to a parameter's standard error, relative to the loss: near 0
            at an optimum.
    """

    names: tuple[str, ...]
    values: FloatArray
    covariance: FloatArray
    robust: FloatArray
    sigma: float
    reactions: int
    condition: float
    minimum: bool
    slope: float

    @property
    def standard_errors(self) -> FloatArray:
        """Roots of the diagonal of the covariance, (p,)."""
        result: FloatArray = np.sqrt(np.diag(self.covariance))
        return result

    @property
    def robust_errors(self) -> FloatArray:
        """Roots of the diagonal of the robust covariance, (p,)."""
        result: FloatArray = np.sqrt(np.diag(self.robust))
        return result

    @property
    def correlation(self) -> FloatArray:
        """Correlations of the parameters, (p, p), from the covariance; NaN where they are not determined."""
        with np.errstate(invalid="ignore"):
            error = self.standard_errors
            result: FloatArray = self.covariance / np.outer(error, error)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; what is not finite becomes None."""
        data = {
            "parameters": [
                {"name": n, "value": float(v), "standard_error": float(e), "robust_error": float(r)}
                for n, v, e, r in zip(self.names, self.values, self.standard_errors, self.robust_errors, strict=True)
            ],
            "correlation": self.correlation.tolist(),
            "sigma": self.sigma,
            "reactions": self.reactions,
            "condition": self.condition,
            "minimum": self.minimum,
            "slope": self.slope,
        }
        return dict(plain(data))

    def __str__(self) -> str:
        width = max(len(n) for n in (*self.names, "parameter"))
        lines = [f"{'parameter':{width}}  {'value':>14}  {'standard error':>14}  {'robust':>14}  most correlated with"]
        correlation = self.correlation - np.eye(len(self.names))
        for k, name in enumerate(self.names):
            row = np.nan_to_num(correlation[k])
            partner = int(np.argmax(np.abs(row)))
            other = f"{self.names[partner]} ({row[partner]:+.3f})" if len(self.names) > 1 else ""
            lines.append(
                f"{name:{width}}  {self.values[k]:14.6g}  {self.standard_errors[k]:14.3g}  "
                f"{self.robust_errors[k]:14.3g}  {other}"
            )
        state = "a minimum" if self.minimum else "not a minimum"
        lines.append(
            f"{self.reactions} reactions, s = {self.sigma:.4g} kcal/mol, condition number {self.condition:.2g}, {state}"
        )
        return "\n".join(lines)


def parameter_uncertainties(best: Optimum) -> ParameterUncertainties:
    """Covariance of the parameters at an `optimum`, nonlinear ones included.

    Raises:
        FastsfesError: errors have no finite derivatives there.
    """
    vector = best.problem.vector(best.functional)
    weights = best.problem.weights(best.split)
    jacobian = best.problem.jacobian(best.functional, best.split)
    errors = best.problem.errors(best.functional, best.split)
    n, p = jacobian.shape
    freedom = max(n - p, 1)
    bad = [name for name, column in zip(best.names, jacobian.T, strict=True) if not np.isfinite(column).all()]
    if bad or not np.isfinite(errors).all():
        raise FastsfesError(
            f'functional "{best.functional.name}": its errors or their derivatives with respect to '
            f"{', '.join(bad or best.names)} are not finite at these parameters, so that uncertainties cannot be told; "
            f"refit it, or start from other values"
        )
    half_hessian = _half_hessian(best, vector, weights)
    minimum = bool(np.isfinite(half_hessian).all())
    if minimum:
        inverse, condition, minimum, lost = _inverse(half_hessian)
    if not minimum:
        inverse, condition, _, lost = _inverse((jacobian.T * weights) @ jacobian)
    variance = float(np.sum(weights * errors**2)) / freedom
    scatter = (n / freedom) * (jacobian.T * (weights * errors) ** 2) @ jacobian
    covariance, robust = variance * inverse, inverse @ scatter @ inverse
    for matrix in (covariance, robust):
        matrix[lost, lost] = np.inf
    gradient = jacobian.T @ (weights * errors)
    error = np.where(lost, 0.0, np.sqrt(np.maximum(np.where(lost, 0.0, np.diag(covariance)), 0.0)))
    slope = float(np.max(np.abs(gradient * error))) / float(np.sum(weights * errors**2))
    return ParameterUncertainties(
        tuple(best.names), vector, covariance, robust, math.sqrt(variance), n, condition, minimum, slope
    )


def _half_hessian(best: Optimum, vector: FloatArray, weights: FloatArray) -> FloatArray:
    """Derivatives of J^T w r: central differences of fourth order of the exact gradient."""
    expressions = best.problem.expressions(best.functional)
    core, split = best.problem.core, best.split

    def gradient(at: FloatArray) -> FloatArray:
        result: FloatArray = core.jacobian(expressions, at, split).T @ (weights * core.errors(expressions, at, split))
        return result

    columns = []
    for k, value in enumerate(vector):
        step = 1e-3 * abs(value) if value != 0.0 else 1e-3
        column = np.zeros(len(vector))
        for distance, weight in ((-2, 1.0), (-1, -8.0), (1, 8.0), (2, -1.0)):
            moved = vector.copy()
            moved[k] += distance * step
            column += weight / (12.0 * step) * gradient(moved)
        columns.append(column)
    matrix = np.array(columns)
    return 0.5 * (matrix + matrix.T)


def _inverse(matrix: FloatArray) -> tuple[FloatArray, float, bool, npt.NDArray[np.bool_]]:
    """Inverse on the space that is determined, condition number, definiteness, and the parameters outside."""
    scale = np.sqrt(np.abs(np.diag(matrix)))
    scale = np.where(scale > 0.0, scale, 1.0)
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    small = np.abs(values) <= SINGULAR * values[-1]
    kept = vectors[:, ~small]
    inverse = (kept / values[~small]) @ kept.T / np.outer(scale, scale)
    lost = np.abs(vectors[:, small]).max(axis=1) > 1e-3 if small.any() else np.zeros(len(matrix), dtype=bool)
    condition = math.inf if small.any() else float(values[-1] / np.abs(values).min())
    return inverse, condition, bool(values[~small].min() > 0.0), lost
