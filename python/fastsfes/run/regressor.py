"""`PointwiseRegressor`: searches on points in the shape of scikit-learn's estimators, which does not have to be there.

It keeps to scikit-learn's conventions by itself; of scikit-learn it takes only what its own tools ask for, when they
do: its error for an estimator that is not fitted, and the description of the estimator.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import InputError
from ..formula.expression import COLUMNS, Expression
from ..formula.features import channel as channel_kind
from ..functionals.functional import Channel
from .search import Run
from .search_points import search_points

__all__ = ["PointwiseRegressor"]

FloatArray = npt.NDArray[np.float64]


class PointwiseRegressor:
    """A formula of the columns of X that gives y: fit, predict and score as in scikit-learn.

    >>> model = fs.PointwiseRegressor(candidates=5000).fit(X, y)
    >>> model.expression_, model.score(X, y)

    Columns are the features X0, X1, ... of the formula. With `channel` X is a data frame whose columns are features of
    that channel (x2, w, ...), and the formula is its enhancement factor.

    Args:
        channel: "x", "css" or "cos" to use the features of an enhancement factor by name; None for columns.
        candidates: number of formulas to make before stopping.
        random_state: seed of all random numbers: a whole number; None is 0, so that fits can be repeated.
        select: rule that picks from the front of complexity against error, see `fastsfes.SearchConfig`.
        threads: for fitting; 0 for OMP_NUM_THREADS or all cores.
        output: directory to keep the run in; None keeps nothing but the formulas.
        options: further options of `fastsfes.SearchConfig`, as a dict.

    Attributes:
        expression_: the formula, an `Expression`, and `parameters_` its values.
        front_: list of dicts of the formulas that no simpler one beats: complexity, parameters, train, validation
            (errors in units of the spread of y), expression.
        n_features_in_: number of columns; `feature_names_in_` their names, where X had some.
    """

    def __init__(
        self,
        channel: str | None = None,
        candidates: int = 10000,
        random_state: int | None = None,
        select: str = "one-se",
        threads: int = 0,
        output: str | Path | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.channel = channel
        self.candidates = candidates
        self.random_state = random_state
        self.select = select
        self.threads = threads
        self.output = output
        self.options = options

    # -- scikit-learn's conventions -----------------------------------------------------------------------------------

    @classmethod
    def _names(cls) -> list[str]:
        return sorted(n for n in inspect.signature(cls.__init__).parameters if n != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> PointwiseRegressor:
        """Change arguments of the constructor."""
        for name, value in params.items():
            if name not in self._names():
                raise InputError(
                    f"Invalid parameter {name!r} for estimator {self!r}; it has {', '.join(self._names())}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = {n: v for n, v in self.get_params().items() if v != defaults[n].default}
        return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in changed.items())})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "expression_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(),
        )

    # -- work ---------------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> PointwiseRegressor:
        """Search for a formula.

        Args:
            X: (n, columns) numbers: an array, or a data frame.
            y: (n,) values.
            sample_weight: of the squared errors, (n,).

        Raises:
            InputError: shapes that do not fit, numbers that are not finite.
        """
        data, names = _matrix(X), _column_names(X)
        target = _target(y, len(data))
        if len(data) < 2:
            raise InputError(
                f"X has 1 sample (n_samples = {len(data)}); a search needs points for training and validation"
            )
        self.n_features_in_ = data.shape[1]
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        self._features = self._feature_names(names)
        data, target, weights = _distinct(data, target, _weights(sample_weight, len(data)))
        features = dict(zip(self._features, data.T, strict=True))
        settings = {"candidates": self.candidates, "select": self.select, "threads": self.threads}
        seed = 0 if self.random_state is None else self.random_state
        with tempfile.TemporaryDirectory() as folder:
            run = search_points(
                features,
                target,
                weights,
                self.channel,
                output=Path(folder) / "run" if self.output is None else self.output,
                progress="none",
                **{**settings, **(self.options or {}), "seed": seed},
            )
            self._take(run)
        return self

    def _take(self, run: Run) -> None:
        best = next(iter(run.best.channels.values()))
        self.expression_: Expression = best.expression
        self.parameters_ = dict(best.parameters)
        self.front_ = [
            {n: row[n] for n in ("complexity", "parameters", "train", "validation")}
            | {"expression": next(iter(row["functional"]["channels"].values()))["expression"]}
            for row in run.members
        ]

    def _feature_names(self, names: list[str] | None) -> list[str]:
        count = self.n_features_in_
        if self.channel is not None:
            if names is None:
                raise InputError(
                    f"channel is {self.channel!r}: X has to name its features, as a data frame of "
                    f"{', '.join(channel_kind(self.channel).features)} does; or leave out channel"
                )
            return names
        if count > len(COLUMNS):
            raise InputError(f"X has {count} columns; expected at most {len(COLUMNS)}")
        return list(COLUMNS[:count])

    def predict(self, X: Any) -> FloatArray:
        """Values of the formula, (n,)."""
        self._check_fitted()
        data, names = _matrix(X), _column_names(X)
        known = getattr(self, "feature_names_in_", None)
        if names is not None and known is not None and names != list(known):
            missing, extra = sorted(set(known) - set(names)), sorted(set(names) - set(known))
            lines = ["The feature names should match those that were passed during fit."]
            if extra:
                lines += ["Feature names unseen at fit time:", *(f"- {n}" for n in extra)]
            if missing:
                lines += ["Feature names seen at fit time, yet now missing:", *(f"- {n}" for n in missing)]
            if not extra and not missing:
                lines.append("Feature names must be in the same order as they were in fit.")
            raise InputError("\n".join(lines) + "\n")
        if data.shape[1] != self.n_features_in_:
            raise InputError(
                f"X has {data.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                f"features as input"
            )
        factor = Channel(self.expression_, self.parameters_)
        values = factor.evaluate(dict(zip(self._features, np.ascontiguousarray(data.T), strict=True)))
        return np.array(np.broadcast_to(values, len(data)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination R^2 of the prediction."""
        found = self.predict(X)
        target = _target(y, len(found))
        weights = _weights(sample_weight, len(target))
        spread = float(np.sum(weights * (target - np.average(target, weights=weights)) ** 2))
        rest = float(np.sum(weights * (target - found) ** 2))
        if spread == 0.0:
            return 1.0 if rest == 0.0 else 0.0
        return 1.0 - rest / spread

    def _check_fitted(self) -> None:
        if self.__sklearn_is_fitted__():
            return
        text = f"This {type(self).__name__} instance is not fitted yet; call fit first"
        if "sklearn" in sys.modules:
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(text)
        raise InputError(text)


