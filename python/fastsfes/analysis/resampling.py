"""Bootstrap: how the parameters and losses scatter when reactions are drawn again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..common.errors import FastsfesError, InputError
from ..common.files import plain
from ..datasets.model import Reaction
from ..executors.threads import threads_per_worker
from .minimum import FIT, Optimum

__all__ = ["Bootstrap", "bootstrap"]

FloatArray = npt.NDArray[np.float64]
Unit = Literal["reaction", "subset"]


@dataclass(frozen=True)
class Bootstrap:
    """Parameters and losses of fits to resampled reactions.

    Attributes:
        names: parameters, "channel.name".
        values: at the optimum of the dataset itself, (p,).
        samples: of every successful fit, (samples, p).
        losses: split -> WRMSD of all its reactions with the parameters of every sample, kcal/mol, (samples,).
        failed: fits that failed.
        unit: what was drawn, "reaction" or "subset".
    """

    names: tuple[str, ...]
    values: FloatArray
    samples: FloatArray
    losses: Mapping[str, FloatArray]
    failed: int
    unit: str

    @property
    def standard_errors(self) -> FloatArray:
        """Half the width of the central 68.27 % of the samples, (p,).

        For a normal distribution the standard deviation. Unlike that it survives the few samples in which a form
        degenerates, such as c u(x2, g) with g to 0 and c to infinity.
        """
        low, high = self.interval(0.6827)
        result: FloatArray = 0.5 * (high - low)
        return result

    def interval(self, level: float = 0.95) -> FloatArray:
        """Percentile interval of every parameter, (2, p)."""
        tail = 50.0 * (1.0 - level)
        result: FloatArray = np.percentile(self.samples, [tail, 100.0 - tail], axis=0)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: a summary of every parameter and split, without the samples; not finite becomes None."""
        low, high = self.interval()
        data = {
            "unit": self.unit,
            "samples": len(self.samples),
            "failed": self.failed,
            "parameters": [
                {"name": n, "value": float(v), "standard_error": float(e), "low": float(a), "high": float(b)}
                for n, v, e, a, b in zip(self.names, self.values, self.standard_errors, low, high, strict=True)
            ],
            "losses": {
                split: {
                    "mean": float(x.mean()),
                    "standard_deviation": float(x.std(ddof=1)),
                    "low": float(np.percentile(x, 2.5)),
                    "high": float(np.percentile(x, 97.5)),
                }
                for split, x in self.losses.items()
            },
        }
        return dict(plain(data))

    def __str__(self) -> str:
        width = max(len(n) for n in (*self.names, "parameter"))
        low, high = self.interval()
        lines = [f"{'parameter':{width}}  {'value':>14}  {'standard error':>14}  {'95 % interval':>28}"]
        for k, name in enumerate(self.names):
            span = f"{low[k]:.6g} ... {high[k]:.6g}"
            lines.append(f"{name:{width}}  {self.values[k]:14.6g}  {self.standard_errors[k]:14.3g}  {span:>28}")
        for split, x in self.losses.items():
            a, b = np.percentile(x, [2.5, 97.5])
            lines.append(f"WRMSD {split}: mean {x.mean():.4f}, 95 % of the samples {a:.4f} ... {b:.4f} kcal/mol")
        failed = f", {self.failed} failed" if self.failed else ""
        lines.append(f"{len(self.samples)} samples of {self.unit}s{failed}")
        return "\n".join(lines)


def bootstrap(
    best: Optimum,
    *,
    samples: int = 200,
    seed: int = 0,
    by: Unit = "reaction",
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Bootstrap:
    """Fit an `optimum` again, to training reactions that are drawn with replacement, as often as there are reactions.

    Reactions that share species are not independent; drawing whole subsets (`by`) is the cautious choice. Every sample
    has a random stream of its own, so that the result depends on the seed alone.

    Args:
        samples: number of fits.
        seed: of the draws.
        by: "reaction", or "subset" to draw whole subsets.
        threads: fits at a time; 0 for OMP_NUM_THREADS or all cores.
        progress: called with (done, samples).

    Raises:
        InputError: samples below 2, an unknown unit, or a single subset to draw from.
        FastsfesError: fewer than two fits succeed.
    """
    if samples < 2:
        raise InputError(f"samples {samples}: expected at least 2")
    groups = _groups(best.problem.reactions[best.split], by)
    streams = np.random.SeedSequence(seed).spawn(samples)

    def one(stream: np.random.SeedSequence) -> tuple[FloatArray, dict[str, float]] | None:
        drawn = np.random.default_rng(stream).integers(len(groups), size=len(groups))
        counts = np.zeros(len(best.problem.reactions[best.split]))
        for group in drawn:
            counts[groups[group]] += 1.0
        (found,) = best.problem.reweighted(counts).fit([best.functional], FIT, threads=1)
        if not math.isfinite(found.losses[best.split]):
            return None
        losses = {split: best.problem.loss(found.functional, split) for split in best.losses}
        return best.problem.vector(found.functional), losses

    results = []
    with ThreadPoolExecutor(threads or threads_per_worker(1)) as pool:
        for done, result in enumerate(pool.map(one, streams), 1):
            results.append(result)
            if progress is not None:
                progress(done, samples)
    good = [r for r in results if r is not None]
    if len(good) < 2:
        raise FastsfesError(
            f'"{best.functional.name}": {samples - len(good)} of {samples} fits to drawn reactions failed'
        )
    return Bootstrap(
        tuple(best.names),
        best.problem.vector(best.functional),
        np.array([vector for vector, _ in good]),
        {split: np.array([losses[split] for _, losses in good]) for split in best.losses},
        samples - len(good),
        by,
    )


def _groups(reactions: tuple[Reaction, ...], by: str) -> list[npt.NDArray[np.int64]]:
    if by == "reaction":
        return [np.array([k]) for k in range(len(reactions))]
    if by != "subset":
        raise InputError(f'by "{by}" is unknown; expected "reaction" or "subset"')
    rows: dict[str, list[int]] = {}
    for k, reaction in enumerate(reactions):
        rows.setdefault(reaction.subset, []).append(k)
    if len(rows) < 2:
        raise InputError(f'all reactions are of subset "{reactions[0].subset}"; draw reactions instead')
    return [np.array(rows[name]) for name in sorted(rows)]
