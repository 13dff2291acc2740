"""`check`: all that is known to go wrong with functionals, in one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..common.errors import InputError
from ..functionals.load import Comparison
from .conditions.exact import LEVELS, Level, exact_conditions
from .conditions.row import Row
from .conditions.subject import Subject, as_subjects
from .continuity import continuity_row
from .convergence import convergence_rows
from .derivatives import derivative_rows
from .dimers import dimer_rows
from .limits import limit_rows
from .reactions import reaction_rows
from .result import HealthResult

__all__ = ["BESIDE", "check"]

BESIDE = ("wb97m_v", "gas22")
"""The functionals that are shown beside, unless others are asked for."""


def check(
    functional: Comparison | str,
    beside: Sequence[Comparison | str] = BESIDE,
    level: Level = "quick",
    *,
    progress: Callable[[str], None] | None = None,
) -> HealthResult:
    """Numerical health and exact conditions of a functional, beside others.

    Args:
        functional: ours, one of libxc ("libxc:scan", "libxc:mgga_x_scan,mgga_c_scan"), a registered name or a JSON
            file.
        beside: others for comparison.
        level: "quick" takes seconds: exact conditions, limits, derivatives and atoms; "full" takes minutes: finer grids
            of conditions, rare-gas dimers and reaction energies on several grids.
        progress: called with a line before every group of checks.

    Returns:
        `HealthResult`; ``str()`` of it is the table.

    Raises:
        InputError: an unknown functional or level.
    """
    if level not in LEVELS:
        raise InputError(f'level "{level}" is unknown; expected "quick" or "full"')
    subjects = as_subjects((functional, *beside))
    rows: dict[str, tuple[Row, ...]] = {}
    seconds: dict[str, float] = {}
    for name, subject in subjects.items():
        began = time.perf_counter()
        rows[name] = tuple(_rows(subject, level, progress or _silent))
        seconds[name] = time.perf_counter() - began
    first = next(iter(rows))
    return HealthResult(first, level, rows.pop(first), rows, seconds)


def _silent(line: str) -> None:
    del line


def _rows(subject: Subject, level: Level, progress: Callable[[str], None]) -> list[Row]:
    found: list[Row] = []
    progress(f"{subject.name}: exact conditions")
    found += exact_conditions(subject, level)
    progress(f"{subject.name}: limits and derivatives")
    found += limit_rows(subject)
    found.append(continuity_row(subject))
    found += derivative_rows(subject)
    progress(f"{subject.name}: atoms on radial grids")
    found += convergence_rows(subject)
    if level == "full":
        found += dimer_rows(subject, progress)
        found += reaction_rows(subject, progress)
    return found
