"""The instruction table: what one line of a genome can do.

An instruction writes one workspace variable from up to three inputs; an accumulating instruction also reads
its output. Some carry parameters of their own. The set is that of SyFES (Ma et al., Sci. Adv. 8, eabq0279,
10.1126/sciadv.abq0279) plus the remaining operators of the expression table, so that every expression can be
written as instructions. Adding a row here is all it takes to add an instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .. import _core
from ..common.arguments import nearest
from ..common.errors import InputError
from .expression import Expression
from .own_operators import own_operators

__all__ = ["INSTRUCTIONS", "ZERO", "InstructionKind", "instruction_kind", "kind_of"]

ZERO = "0"
"""A value of every workspace that no instruction can name."""


@dataclass(frozen=True)
class InstructionKind:
    """One row of the table.

    Attributes:
        name: short name used in pools and genomes.
        inputs: number of input arguments.
        bound: names of the parameters it carries; empty for most.
        operator: of the expression table, applied to the inputs, the parameters and `constant`.
        constant: the last argument of the operator, if that is a number.
        accumulates: whether the value is added to the old one of the output.
        formula: of the inputs and own parameters, in place of an operator: an own operator.
        spelling: how a person would write it, with `a` the output, `b`, `c`, `d` the inputs.
        syfes: the class of SyFES with the same meaning, or "".
        defaults: starting values of the bound parameters.
    """

    name: str
    inputs: int
    operator: str
    spelling: str
    syfes: str = ""
    constant: float | None = None
    bound: tuple[str, ...] = ()
    defaults: tuple[float, ...] = ()
    accumulates: bool = False
    formula: Expression | None = None

    def lines(self, output: str, inputs: Sequence[str], bound: Sequence[str]) -> list[_core.PlainLine]:
        """The instruction as the core's assembler reads it: what it means stands there."""
        if self.formula is None:
            return [(self.operator, self.constant, self.accumulates, output, (*inputs, *bound))]
        names = dict(zip((*_INPUTS[: self.inputs], *self.bound), (*inputs, *bound), strict=True))
        made: list[_core.PlainLine] = []
        values: list[str] = []
        for operator, arguments, payload in self.formula.nodes():
            if operator == "parameter":
                values.append(names[payload])
                continue
            number = float(payload) if operator == "constant" else None
            values.append(f"{output}.{len(values)}")  # no name of a workspace has a dot
            named = (ZERO,) if operator == "constant" else tuple(values[k] for k in arguments)
            made.append(("+" if operator == "constant" else operator, number, False, values[-1], named))
        return [*made, ("+", 0.0, False, output, (values[-1],))]


_INPUTS = "bcd"
"""What inputs are called in spellings and formulas."""


def _row(
    name: str, inputs: int, spelling: str, syfes: str = "", operator: str = "", constant: float | None = None
) -> InstructionKind:
    return InstructionKind(name, inputs, operator or name, spelling, syfes, constant)


