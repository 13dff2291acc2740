"""A small interpreter of the Maple that is exported: one procedure of assignments, evaluated on NumPy arrays.

Written from the language, not from the exporter: numbers, names, + - * / ^, comparisons, parentheses, calls.
"""

from __future__ import annotations

import re

import numpy as np
from scipy.special import erf

TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(:=|<=|>=|[-+*/^(),:<>]))")
FUNCTIONS = {
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "erf": erf,
    "tanh": np.tanh,
    "arcsinh": np.arcsinh,
    "sin": np.sin,
    "cos": np.cos,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "my_piecewise3": np.where,
}


class Procedure:
    """``f := proc(a, b) local c: c := a + b: 2*c: end proc:``, called with arguments and values of other names."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"\(\*.*?\*\)", " ", text, flags=re.DOTALL)
        found = re.fullmatch(r"\s*f := proc\(([\w, ]+)\)\s*(?:local ([\w, ]+):)?(.*):\s*end proc:\s*", text, re.DOTALL)
        assert found, "not one procedure"
        self.arguments = found[1].split(", ")
        self.locals = (found[2] or "").split(", ")
        self.statements = [s.strip() for s in re.split(r":(?!=)", found[3])]

    def __call__(self, arguments: dict, others: dict) -> np.ndarray:
        values = {**others, **{a: arguments[a] for a in self.arguments}}
        for statement in self.statements[:-1]:
            name, _, expression = statement.partition(" := ")
            assert name in self.locals, f"{name} is not local"
            values[name] = evaluate(expression, values)
        return evaluate(self.statements[-1], values)


def evaluate(text: str, values: dict) -> np.ndarray:
    tokens, place = [], 0
    while place < len(text.rstrip()):
        found = TOKEN.match(text, place)
        assert found, text[place : place + 20]
        tokens.append(found.groups())
        place = found.end()
    reader = _Reader(tokens, values)
    with np.errstate(all="ignore"):
        result = reader.comparison()
    assert reader.place == len(tokens), f"left over: {text}"
    return result


class _Reader:
    def __init__(self, tokens: list, values: dict) -> None:
        self.tokens, self.values, self.place = tokens, values, 0

    def take(self, *symbols: str) -> str | None:
        if self.place < len(self.tokens) and self.tokens[self.place][2] in symbols and self.tokens[self.place][2]:
            self.place += 1
            return self.tokens[self.place - 1][2]
        return None

    def comparison(self):
        left = self.sum()
        symbol = self.take("<=", ">=", "<", ">")
        if symbol is None:
            return left
        right = self.sum()
        return {"<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater}[symbol](left, right)

    def sum(self):
        value = self.product()
        while symbol := self.take("+", "-"):
            other = self.product()
            value = value + other if symbol == "+" else value - other
        return value

    def product(self):
        value = self.sign()
        while symbol := self.take("*", "/"):
            other = self.sign()
            value = value * other if symbol == "*" else value / other
        return value

    def sign(self):
        return -self.sign() if self.take("-") else self.power()

    def power(self):
        value = self.atom()
        if self.take("^"):
            exponent = self.atom()
            # a rational exponent is exact in Maple
            value = np.cbrt(value) if exponent == 1 / 3 else np.power(np.float64(1.0) * value, exponent)
        assert not (self.place < len(self.tokens) and self.tokens[self.place][2] == "^"), "a^b^c is an error in Maple"
        return value

    def atom(self):
        if self.take("("):
            value = self.comparison()
            assert self.take(")")
            return value
        number, name, _ = self.tokens[self.place]
        self.place += 1
        if number:
            return float(number)
        if not self.take("("):
            return self.values[name]
        arguments = [self.comparison()]
        while self.take(","):
            arguments.append(self.comparison())
        assert self.take(")")
        return FUNCTIONS[name](*arguments)
