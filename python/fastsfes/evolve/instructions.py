"""The instruction table: what one line of a genome can do.

An instruction writes one workspace variable from up to three inputs; an accumulating instruction also reads
its output. Some carry parameters of their own. The set is that of SyFES (Ma et al., Sci. Adv. 8, eabq0279,
10.1126/sciadv.abq0279) plus the remaining operators of the expression table, so that every expression can be
written as instructions. Adding a row here is all it takes to add an instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ..errors import InputError
from ..expression import Expression

__all__ = ["INSTRUCTIONS", "InstructionKind", "instruction_kind"]

Build = Callable[[Sequence[Expression]], Expression]


@dataclass(frozen=True)
class InstructionKind:
    """One row of the table.

    Attributes:
        name: short name used in pools and genomes.
        inputs: number of input arguments.
        bound: names of the parameters it carries; empty for most.
        accumulates: whether the old value of the output is an argument too.
        build: from [old output if accumulating], inputs, parameters to the new value.
        spelling: how a person would write it, with `a` the output, `b`, `c`, `d` the inputs.
        syfes: the class of SyFES with the same meaning, or "".
        defaults: starting values of the bound parameters.
    """

    name: str
    inputs: int
    build: Build
    spelling: str
    syfes: str = ""
    bound: tuple[str, ...] = ()
    defaults: tuple[float, ...] = ()
    accumulates: bool = False


def _op(operator: str) -> Build:
    return lambda a: Expression.apply(operator, *a)


def _power(exponent: float) -> Build:
    return lambda a: Expression.apply("**", a[0], exponent)


def _row(name: str, inputs: int, spelling: str, syfes: str = "", build: Build | None = None) -> InstructionKind:
    return InstructionKind(name, inputs, build or _op(name), spelling, syfes)


# The exchange blocks take x2; those of SyFES take x (see syfes.py).
INSTRUCTIONS: dict[str, InstructionKind] = {
    kind.name: kind
    for kind in (
        _row("add1", 1, "a = b + 1", "AdditionBy1Instruction", lambda a: a[0] + 1.0),
        _row("square", 1, "a = b**2", "Power2Instruction", _power(2.0)),
        _row("cube", 1, "a = b**3", "Power3Instruction", _power(3.0)),
        _row("pow4", 1, "a = b**4", "Power4Instruction", _power(4.0)),
        _row("pow6", 1, "a = b**6", "Power6Instruction", _power(6.0)),
        _row("sqrt", 1, "a = sqrt(b)", "SquareRootInstruction"),
        _row("cbrt", 1, "a = cbrt(b)", "CubeRootInstruction"),
        _row("log1p", 1, "a = log1p(b)", "Log1PInstruction"),
        _row("exp", 1, "a = exp(b)", "ExpInstruction"),
        _row("add", 2, "a = b + c", "AdditionInstruction", _op("+")),
        _row("sub", 2, "a = b - c", "SubtractionInstruction", _op("-")),
        _row("mul", 2, "a = b*c", "MultiplicationInstruction", _op("*")),
        InstructionKind(
            "fma", 2, lambda a: a[0] + a[1] * a[2], "a += b*c", "MultiplicationAdditionInstruction", accumulates=True
        ),
        _row("div", 2, "a = b/c", "DivisionInstruction", _op("/")),
        InstructionKind("u", 1, _op("u"), "a = u(b, g)", "UTransformInstruction", ("g",), (0.004,)),
        InstructionKind(
            "pbe_x",
            1,
            _op("pbe_x"),
            "a = pbe_x(b, kappa, mu)",
            "PBEXInstruction",
            ("kappa", "mu"),
            (0.804, 0.2195149727645171),
        ),
        InstructionKind(
            "rpbe_x",
            1,
            _op("rpbe_x"),
            "a = rpbe_x(b, kappa_r, mu_r)",
            "RPBEXInstruction",
            ("kappa_r", "mu_r"),
            (0.804, 0.2195149727645171),
        ),
        InstructionKind("b88_x", 1, _op("b88_x"), "a = b88_x(b, beta_x)", "B88XInstruction", ("beta_x",), (0.0042,)),
        InstructionKind(
            "pbe_c",
            2,
            _op("pbe_c"),
            "a = pbe_c(b, c, beta_c, gamma_c)",
            "PBECInstruction",
            ("beta_c", "gamma_c"),
            (0.06672455060314922, 0.031090690869654894),
        ),
        _row("neg", 1, "a = -b"),
        _row("expm1", 1, "a = expm1(b)"),
        _row("log", 1, "a = log(b)"),
        _row("tanh", 1, "a = tanh(b)"),
        _row("erf", 1, "a = erf(b)"),
        _row("asinh", 1, "a = asinh(b)"),
        _row("abs", 1, "a = abs(b)"),
        _row("logistic", 1, "a = logistic(b)"),
        _row("pow", 2, "a = b**c", build=_op("**")),
        _row("min", 2, "a = min(b, c)"),
        _row("max", 2, "a = max(b, c)"),
        _row("select", 3, "a = select(b, c, d)"),
    )
}

_SYFES = {kind.syfes: kind for kind in INSTRUCTIONS.values() if kind.syfes}


def instruction_kind(name: str, where: str = "instruction pool") -> InstructionKind:
    """The row of this name, short or SyFES's class name; `InputError` names the nearest one otherwise."""
    found = INSTRUCTIONS.get(name) or _SYFES.get(name)
    if found is None:
        near = get_close_matches(name, [*INSTRUCTIONS, *_SYFES], n=1)
        hint = f'did you mean "{near[0]}"?' if near else "the instructions are " + ", ".join(INSTRUCTIONS)
        raise InputError(f'{where}: there is no instruction "{name}"; {hint}')
    return found
