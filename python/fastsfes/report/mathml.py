"""MathML: browsers typeset it themselves, so that a page needs neither scripts nor fonts from elsewhere.

Expressions are spelled by the core, node by node from its tables; what stands around them is built here.
"""

from __future__ import annotations

from ..formula.expression import Expression
from .html import Content, Markup, join, tag

__all__ = ["around", "equation", "infix", "letter", "math", "mathml", "sub", "symbol", "terms"]


def math(*content: Content) -> Markup:
    """A `math` element."""
    return tag("math", tag("mrow", *content))


def equation(left: Content, right: Expression) -> Markup:
    """A `math` element that says that the left side is an expression."""
    return math(left, infix("="), mathml(right))


def mathml(expression: Expression) -> Markup:
    """The elements of an expression inside a `math` element.

    Raises:
        InputError: when operations nest too deeply to be typeset.
    """
    return tag("mrow", map(Markup, expression.to_mathml()))


def terms(expression: Expression) -> list[Markup]:
    """The formula in pieces between which a line may break: the terms of a sum, each with its sign.

    Browsers do not break a `math` element; several of them flow like words.
    """
    return [math(Markup(term)) for term in expression.to_mathml()]


def symbol(name: str) -> Markup:
    """A feature's or parameter's name."""
    return mathml(Expression.parse(name))


def letter(text: str) -> Markup:
    """A letter or a word."""
    return tag("mi", text)


def infix(sign: str) -> Markup:
    """A sign between two sides."""
    return tag("mo", sign, form="infix")


def sub(base: str, *index: str, above: str = "") -> Markup:
    """A letter with an index of one or more words, and perhaps one above."""
    below = tag("mrow", [letter(word) for word in index])
    return tag("msubsup", letter(base), below, letter(above)) if above else tag("msub", letter(base), below)


def around(*content: Content) -> Markup:
    """Arguments in parentheses."""
    inside: list[Content] = []
    for k, item in enumerate(content):
        inside += [tag("mo", ","), item] if k else [item]
    return tag("mrow", tag("mo", "("), join(*inside), tag("mo", ")"))
