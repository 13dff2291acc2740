"""Pieces that several sections of a report use: tables, details, sections, sentences for what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...functionals.names import B97_X_LDA, display_name, refitted
from ..draw.axis import number
from ..html import Content, Markup, tag

__all__ = [
    "CHANNEL_NAMES",
    "SPLIT_NAMES",
    "cell",
    "details",
    "error_text",
    "grid",
    "missing",
    "section",
    "series",
    "shaded",
    "table",
]

CHANNEL_NAMES = {
    "x": "Exchange",
    "css": "Same-spin correlation",
    "cos": "Opposite-spin correlation",
    "c": "Correlation",
    "one": "Energy per volume",
}

SPLIT_NAMES = {"train": "training", "validation": "validation", "test": "test"}


_LONG_HEAD = 18

_SERIES = {
    display_name("wb97m_v"): 1,
    display_name("gas22"): 2,
    display_name("b97"): 3,
    display_name("b97_x"): 3,
    B97_X_LDA: 3,
    display_name("pbe"): 4,
    display_name("pbe_x"): 4,
    display_name("b88_x"): 5,
    refitted(display_name("wb97m_v")): 5,
    display_name("libxc:scan"): 6,
    refitted(display_name("gas22")): 6,
    display_name("lda"): 7,
}
"""Known functionals: their series in all charts."""


def series(name: str, position: int) -> int:
    """The series of a functional in charts: the winner, which stands first, is 0."""
    return 0 if position == 0 else _SERIES.get(display_name(name), 1 + (position - 1) % 7)


def section(identifier: str, title: str, *content: Content, lead: Content = None) -> Markup:
    """A part of the page with a heading and, below it, one or two sentences."""
    return tag(
        "section",
        tag("h2", title, id=f"{identifier}-title"),
        tag("p", lead, class_="lead") if lead is not None else None,
        *content,
        id=identifier,
        aria_labelledby=f"{identifier}-title",
    )


def table(
    head: Sequence[Content], rows: Iterable[Markup | Sequence[Content]], *, caption: str, text_columns: int = 1
) -> Markup:
    """A table; the first `text_columns` are words (the first of them heads its row), the others numbers.

    A row is a sequence of cells, or markup of a whole row. Cells that are markup of a cell stay as they are.
    """
    body: list[Markup] = []
    for row in rows:
        if isinstance(row, Markup):
            body.append(row)
            continue
        cells: list[Markup] = []
        for column, content in enumerate(row):
            if isinstance(content, Markup) and content.startswith(("<td", "<th")):
                cells.append(content)
            elif column == 0:
                cells.append(tag("th", content, scope="row"))
            else:
                cells.append(tag("td", content, class_="text" if column < text_columns else None))
        body.append(tag("tr", cells))
    top = [
        tag("th", name, scope="col", class_=_head_class(name, column < text_columns))
        for column, name in enumerate(head)
    ]
    # the caption stands outside, where it does not scroll away with a wide table
    drawn = tag("table", tag("thead", tag("tr", top)), tag("tbody", body), aria_label=caption)
    return tag(
        "div",
        tag("p", caption, class_="caption"),
        tag("div", drawn, class_="scroll", tabindex=0, role="region", aria_label=caption),
        class_="table",
    )


def _head_class(name: Content, words: bool) -> str | None:
    """Long heads of narrow columns are wrapped between words; short ones never at a hyphen."""
    return "text" if words else "wrap" if isinstance(name, str) and len(name) > _LONG_HEAD else None


def cell(content: Content, *, best: bool = False, title: str | None = None) -> Markup:
    """A cell of numbers; `best` sets it in bold."""
    return tag("td", tag("strong", content) if best else content, title=title)


def shaded(value: float | None, strength: float, *, best: bool = False, title: str | None = None) -> Markup:
    """A cell whose background says how large its number is: strength between 0 and 1."""
    text = error_text(value)
    inside = tag("strong", text) if best else text
    return tag("td", inside, title=title, class_="shade", style=f"--k:{min(max(strength, 0.0), 1.0):.2f}")


def error_text(value: float | None) -> str:
    """An error in kcal/mol with two decimals, more where it is tiny and fewer where it is huge."""
    if value is None or not 1e-2 <= abs(value) < 1e5:
        return "0" if value == 0 else number(value, 3)
    return f"{value:.2f}".replace("-", "−")


def details(summary: str, *content: Content) -> Markup:
    """What is there but not shown at first."""
    return tag("details", tag("summary", summary), *content)


def grid(*items: Content) -> Markup:
    """Figures side by side where there is room."""
    return tag("div", *items, class_="figures")


def missing(*words: Content) -> Markup:
    """One sentence in the place of what could not be shown."""
    return tag("p", *words, class_="empty")