# The exchange blocks take x2; those of SyFES take x (see syfes.py).
INSTRUCTIONS: dict[str, InstructionKind] = {
    kind.name: kind
    for kind in (
        _row("add1", 1, "a = b + 1", "AdditionBy1Instruction", "+", 1.0),
        _row("square", 1, "a = b**2", "Power2Instruction", "**", 2.0),
        _row("cube", 1, "a = b**3", "Power3Instruction", "**", 3.0),
        _row("pow4", 1, "a = b**4", "Power4Instruction", "**", 4.0),
        _row("pow6", 1, "a = b**6", "Power6Instruction", "**", 6.0),
        _row("sqrt", 1, "a = sqrt(b)", "SquareRootInstruction"),
        _row("cbrt", 1, "a = cbrt(b)", "CubeRootInstruction"),
        _row("log1p", 1, "a = log1p(b)", "Log1PInstruction"),
        _row("exp", 1, "a = exp(b)", "ExpInstruction"),
        _row("add", 2, "a = b + c", "AdditionInstruction", "+"),
        _row("sub", 2, "a = b - c", "SubtractionInstruction", "-"),
        _row("mul", 2, "a = b*c", "MultiplicationInstruction", "*"),
        InstructionKind("fma", 2, "*", "a += b*c", "MultiplicationAdditionInstruction", accumulates=True),
        _row("div", 2, "a = b/c", "DivisionInstruction", "/"),
        InstructionKind("u", 1, "u", "a = u(b, g)", "UTransformInstruction", None, ("g",), (0.004,)),
        InstructionKind(
            "pbe_x",
            1,
            "pbe_x",
            "a = pbe_x(b, kappa, mu)",
            "PBEXInstruction",
            None,
            ("kappa", "mu"),
            (0.804, 0.2195149727645171),
        ),
        InstructionKind(
            "rpbe_x",
            1,
            "rpbe_x",
            "a = rpbe_x(b, kappa_r, mu_r)",
            "RPBEXInstruction",
            None,
            ("kappa_r", "mu_r"),
            (0.804, 0.2195149727645171),
        ),
        InstructionKind("b88_x", 1, "b88_x", "a = b88_x(b, beta_x)", "B88XInstruction", None, ("beta_x",), (0.0042,)),
        InstructionKind(
            "pbe_c",
            2,
            "pbe_c",
            "a = pbe_c(b, c, beta_c, gamma_c)",
            "PBECInstruction",
            None,
            ("beta_c", "gamma_c"),
            (0.06672455060314922, 0.031090690869654894),
        ),
        _row("neg", 1, "a = -b"),
        _row("expm1", 1, "a = expm1(b)"),
        _row("log", 1, "a = log(b)"),
        _row("tanh", 1, "a = tanh(b)"),
        _row("erf", 1, "a = erf(b)"),
        _row("asinh", 1, "a = asinh(b)"),
        _row("sin", 1, "a = sin(b)"),
        _row("cos", 1, "a = cos(b)"),
        _row("atan", 1, "a = atan(b)"),
        _row("sinh", 1, "a = sinh(b)"),
        _row("cosh", 1, "a = cosh(b)"),
        _row("abs", 1, "a = abs(b)"),
        _row("logistic", 1, "a = logistic(b)"),
        _row("pow", 2, "a = b**c", operator="**"),
        _row("min", 2, "a = min(b, c)"),
        _row("max", 2, "a = max(b, c)"),
        _row("select", 3, "a = select(b, c, d)"),
    )
}

_SYFES = {kind.syfes: kind for kind in INSTRUCTIONS.values() if kind.syfes}


@lru_cache(maxsize=256)
def _own(text: str) -> InstructionKind:
    """The instruction of an own operator; its name is the definition, so that a genome tells all by itself."""
    (operator,) = own_operators((text,))
    inputs = _INPUTS[: len(operator.arguments)]
    renamed = {a: Expression.parse(i) for a, i in zip(operator.arguments, inputs, strict=True)}
    bound = {p: f"{p}_own" if p in _INPUTS or p == "a" else p for p in operator.parameters}
    formula = Expression.parse(operator.formula).substitute(
        {**renamed, **{p: Expression.parse(name) for p, name in bound.items()}}
    )
    stems = tuple(bound.values())
    return InstructionKind(
        str(operator),
        len(inputs),
        operator.name,
        f"a = {operator.name}({', '.join((*inputs, *stems))})",
        bound=stems,
        defaults=(1.0,) * len(stems),
        formula=formula,
    )


def kind_of(name: str) -> InstructionKind:
    """What an instruction of a genome is: a row of the table or, by its definition, an own operator."""
    return INSTRUCTIONS.get(name) or _own(name)


def instruction_kind(name: str, own: Sequence[str] = ()) -> InstructionKind:
    """The row of this name of a pool, short or SyFES's class name, or one of own operators by their definitions.

    Raises:
        InputError: names the nearest one.
    """
    found = INSTRUCTIONS.get(name) or _SYFES.get(name)
    mine = {operator.name: operator for operator in own_operators(tuple(own))}
    if found is None and name in mine:
        found = _own(str(mine[name]))
    if found is None:
        near = nearest(name, [*INSTRUCTIONS, *_SYFES, *mine])
        hint = f'did you mean "{near}"?' if near else "the instructions are " + ", ".join(INSTRUCTIONS)
        raise InputError(f'instruction pool: there is no instruction "{name}"; {hint}')
    return found
