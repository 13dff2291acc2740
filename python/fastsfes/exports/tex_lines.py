"""Lines of LaTeX that fit a column: how wide a formula is, and where it may break."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["COLUMN", "broken", "width"]

COLUMN = 17.0
"""Widest right side of an equation, em: with its left side it fits the column of a two-column article (229 pt)."""

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)
_WIDE = {"+": 1.22, "-": 1.22, "=": 1.33, "\\,": 0.17, "\\cdot": 0.72, "\\times": 1.22, "(": 0.39, ")": 0.39}
_NOTHING = frozenset(("\\left", "\\right", "\\bigl", "\\bigr", "\\mathrm", "\\operatorname", "\\text", "{", "}"))
_SIGN = re.compile(r" [+-] ")


def width(text: str) -> float:
    """Width of a formula in em of its size: an estimate, good to a few per cent."""
    return _width(iter(_TOKEN.findall(text)))


def _width(tokens: Iterator[str]) -> float:
    total = 0.0
    for token in tokens:
        if token == "}":
            break
        if token == "{":
            total += _width(tokens)
        elif token in ("^", "_"):
            total += 0.7 * _argument(tokens)
        elif token == "\\frac":
            total += 0.25 + max(_argument(tokens), _argument(tokens))
        elif token == "\\sqrt":
            total += 0.9
        elif token not in _NOTHING and not token.isspace():
            total += _WIDE.get(token, 0.55)
    return total


def _argument(tokens: Iterator[str]) -> float:
    token = next(tokens, "")
    return _width(tokens) if token == "{" else width(token)


def broken(text: str, most: float = COLUMN) -> list[str]:
    """The formula in lines, each no wider than `most` where it has places to break.

    Lines break in front of the signs between terms; in terms that are too wide alone, in front of signs inside
    parentheses, which then do not grow with what they hold: TeX cannot break what does.
    """
    pieces: list[str] = []
    for term in _split(text, inside=False):
        if width(term) <= most:
            pieces.append(term)
        else:
            pieces += _split(re.sub(r"\\(left|right)\b", lambda m: f"\\big{m[1][0]}", term), inside=True)
    lines: list[str] = []
    for piece in pieces:
        if lines and width(lines[-1]) + width(piece) <= most:
            lines[-1] += piece
        else:
            lines.append(piece)
    return lines


def _split(text: str, *, inside: bool) -> list[str]:
    """Pieces that start with the signs of sums; `inside` parentheses too, but never inside braces."""
    cuts, braces, parentheses = [0], 0, 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        braces += (token in ("{", "\\begin")) - (token in ("}", "\\end"))
        parentheses += (token in ("\\left", "\\bigl")) - (token in ("\\right", "\\bigr"))
        if braces == 0 and (inside or parentheses == 0) and _SIGN.match(text, found.start()):
            cuts.append(found.start())
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True) if text[a:b].strip()]
