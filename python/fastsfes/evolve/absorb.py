"""Scales and shifts of parameters, absorbed: exp(3*g*h*x2/5) is the family exp(g*x2).

In a product with a parameter that occurs nowhere else, positive numbers and other such parameters change nothing; nor
do numbers and such parameters in a sum. Signs stay: a scale that must be positive would else start negative.
"""

from __future__ import annotations

from functools import lru_cache

from ..expression import Expression

__all__ = ["absorb", "named"]

_PRODUCTS = ("*", "/", "neg")
_SUMS = ("+", "-")

_Leaf = tuple[int, bool]
"""Node, and whether it divides (in a product) or is subtracted (in a sum)."""


@lru_cache(maxsize=1024)
def named(name: str) -> Expression:
    """The parameter or feature of this name."""
    return Expression.parse(name)


def absorb(expression: Expression) -> Expression:
    """The same family, without scales and shifts of parameters."""
    return _Absorber(expression).result


class _Absorber:
    def __init__(self, expression: Expression) -> None:
        self.nodes = expression.nodes()
        self.users = [0] * len(self.nodes)
        self.user = [-1] * len(self.nodes)
        for index, (_, args, _) in enumerate(self.nodes):
            for a in args:
                self.users[a] += 1
                self.user[a] = index
        self.made: list[Expression] = []
        self.free: list[bool] = []  # whether a node has become a parameter that occurs in it alone
        for index, (name, args, payload) in enumerate(self.nodes):
            if name == "constant":
                self._keep(Expression.constant(float(payload)), False)
            elif not args:
                self._keep(named(str(payload)), name == "parameter")
            elif self._inside(index) or not self._shortened(index):
                self._keep(Expression.apply(name, *(self.made[a] for a in args)), False)
        self.result = self.made[-1]

    def _keep(self, expression: Expression, free: bool) -> None:
        self.made.append(expression)
        self.free.append(free)

    def _group(self, index: int) -> tuple[str, ...]:
        name = self.nodes[index][0]
        return _PRODUCTS if name in _PRODUCTS else _SUMS if name in _SUMS else ()

    def _inside(self, index: int) -> bool:
        """Whether a node is a part of the product or sum of its only user."""
        group = self._group(index)
        return bool(group) and self.users[index] == 1 and self.nodes[self.user[index]][0] in group

    def _leaves(self, index: int) -> tuple[list[_Leaf], bool]:
        """Factors or terms of the tree at a node, and whether the product has a minus sign."""
        name, args, _ = self.nodes[index]
        found: list[_Leaf] = []
        negative = name == "neg"
        for position, a in enumerate(args):
            inverse = name in ("/", "-") and position == 1
            if self._inside(a):
                leaves, minus = self._leaves(a)
                found += [(leaf, turned ^ inverse) for leaf, turned in leaves]
                negative ^= minus
            else:
                found.append((a, inverse))
        return found, negative

    def _shortened(self, index: int) -> bool:
        """Write a product or sum without what one of its parameters absorbs; False when there is nothing."""
        group = self._group(index)
        if not group:
            return False
        leaves, negative = self._leaves(index)
        alone = [k for k, (leaf, inverse) in enumerate(leaves) if self._alone(leaf, group is _SUMS and inverse)]
        if not alone:
            return False
        kept: list[_Leaf] = []
        for k, (leaf, inverse) in enumerate(leaves):
            number = self.nodes[leaf][0] == "constant"
            value = float(self.nodes[leaf][2]) if number else 1.0
            if k == alone[0] or not (number or self._alone(leaf, False)) or value == 0.0:
                kept.append((leaf, inverse))
            elif group is _PRODUCTS and value < 0.0:
                negative = not negative
        if len(kept) == len(leaves):
            return False
        operator, inverse_operator = ("*", "/") if group is _PRODUCTS else ("+", "-")
        total = Expression.constant(1.0 if group is _PRODUCTS else 0.0)
        plain = [leaf for leaf, inverse in kept if not inverse]
        for k, leaf in enumerate(plain):
            total = self.made[leaf] if k == 0 else Expression.apply(operator, total, self.made[leaf])
        for leaf in (leaf for leaf, inverse in kept if inverse):
            total = Expression.apply(inverse_operator, total, self.made[leaf])
        self._keep(-total if negative else total, len(kept) == 1 and not negative and not kept[0][1])
        return True

    def _alone(self, leaf: int, subtracted: bool) -> bool:
        """Whether a leaf is a parameter that occurs nowhere else."""
        return self.free[leaf] and self.users[leaf] == 1 and not subtracted
