"""Functionals that SyFES wrote, translated into the JSON of ours: one list of instructions per enhancement factor.

Layout: {"f_x": {"feature_names", "shared_parameter_names", "variable_names", "instructions": [[class, output,
inputs...], ...]}, "f_css": ..., "f_cos": ..., "parameters": {"parameters_x": {name: value}, ...}}. All variables start
at 0 and "enhancement_factor" is the result. Instructions' own parameters are named by SyFES and shared by all
instructions of a class in one factor. Nothing in the file is executed. SyFES: 10.1126/sciadv.abq0279.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import _core
from ..common.errors import InputError
from ..common.reading import finite
from ..formula.expression import Expression, feature_names
from ..formula.instructions import INSTRUCTIONS, InstructionKind
from .frame import SYFES
from .gammas import GAMMAS

__all__ = ["BOUND", "FACTORS", "RESULT", "SPINS", "TAKES_X", "is_syfes", "translated"]

FACTORS = {"f_x": ("x", "parameters_x"), "f_css": ("css", "parameters_css"), "f_cos": ("cos", "parameters_cos")}
_CLASSES = {kind.syfes: kind for kind in INSTRUCTIONS.values() if kind.syfes}
BOUND = {
    "UTransformInstruction": ("gamma_utransform",),
    "PBEXInstruction": ("kappa_pbex", "mu_pbex"),
    "RPBEXInstruction": ("kappa_rpbex", "mu_rpbex"),
    "B88XInstruction": ("beta_b88x",),
    "PBECInstruction": ("beta_pbec", "gamma_pbec"),
}
TAKES_X = ("PBEXInstruction", "RPBEXInstruction", "B88XInstruction")
SPINS = 2.0 ** (2.0 / 3.0)
"""Its exchange blocks take the gradient of one spin but have the constants of the total density: x2 times this."""

_GAMMA = GAMMAS["x"]
"""Its feature "u" is the transform with this scale in every channel."""

RESULT = "enhancement_factor"
_SQUARE = "x^2"  # no name of a file, which are identifiers

_MOST_INSTRUCTIONS = 500
"""Per factor; those of SyFES have up to a few dozen."""


def is_syfes(data: object) -> bool:
    """Whether this looks like a functional of SyFES."""
    return isinstance(data, Mapping) and "format" not in data and bool(set(FACTORS) & set(data))


def translated(data: Mapping[str, Any], where: str = "the data") -> dict[str, Any]:
    """The name, channels and frame of a SyFES file as `Functional.to_dict` writes them.

    The frame is that of the published searches: wB97M-V's exact exchange and VV10, and PW92 as printed. A form
    without any values (of a history, or a start of a search) gets an instruction's usual ones, and 1 for the others.

    Args:
        data: what the JSON file holds.
        where: its name, for errors.

    Raises:
        InputError: names the factor and instruction that cannot be read.
    """
    channels = {}
    values = data.get("parameters")
    if values is not None and not isinstance(values, Mapping):
        raise InputError(f'{where}: "parameters" must be an object with parameters_x, parameters_css, parameters_cos')
    for factor, (kind, group) in FACTORS.items():
        if factor in data:
            given = None if values is None else values.get(group) or {}
            channels[kind] = _factor(data[factor], given, f"{where}: {factor}")
    return {
        "name": str(data.get("name", "syfes")),
        "channels": channels,
        "citation": "read from a SyFES file",
        **SYFES.to_dict(),
    }


def _names(data: Mapping[str, Any], key: str, where: str) -> list[str]:
    names = data.get(key, [])
    if not isinstance(names, list) or not all(isinstance(n, str) and n.isidentifier() for n in names):
        raise InputError(f'{where}: "{key}" must be a list of names')
    return names


def _factor(data: Any, given: Any, where: str) -> dict[str, Any]:
    if (
        not isinstance(data, Mapping)
        or not isinstance(data.get("instructions"), list)
        or not isinstance(given, Mapping | None)
    ):
        raise InputError(f'{where}: expected an object with "feature_names", "variable_names" and "instructions"')
    features = _names(data, "feature_names", where)
    shared = _names(data, "shared_parameter_names", where)
    variables = _names(data, "variable_names", where)
    if RESULT not in variables:
        raise InputError(f'{where}: "variable_names" lacks "{RESULT}"')
    start: dict[str, Expression] = dict.fromkeys(variables, Expression.constant(0.0))
    own = {name: (name if name not in feature_names() else f"{name}_") for name in shared}
    start |= {name: Expression.parse(own[name]) for name in shared}
    for name in features:
        known = name in feature_names()
        if not known and name != "u":
            raise InputError(f'{where}: feature "{name}" is unknown; known are u and {", ".join(feature_names())}')
        start[name] = Expression.parse(name) if known else Expression.parse(f"u(x2, {_GAMMA!r})")
    if len(data["instructions"]) > _MOST_INSTRUCTIONS:
        raise InputError(f"{where}: has more than {_MOST_INSTRUCTIONS} instructions")
    usual = dict.fromkeys(shared, 1.0)
    lines: list[_core.PlainLine] = []
    roots: dict[str, str] = {}
    for number, line in enumerate(data["instructions"]):
        at = f"{where}, instruction {number}"
        instruction = _checked(line, set(start), variables, at)
        line = list(line)
        if line[0] in TAKES_X:
            _scaled_square(line, lines, roots)
        bound = BOUND.get(line[0], ())
        usual |= dict(zip(bound, instruction.defaults, strict=True))
        lines += instruction.lines(line[1], line[2:], bound)
        roots.pop(line[1], None)
        if line[0] == "SquareRootInstruction" and line[2] in features:
            roots[line[1]] = line[2]
    handle = _core.Assembler({name: e._handle for name, e in start.items()}).run(lines, RESULT)
    if handle is None:
        raise InputError(f"{where}: the factor holds a number that is not finite, a division by zero, say")
    result = Expression(handle)
    parameters = {}
    for name in result.parameters:
        original = next((a for a, b in own.items() if b == name), name)
        value = usual[original] if given is None else given.get(original)
        parameters[name] = finite(value, f'{where}: the value of parameter "{original}"')
    return {"expression": str(result), "parameters": parameters}


def _checked(line: Any, readable: set[str], variables: list[str], where: str) -> InstructionKind:
    if not isinstance(line, list) or not line or not all(isinstance(item, str) for item in line):
        raise InputError(f"{where}: {line!r} is not a list of a class, an output and inputs")
    kind: InstructionKind | None = _CLASSES.get(line[0])
    if kind is None:
        raise InputError(f'{where}: the class "{line[0]}" is unknown; known are {", ".join(_CLASSES)}')
    if len(line) != 2 + kind.inputs:
        raise InputError(f"{where}: {line[0]} takes an output and {kind.inputs} inputs, got {line[1:]!r}")
    if line[1] not in variables:
        raise InputError(f'{where}: writes "{line[1]}", which is not among the variables')
    for name in line[2:]:
        if name not in readable:
            raise InputError(f'{where}: reads "{name}", which is not a feature, parameter or variable')
    return kind


def _scaled_square(line: list[str], lines: list[_core.PlainLine], roots: Mapping[str, str]) -> None:
    """Let an instruction take its input squared, times `SPINS`.

    The square of a square root of a feature is the feature itself, whose derivative is finite at 0.
    """
    square = roots.get(line[2], _SQUARE)
    if square == _SQUARE:
        lines.append(("**", 2.0, False, _SQUARE, (line[2],)))
    lines.append(("*", SPINS, False, _SQUARE, (square,)))
    line[2] = _SQUARE
