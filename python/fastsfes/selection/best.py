"""The best subsets of each size, by a criterion, each with what is known of how good it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .. import _core
from ..common.errors import InputError
from ..datasets.model import Reaction
from .problem import Columns, Rules, core_selection

__all__ = ["CRITERIA", "Selected", "Selector", "Settings"]

FloatArray = npt.NDArray[np.float64]

CRITERIA = ("train", "train_validation", "cross_validation", "worst_type")
"""What subsets are judged by, all in kcal/mol:

* train: WRMSD of the training reactions, to which the coefficients are fitted.
* train_validation: sqrt(0.7 train^2 + 0.3 validation^2), and the coefficients are fitted to that.
* cross_validation: WRMSD of the training reactions, each subset of them predicted by a fit without it.
* worst_type: the largest WRMSD of a data type of the training reactions.
"""

_SHARES = {"train": 0.7, "validation": 0.3}
_GAP = 5e-3


@dataclass(frozen=True)
class Settings:
    """How subsets are searched.

    Attributes:
        restarts, patience, screen, keep, seed: of the local search, see `fastsfes.select`.
        nodes: sets that leaps and bounds may look at for a certificate; 0 for none.
        folds: parts of the cross-validation, of whole subsets of reactions.
        ridge: ridge * sum((c - reference)^2) joins the squared loss, (kcal/mol)^2.
        reference: coefficients of terms by position, 0 for the others.
        grid: weight of the grid sensitivity in the loss: sqrt(loss^2 + (grid * sensitivity)^2).
        threads: 0 for OpenMP's own choice; results do not depend on it.
    """

    restarts: int = 32
    patience: int = 40
    screen: int = 1000
    keep: int = 8
    nodes: int = 20000
    seed: int = 0
    folds: int = 10
    ridge: float = 0.0
    reference: Mapping[int, float] = field(default_factory=dict)
    grid: float = 0.0
    threads: int = 0


@dataclass(frozen=True)
class Selected:
    """A subset with its coefficients.

    Attributes:
        chosen: positions of its terms in the library, ascending.
        coefficients: of these terms.
        value: of the criterion it was searched by, kcal/mol.
        lower: no subset of this size has a value below; 0 where nothing is known.
        certificate: "optimal", "within 3 %" or "best of 32 restarts, of which 30 agree".
    """

    chosen: tuple[int, ...]
    coefficients: tuple[float, ...]
    value: float
    lower: float
    certificate: str


class Selector:
    """Searches subsets of one library by one criterion."""

    def __init__(
        self, columns: Columns, rules: Rules, criterion: str = "train", settings: Settings | None = None
    ) -> None:
        if criterion not in CRITERIA:
            raise InputError(f'criterion "{criterion}" is unknown; expected one of {", ".join(CRITERIA)}')
        self.columns, self.rules, self.criterion = columns, rules, criterion
        self.settings = settings or Settings()
        matrix, target, reactions = self._rows()
        more, wanted = self._further()
        self.core: _core.Selection = core_selection(np.vstack([matrix, more]), np.append(target, wanted), rules)
        self._judged = criterion in ("cross_validation", "worst_type")
        if self._judged:
            self._judge(reactions, len(wanted))

    def _rows(self) -> tuple[FloatArray, FloatArray, list[Reaction]]:
        """Rows whose sum of squared errors is the squared loss."""
        splits = tuple(_SHARES) if self.criterion == "train_validation" else ("train",)
        matrix, target = [], []
        reactions: list[Reaction] = []
        for split in splits:
            if split not in self.columns.matrix:
                raise InputError(f'criterion "{self.criterion}": the dataset has no {split} reactions')
            share = _SHARES[split] if len(splits) > 1 else 1.0
            weights = self.columns.problem.weights(split)
            root = np.sqrt(share * weights / len(weights))
            matrix.append(root[:, None] * self.columns.matrix[split])
            target.append(root * self.columns.target[split])
            reactions += self.columns.reactions[split]
        return np.vstack(matrix), np.concatenate(target), reactions

    def _further(self) -> tuple[FloatArray, FloatArray]:
        """Rows of the grid's sensitivity and of the ridge."""
        count = len(self.columns.library)
        rows, wanted = [np.zeros((0, count))], [np.zeros(0)]
        if self.settings.grid > 0:
            if self.columns.grid is None:
                raise InputError("the grid's sensitivity needs a second quadrature, of finer grids; name it")
            weights = self.columns.problem.weights("train")
            rows.append(self.settings.grid * np.sqrt(weights / len(weights))[:, None] * self.columns.grid)
            wanted.append(np.zeros(len(weights)))
        if self.settings.ridge > 0:
            root = math.sqrt(self.settings.ridge)
            rows.append(root * np.eye(count))
            wanted.append(root * np.array([self.settings.reference.get(k, 0.0) for k in range(count)]))
        return np.vstack(rows), np.concatenate(wanted)

    def _judge(self, reactions: Sequence[Reaction], further: int) -> None:
        count = len(reactions)
        if self.criterion == "cross_validation":
            group = folds([r.subset for r in reactions], self.settings.folds)
            parts = max(group) + 1
            if parts < 2:
                raise InputError("cross-validation needs at least two subsets of training reactions")
            self.core.judge_by("cross", group + [-1] * further, [1.0] * parts)
            return
        types = sorted({r.data_type for r in reactions})
        group = [types.index(r.data_type) for r in reactions]
        # rows are scaled by 1/sqrt(reactions); the mean is over those of the type
        self.core.judge_by("worst", group + [-1] * further, [float(count)] * len(types))

    def search(self, size: int, starts: Sequence[Sequence[int]] = ()) -> list[Selected]:
        """The best subsets of `size` terms, best first; the first with a certificate.

        Raises:
            InputError: sizes that the library does not have.
        """
        s = self.settings
        found = self.core.search(
            size, s.restarts, s.patience, s.screen, s.keep, s.seed, s.threads, [list(start) for start in starts]
        )
        subsets = found["subsets"]
        lower, text = 0.0, f"best of {found['restarts']} restarts, of which {found['agreeing']} agree"
        if not self._judged and s.nodes > 0:
            value = subsets[0][1] if subsets else math.inf
            better, least, bound, complete, _ = self.core.bound(size, value, s.nodes)
            if better:
                subsets = [(better, least), *subsets][: s.keep]
            if complete and subsets:
                lower, text = least, "optimal"
            elif subsets and bound > 0:
                lower = bound
                gap = 1.0 - math.sqrt(bound / subsets[0][1])
                text = f"within {100 * gap:.2g} %; {text}" if gap > _GAP else f"optimal to {_GAP:.1%}; {text}"
        made = []
        for place, (chosen, value) in enumerate(subsets):
            solution = self.core.solve(chosen)
            if solution is None:
                continue
            coefficients = tuple(float(c) for c in solution[1])
            sure = place == 0
            made.append(
                Selected(
                    tuple(chosen),
                    coefficients,
                    math.sqrt(value),
                    math.sqrt(lower) if sure else 0.0,
                    text if sure else "",
                )
            )
        return made

    def value(self, chosen: Sequence[int]) -> float:
        """The criterion of a subset, kcal/mol; infinite where no coefficients meet the conditions."""
        if self._judged:
            return math.sqrt(self.core.judge(list(chosen)))
        solution = self.core.solve(list(chosen))
        return math.inf if solution is None else math.sqrt(solution[0])

    def solve(self, chosen: Sequence[int]) -> tuple[float, ...] | None:
        """Coefficients of a subset; None where none meet the conditions."""
        solution = self.core.solve(list(chosen))
        return None if solution is None else tuple(float(c) for c in solution[1])


def folds(subsets: Sequence[str], count: int) -> list[int]:
    """Fold of every row: whole subsets, the largest first, each to the fold with the fewest rows so far."""
    names = sorted(set(subsets), key=lambda n: (-subsets.count(n), n))
    filled = [0] * min(count, len(names))
    of: dict[str, int] = {}
    for name in names:
        of[name] = filled.index(min(filled))
        filled[of[name]] += list(subsets).count(name)
    return [of[s] for s in subsets]
