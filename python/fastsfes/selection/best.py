"""The best subsets of each size, by a criterion, each with what is known of how good it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .. import _core
from ..common.arguments import meant
from ..common.errors import InputError
from ..datasets.model import Reaction
from ..fitting import folds_of
from .problem import Columns, Rules, core_selection

__all__ = ["CERTIFICATES", "CRITERIA", "Selected", "Selector", "Settings", "certificate"]

FloatArray = npt.NDArray[np.float64]

CRITERIA = ("train", "train_validation", "cross_validation", "worst_type", "cross_validation_worst_type")
"""What subsets are judged by, all in kcal/mol:

* train: WRMSD of the training reactions, to which the coefficients are fitted.
* train_validation: sqrt(0.7 train^2 + 0.3 validation^2), and the coefficients are fitted to that.
* cross_validation: WRMSD of the training and validation reactions together, each subset of reactions predicted by a
  fit without it, as in a search; the coefficients are fitted to both.
* worst_type: the largest WRMSD of a data type of the training reactions.
* cross_validation_worst_type: the largest of a data type in the cross-validation.
"""

_SHARES: Mapping[str, Mapping[str, float | None]] = {
    "train": {"train": 1.0},
    "train_validation": {"train": 0.7, "validation": 0.3},
    "cross_validation": {"train": None, "validation": None},
}
CERTIFICATES: Mapping[str, tuple[str, str]] = {
    "optimal": ("optimal", "leaps and bounds looked at all subsets of independent terms, or could exclude them"),
    "near": (
        "optimal to {gap} %; {restarts}",
        "it ended early, at a bound so close that no subset has an error smaller by more than half a per cent",
    ),
    "within": (
        "within {gap} %; {restarts}",
        "it ended early, and no subset has an error smaller by more than that",
    ),
    "restarts": (
        "best of {restarts} restarts, of which {agreeing} agree",
        "nothing is known but that, as for every criterion other than the error of the fit",
    ),
    "refined": ("scales refined", "the best subset so far, with scales between those that were tried"),
}
"""What is known of the best subset of a size: its words, and what they mean."""
_NEAR = 5e-3
"""Gaps that count as none."""
_WEAK = 0.99
"""A bound that says less is not mentioned."""
_JUDGED = 4
"""Restarts, patience and screen are divided by it where a criterion is solved for, not only a residual."""


def fitted_shares(criterion: str) -> Mapping[str, float | None]:
    """The splits that a criterion fits coefficients to, and their shares of the squared loss.

    None: all reactions of these splits count alike.
    """
    return _SHARES[criterion.replace("_worst_type", "") if criterion != "worst_type" else "train"]


@dataclass(frozen=True)
class Settings:
    """How subsets are searched.

    Attributes:
        restarts, patience, screen, keep, seed: of the local search, see `fastsfes.select`.
        nodes: sets that leaps and bounds may look at for a certificate; 0 for none.
        folds: parts of the cross-validation, of whole subsets of reactions.
        keep_subsets: patterns of subsets that cross-validation never leaves out.
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
    folds: int = 5
    keep_subsets: Sequence[str] = ("AE18",)
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
        certificate: one of `CERTIFICATES`, such as "optimal"; empty for all but the first of a size.
    """

    chosen: tuple[int, ...]
    coefficients: tuple[float, ...]
    value: float
    lower: float
    certificate: str


def certificate(key: str, **values: object) -> str:
    """The words of one of `CERTIFICATES`."""
    return CERTIFICATES[key][0].format(**values)


class Selector:
    """Searches subsets of one library by one criterion."""

    def __init__(
        self, columns: Columns, rules: Rules, criterion: str = "train", settings: Settings | None = None
    ) -> None:
        if criterion not in CRITERIA:
            raise InputError(f'criterion "{criterion}" is unknown; {meant(criterion, CRITERIA, "expected one of")}')
        self.columns, self.rules, self.criterion = columns, rules, criterion
        self.settings = settings or Settings()
        matrix, target, reactions = self._rows()
        more, wanted = self._further()
        self.core: _core.Selection = core_selection(np.vstack([matrix, more]), np.append(target, wanted), rules)
        self._judged = criterion not in ("train", "train_validation")
        if self._judged:
            self._judge(reactions, len(wanted))

    def _rows(self) -> tuple[FloatArray, FloatArray, list[Reaction]]:
        """Rows whose sum of squared errors is the squared loss."""
        shares = fitted_shares(self.criterion)
        if missing := [split for split in shares if split not in self.columns.matrix]:
            raise InputError(f'criterion "{self.criterion}": the dataset has no {missing[0]} reactions')
        reactions = [r for split in shares for r in self.columns.reactions[split]]
        matrix, target = [], []
        for split, share in shares.items():
            count = len(reactions) if share is None else len(self.columns.reactions[split]) / share
            root = np.sqrt(self.columns.problem.weights(split) / count)
            matrix.append(root[:, None] * self.columns.matrix[split])
            target.append(root * self.columns.target[split])
        return np.vstack(matrix), np.concatenate(target), reactions

    @property
    def _crossed(self) -> bool:
        return self.criterion.startswith("cross_validation")

    def _further(self) -> tuple[FloatArray, FloatArray]:
        """Rows of graded conditions, of the grid's sensitivity and of the ridge."""
        count = len(self.columns.term_library)
        rows, wanted = [self.rules.graded], [self.rules.wanted]
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
        """Folds and bins of the rows, see the core's Criterion."""
        count = len(reactions)
        fold, judged = [-1] * count, [True] * count
        if self._crossed:
            dealt = folds_of([r.subset for r in reactions], self.settings.folds, self.settings.keep_subsets)
            if len(dealt) < 2:
                raise InputError("cross-validation needs at least two subsets of reactions that may be left out")
            for number, rows in enumerate(dealt):
                for row in rows:
                    fold[row] = number
            judged = [f >= 0 for f in fold]
        names = [r.data_type if self.criterion.endswith("worst_type") else "" for r in reactions]
        types = sorted({n for n, j in zip(names, judged, strict=True) if j})
        bins = [types.index(n) if j else -1 for n, j in zip(names, judged, strict=True)]
        # rows are scaled by 1/sqrt(reactions); the mean is over those of the bin
        factor = [count / bins.count(k) for k in range(len(types))]
        self.core.judge_by(fold + [-1] * further, bins + [-1] * further, factor)

    def check(self, sizes: Sequence[int]) -> None:
        """Refuse sizes that no subset of independent terms can have.

        Raises:
            InputError: with what the library has.
        """
        names, always = self.columns.term_library.names, self.rules.always
        open_ = self.core.open()  # those that are always chosen first
        free = set(self.core.independent(open_)) if open_ else set()
        dependent = [k for k in open_ if k not in free]
        if dependent and dependent[0] in always:
            raise InputError(f'always: "{names[dependent[0]]}" is a sum of others always chosen; leave one out')
        least, most = max(1, len(always)), len(free)
        wrong = [n for n in sizes if not least <= n <= most]
        if not wrong:
            found, _, _, complete, _ = self.core.bound(max(sizes), math.inf, 1)
            if complete and not found:  # of all terms together, and so of any subset
                raise InputError("no coefficients of the terms meet all conditions and limits; loosen some")
            return
        has = f"{len(names)} terms"
        if len(open_) < len(names):
            has += f", {len(open_)} of which may be chosen"
        if dependent:
            has += f', {most} of which are independent of each other ("{names[dependent[0]]}" is a sum of others)'
        if always:
            has += f", {len(always)} of which are always chosen"
        raise InputError(
            f"sizes: cannot choose {wrong[0]} terms: the library has {has}; expected {least} to {most}, such as "
            f"--sizes {least}:{most}"
        )

    def search(self, size: int, starts: Sequence[Sequence[int]] = ()) -> list[Selected]:
        """The best subsets of `size` terms, best first; the first with a certificate.

        Args:
            size: number of terms.
            starts: subsets of this size where further restarts begin.

        Raises:
            InputError: sizes that the library does not have.
        """
        s = self.settings
        begun = [list(start) for start in starts]
        if self._judged:
            # a criterion costs a hundred times as much as a residual: it begins where the residual is small
            rough = self.core.search(
                size, s.restarts, s.patience, s.screen, s.restarts, s.seed, s.threads, begun, judged=False
            )
            begun += [terms for terms, _ in rough["subsets"]]
        restarts, patience, screen = (
            (s.restarts, s.patience, s.screen)
            if not self._judged
            else (max(1, s.restarts // _JUDGED), s.patience // _JUDGED, max(1, s.screen // _JUDGED))
        )
        found = self.core.search(size, restarts, patience, screen, s.keep, s.seed, s.threads, begun)
        subsets = found["subsets"]
        lower, searched = 0.0, certificate("restarts", restarts=found["restarts"], agreeing=found["agreeing"])
        text = searched
        if not self._judged and s.nodes > 0:
            value = subsets[0][1] if subsets else math.inf
            better, least, bound, complete, _ = self.core.bound(size, value, s.nodes)
            if better:
                subsets = [(better, least), *subsets][: s.keep]
            if complete and subsets:
                lower, text = least, certificate("optimal")
            elif subsets and bound > 0:
                lower = bound
                gap = 1.0 - math.sqrt(bound / subsets[0][1])
                if gap < _WEAK:
                    key, shown = ("within", gap) if gap > _NEAR else ("near", _NEAR)
                    text = certificate(key, gap=f"{100 * shown:.2g}", restarts=searched)
        made: list[Selected] = []
        for place, (chosen, value) in enumerate(subsets):
            solution = self.core.solve(chosen)
            if solution is None:  # terms that depend on each other to the last digits have no coefficients
                continue
            if not self._judged:
                value = solution[0]
            coefficients = tuple(float(c) for c in solution[1])
            known = text if place == 0 else "" if made else searched
            bound = math.sqrt(lower) if place == 0 else 0.0
            made.append(Selected(tuple(chosen), coefficients, math.sqrt(value), bound, known))
        return made

    def extended(self, chosen: Sequence[int], size: int) -> tuple[int, ...]:
        """A subset with further terms, each the one that lowers the error of the fit most; fewer where none can be."""
        made = tuple(chosen)
        while len(made) < size:
            better: list[tuple[float, int]] = []
            for k in range(len(self.columns.term_library)):
                if k not in made and k not in self.rules.never:
                    solution = self.core.solve([*made, k])
                    if solution is not None:
                        better.append((solution[0], k))
            if not better:
                break
            made = (*made, min(better)[1])
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
