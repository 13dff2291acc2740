"""HTML and SVG by construction: text is escaped where it enters, so strings from files cannot become markup."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Union

__all__ = ["Content", "Markup", "join", "tag"]


class Markup(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


Content = Union[str, int, float, None, "Iterable[Content]"]
"""What an element may hold: markup, plain text (escaped), numbers, nothing, or several of these."""

_VOID = frozenset(("br", "hr", "meta", "link", "input", "col", "wbr"))
_DRAWN = frozenset(("circle", "line", "path", "rect"))  # elements of SVG may close themselves
# what XML and HTML do not allow in a document, as a character or by number
_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), "�")
_CONTROL |= dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")


def join(*content: Content) -> Markup:
    """Markup of several contents, one after the other."""
    parts: list[str] = []
    for item in content:
        if item is None:
            continue
        if isinstance(item, Markup):
            parts.append(item)
        elif isinstance(item, (str, int, float)):
            parts.append(html.escape(str(item).translate(_CONTROL), quote=True))
        else:
            parts.append(join(*item))
    return Markup("".join(parts))


def tag(name: str, *content: Content, **attributes: str | float | bool | None) -> Markup:
    """An element. Attribute names: a trailing underscore is dropped (class_), others become hyphens (stroke_width).

    An attribute that is None or False is left out, one that is True has no value. viewBox keeps its capital.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        words.append(label if value is True else f'{label}="{join(_short(value))}"')
    opening, inside = " ".join(words), join(*content)
    if name in _DRAWN and not inside:
        return Markup(f"<{opening}/>")
    return Markup(f"<{opening}>" if name in _VOID else f"<{opening}>{inside}</{name}>")


def _short(value: str | float) -> str:
    """Coordinates with one decimal, finer than a pixel; small numbers with two."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.{1 if abs(value) >= 10.0 else 2}f}".rstrip("0").rstrip(".")
