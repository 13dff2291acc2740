"""One line of a table of checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...common.files import plain

__all__ = ["Row"]


@dataclass(frozen=True)
class Row:
    """The outcome of one check of one functional.

    Attributes:
        group: part of the table, such as "exact conditions".
        name: what was checked.
        passed: True, False, or None where the check has no meaning for this functional (``detail`` says why).
        margin: distance to the limit in ``unit``, negative by as much as the check fails; None without a value.
        unit: of value and margin; "" for pure numbers.
        where: the worst point, as text.
        detail: what exactly was tested, and the part of the points that fail.
        value: the number that was compared with the limit.
        fraction: part of the points at which the check fails; None where there are none to count.
    """

    group: str
    name: str
    passed: bool | None
    margin: float | None
    unit: str
    where: str
    detail: str
    value: float | None = None
    fraction: float | None = None

    @property
    def verdict(self) -> str:
        """ "pass", "FAIL" or "-"."""
        return "-" if self.passed is None else "pass" if self.passed else "FAIL"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; numbers that are not finite become None."""
        return dict(plain(asdict(self)))