def _matrix(X: Any) -> FloatArray:
    """X as (n, columns) of finite numbers; the messages are those that scikit-learn's checks look for."""
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise InputError("X is a sparse matrix; expected a dense one: X.toarray()")
    array = np.asarray(X)
    if array.dtype.kind == "c":
        raise InputError("Complex data not supported: X holds complex numbers")
    if array.ndim != 2:
        raise InputError(
            f"Expected 2D array, got {array.ndim}D array instead. Reshape your data using X.reshape(-1, 1) if it has "
            f"one column"
        )
    if array.shape[0] == 0:
        raise InputError(f"Found array with 0 sample(s) (shape={array.shape}) while a minimum of 1 is required")
    if array.shape[1] == 0:
        raise InputError(f"0 feature(s) (shape={array.shape}) while a minimum of 1 is required.")
    try:
        data = np.ascontiguousarray(array, dtype=float)
    except (TypeError, ValueError) as error:
        # the kind of error that scikit-learn's own estimators raise for objects that are no numbers
        raise (TypeError if isinstance(error, TypeError) else InputError)(
            f"X holds what is no number: {error}"
        ) from None
    if not np.isfinite(data).all():
        raise InputError("Input X contains NaN or infinity; expected finite numbers")
    return data


def _target(y: Any, count: int) -> FloatArray:
    if y is None:
        raise InputError("requires y to be passed, but the target y is None")
    array = np.asarray(y)
    if array.dtype.kind == "c":
        raise InputError("Complex data not supported: y holds complex numbers")
    if array.ndim == 2 and array.shape[1] == 1:
        if "sklearn" in sys.modules:
            import warnings

            from sklearn.exceptions import DataConversionWarning

            warnings.warn(
                "A column-vector y was passed when a 1d array was expected; change the shape of y to (n_samples,)",
                DataConversionWarning,
                stacklevel=3,
            )
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"y should be a 1d array, got an array of shape {array.shape} instead.")
    if len(array) != count:
        raise InputError(f"X and y have {count} and {len(array)} samples: inconsistent numbers of samples")
    data = np.asarray(array, dtype=float)
    if not np.isfinite(data).all():
        raise InputError("Input y contains NaN or infinity; expected finite numbers")
    return data


def _weights(given: Any, count: int) -> FloatArray:
    if given is None:
        return np.ones(count)
    weights = np.asarray(given, dtype=float)
    if weights.shape != (count,):
        raise InputError(f"sample_weight has shape {weights.shape}; expected ({count},)")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise InputError("sample_weight: expected finite numbers of at least 0, and not all weights zero")
    return weights


def _distinct(data: FloatArray, target: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points in one order, repeated ones once with the sum of their weights: a weight of 2 is a point that is there
    twice, and the order of the rows means nothing."""
    kept = weights > 0
    rows, inverse = np.unique(np.column_stack([data, target])[kept], axis=0, return_inverse=True)
    sums = np.bincount(inverse.reshape(-1), weights[kept], minlength=len(rows)).astype(float)
    return np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, -1]), sums


def _column_names(X: Any) -> list[str] | None:
    """The names of a data frame's columns, if they are texts."""
    columns = getattr(X, "columns", None)
    names = None if columns is None else list(columns)
    return names if names and all(isinstance(n, str) for n in names) else None
