"""What objects show in a notebook: tables in HTML, and axes to draw on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from .errors import FastsfesError

__all__ = ["axes", "html_table"]


def html_table(title: str, head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table in HTML; texts are escaped, numbers have six digits."""

    def cells(row: Sequence[object], tag: str) -> str:
        return "".join(f"<{tag}>{escape(_text(value))}</{tag}>" for value in row)

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    caption = f"<caption>{escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def axes(given: Any = None) -> Any:
    """The axes that are given, or new ones of matplotlib.

    Raises:
        FastsfesError: matplotlib is not installed.
    """
    if given is not None:
        return given
    try:
        from matplotlib import pyplot
    except ImportError:
        raise FastsfesError(
            "pictures need matplotlib, which is not installed; run: pip install 'fastsfes[plot]'"
        ) from None
    return pyplot.subplots(layout="constrained")[1]
