r"""MathML of the LaTeX that `Expression.to_latex` writes.

Browsers typeset MathML themselves, so that a page needs neither scripts nor fonts from elsewhere. What is understood is
the part of LaTeX that the operator table and the printer of the core use: a row of the table in other words is a test
failure, not a wrong formula.
"""

from __future__ import annotations

import re

from ..common.errors import InputError
from .html import Content, Markup, tag

__all__ = ["math", "mathml", "terms"]

_TOKEN = re.compile(r"\s*(\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]*)?|\.[0-9]+|[A-Za-z]|.)", re.DOTALL)
_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "kappa": "κ", "mu": "μ", "omega": "ω", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "zeta": "ζ", "infty": "∞",
}  # fmt: skip
_OPERATORS = {"times": "×", "geq": "≥", "leq": "≤", "cdot": "·", "int": "∫", "sum": "∑", "nabla": "∇"}
_SPACES = {"\\,": "0.17em", "\\ ": "0.33em", "\\quad": "1em"}
_NAMED = ("ln", "min", "max", "tanh", "exp")
_DEEPEST = 200


def math(latex: str, *, block: bool = False) -> Markup:
    """A `math` element; `block` sets it in the display style of a line of its own."""
    return tag("math", mathml(latex), display="block" if block else None)


def mathml(latex: str) -> Markup:
    """The elements inside a `math` element.

    Raises:
        InputError: names the first token that is not understood.
    """
    reader = _Reader(latex)
    found = reader.row(())
    if reader.peek() is not None:
        raise InputError(f'LaTeX "{latex[:60]}": "{reader.peek()}" closes nothing')
    return tag("mrow", found)


def terms(latex: str) -> list[Markup]:
    """The formula in pieces between which a line may break: the terms of a sum, each with its sign.

    Browsers do not break a `math` element; several of them flow like words.
    """
    pieces: list[list[Content]] = [[]]
    reader = _Reader(latex)
    for element in reader.row(()):
        if element in (_PLUS, _MINUS) and pieces[-1]:
            pieces.append([tag("mo", _SIGNS[element], form="infix")])
        else:
            pieces[-1].append(element)
    return [tag("math", tag("mrow", piece)) for piece in pieces]


_PLUS, _MINUS = tag("mo", "+"), tag("mo", "−")
_SIGNS = {_PLUS: "+", _MINUS: "−"}


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = _TOKEN.findall(latex.strip())
        self.at = 0
        self.depth = 0

    def peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if token is None or (expected is not None and token != expected):
            raise InputError(f'LaTeX "{self.latex[:60]}": expected "{expected}", found "{token}"')
        self.at += 1
        return str(token)

    def row(self, ends: tuple[str, ...]) -> list[Markup]:
        """Elements up to one of the tokens that end the row, which is not consumed."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise InputError(f"LaTeX nested deeper than {_DEEPEST} levels cannot be typeset; simplify the expression")
        found: list[Markup] = []
        while (token := self.peek()) is not None and token not in ends and token not in ("}", "\\right"):
            if token in ("^", "_"):
                base = found.pop() if found else tag("mrow")
                found.append(self.scripts(base))
            else:
                found.append(self.element())
        self.depth -= 1
        return found

    def scripts(self, base: Markup) -> Markup:
        marks: dict[str, Markup] = {}
        while self.peek() in ("^", "_"):
            kind = self.take()
            marks[kind] = self.argument()
        if len(marks) == 2:
            return tag("msubsup", base, marks["_"], marks["^"])
        ((kind, mark),) = marks.items()
        return tag("msup" if kind == "^" else "msub", base, mark)

    def argument(self) -> Markup:
        """A group in braces or a single element."""
        if self.peek() == "{":
            return self.group()
        return self.element()

    def group(self) -> Markup:
        self.take("{")
        inside = self.row(())
        self.take("}")
        return inside[0] if len(inside) == 1 else tag("mrow", inside)

    def text(self) -> str:
        """The plain characters of a group: names and words."""
        self.take("{")
        words = []
        while self.peek() != "}":
            words.append(self.take().removeprefix("\\"))
        self.take("}")
        return "".join(words)

    def element(self) -> Markup:
        if self.peek() == "{":
            return self.group()
        token = self.take()
        if token[0].isdigit() or token[0] == ".":
            return tag("mn", token)
        if token.isalpha():
            return tag("mi", token)
        if token == "-":
            return _MINUS
        if token in _SPACES:
            return tag("mspace", width=_SPACES[token])
        if token.startswith("\\"):
            return self.command(token[1:])
        if token in "+=,;()[]|/<>":
            return tag("mo", token)
        raise InputError(f'LaTeX "{self.latex[:60]}": "{token}" is not understood')

    def command(self, name: str) -> Markup:
        if name in _GREEK:
            return tag("mi", _GREEK[name])
        if name in _OPERATORS:
            return tag("mo", _OPERATORS[name])
        if name in _NAMED:
            return tag("mi", name)
        if name == "operatorname":
            return tag("mi", self.text())
        if name in ("mathrm", "text"):
            word = self.text()
            return tag("mi", word, mathvariant="normal") if name == "mathrm" else tag("mtext", word)
        if name == "frac":
            return tag("mfrac", self.argument(), self.argument())
        if name == "sqrt":
            if self.peek() != "[":
                return tag("msqrt", self.argument())
            self.take("[")
            degree = self.row(("]",))
            self.take("]")
            return tag("mroot", self.argument(), tag("mrow", degree))
        if name == "left":
            opening = self.take()
            inside = self.row(())
            self.take("\\right")
            return tag("mrow", tag("mo", opening), inside, tag("mo", self.take()))
        if name == "begin":
            return self.cases()
        raise InputError(f'LaTeX "{self.latex[:60]}": "\\{name}" is not understood')

    def cases(self) -> Markup:
        if self.text() != "cases":
            raise InputError(f'LaTeX "{self.latex[:60]}": only the environment "cases" is understood')
        lines = []
        while True:
            cells = [self.row(("&", "\\\\", "\\end"))]
            while self.peek() == "&":
                self.take()
                cells.append(self.row(("&", "\\\\", "\\end")))
            lines.append(tag("mtr", [tag("mtd", cell) for cell in cells]))
            if self.peek() != "\\\\":
                break
            self.take()
        self.take("\\end")
        self.text()
        return tag("mrow", tag("mo", "{"), tag("mtable", lines, columnalign="left"))
