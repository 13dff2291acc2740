"""One way in: functionals by name, file, run, formula, or from libxc.

Every command and function that takes a functional as text reads it here:

* ``gas22``: a registered name, whatever the case;
* ``my.json``: a functional file, ours or SyFES's;
* ``fastsfes-runs/...``: a run directory, whose best functional is meant;
* ``fastsfes-runs/...:7``: the member of its front with index 7;
* ``x = c0 + c1*u(x2, g); css = c0; x.c0 = 0.8; x.c1 = 0.5; x.g = 0.004; css.c0 = 1``: formulas per channel and values;
  own operators may be defined before them, ``sech(a) = 1/cosh(a)``;
* ``libxc:mgga_x_r2scan``: a functional of libxc, only where it is compared with (`load_comparison`).

Nothing that is read is executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.files import user_path
from ..common.reading import parse_json, read_text, shaped
from ..common.runfolder import BEST, FRONT, resume_command
from ..formula.expression import Expression
from ..formula.features import CHANNELS, CORRELATION
from ..formula.own_operators import is_definition
from .frame import VV10, Frame, Hybrid
from .functional import Channel, Functional
from .libxc import LibxcFunctional
from .registry import get_functional, list_functionals

__all__ = [
    "FACTS",
    "FUNCTIONAL",
    "Comparison",
    "by_name",
    "front_member",
    "load",
    "load_comparison",
    "read_front",
    "text_of",
]

Comparison = Functional | LibxcFunctional
"""What can be evaluated beside a functional: has name, family, hybrid, nlc and energy_density."""

FUNCTIONAL = (
    "registered name, JSON file, run directory, RUN:7 for a member of its front, or formulas such as "
    "'x = 1 + c*w; x.c = 0.3'"
)
"""What commands say that they take."""

_VALUE = (float, None)
FACTS = {
    "method": str,
    "deviation": _VALUE,
    "compared?": {"done": int, "of": int},
    "grids?": {"change": _VALUE, "where": str, "to": str},
    "conditions?": {"met": int, "of": int},
    "correlation?": ({"atom": str, "energy": _VALUE}, None),
    "radial?": {"points": (int, None), "atom": str, "band": str},
    "atom?": ({"atom": str, "exact": float, "energy": _VALUE}, None),
}
"""Shape of what is known of a member beside its errors."""

_MEMBER = {
    "index": int,
    "picked": bool,
    "parameters": int,
    "terms": {str: _VALUE},
    **dict.fromkeys(("complexity", "train", "validation", "fitness"), _VALUE),
    **dict.fromkeys(("cross_validation?", "grid?", "error?"), _VALUE),
    "conditions?": (str, None),
    "faults?": [str],
    "reactions?": int,
    "left_out?": {str: [_VALUE]},
    "checked?": FACTS,
    "functional": {"channels": {str: {"expression": str}}},
}
_FRONT = {"members": [_MEMBER]}
"""Shape of the file of a front."""

_LIBXC = "libxc:"
_LIBXC_NAME = re.compile(r"\w[\w,+*-]*")
_HEAD = re.compile(r"\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)\s*=\s*(.*)", re.DOTALL)
_CORRELATION = "correlation"
_FRAME = ("hybrid.omega", "hybrid.short_range", "hybrid.long_range", "nlc.b", "nlc.C")


def load(text: str | Path | Functional, *, where: str = "", default: float | None = None) -> Functional:
    """The functional that a text means; see the module's documentation for what it can be.

    Args:
        text: registered name, JSON file, run directory, or formulas; a `Functional` is returned as it is.
        where: what asked for it ("base", "--functional"), for errors.
        default: value of parameters of formulas that have none; without it they are an error.

    Raises:
        InputError: says what the text was taken for and what is wrong with it.
    """
    if isinstance(text, Functional):
        return text
    try:
        return _load(str(text), default)
    except InputError as error:
        raise InputError(f"{where}: {error}" if where else str(error)) from None


def load_comparison(text: str | Path | Comparison, *, where: str = "") -> Comparison:
    """What `load` reads, and ``libxc:NAME`` for any functional of libxc (values and derivatives, no formula)."""
    if isinstance(text, LibxcFunctional):
        return text
    if isinstance(text, str) and text.strip().lower().startswith(_LIBXC):
        try:
            return LibxcFunctional(text.strip()[len(_LIBXC) :].strip().lower())
        except InputError as error:
            raise InputError(f"{where}: {error}" if where else str(error)) from None
    try:
        return load(text, where=where)
    except InputError as error:
        if isinstance(text, str) and _LIBXC_NAME.fullmatch(text.strip()) and _in_libxc(text):
            raise InputError(f"{error}. libxc has one of that name: {_LIBXC}{text.strip().lower()}") from None
        raise


def text_of(functional: Functional) -> str:
    """A text that `load` reads as this functional: its registered name, or its formulas with all digits."""
    if functional.name in list_functionals() and functional == get_functional(functional.name):
        return functional.name
    parts = [f"{kind} = {channel.expression}" for kind, channel in functional.channels.items()]
    parts += [f"{name} = {value!r}" for name, value in functional.parameters.items()]
    frame = functional.frame.to_dict()
    values = {key: (frame[key.partition(".")[0]] or {}).get(key.partition(".")[2]) for key in _FRAME}
    parts += [f"{key} = {value!r}" for key, value in values.items() if value is not None]
    return "; ".join([*parts, f"{_CORRELATION} = {functional.correlation}"])


def by_name(functionals: Iterable[Comparison]) -> dict[str, Comparison]:
    """Functionals by name, in their order: equal ones once, and others of one name told apart by a number."""
    found: dict[str, Comparison] = {}
    for functional in functionals:
        if functional in found.values():
            continue
        name, number = functional.name, 2
        while name in found:
            name, number = f"{functional.name} ({number})", number + 1
        found[name] = functional
    return found


def _in_libxc(name: str) -> bool:
    try:
        LibxcFunctional(name.strip().lower())
    except InputError:
        return False
    return True


def _load(text: str, default: float | None) -> Functional:
    name = text.strip()
    if not name:
        raise InputError(f"no functional is given; expected a {FUNCTIONAL}")
    if name.lower().startswith(_LIBXC):
        raise InputError(
            f'"{name}" is a functional of libxc: it can be compared with, but its formula is not known here; the '
            f"registered functionals are {', '.join(list_functionals())}"
        )
    if "=" in name:
        return _formulas(name, default)
    folder, colon, number = name.rpartition(":")
    if colon and number.strip().isdecimal():
        return front_member(folder, int(number))
    path = user_path(name)
    if path.suffix.lower() == ".json":
        return Functional.from_json(path)
    try:
        return get_functional(name)
    except InputError as error:
        try:
            is_file, is_folder = path.is_file(), path.is_dir()
        except (OSError, ValueError):  # no path at all
            is_file = is_folder = False
        if is_folder and not (path / BEST).is_file():
            raise InputError(
                f"{path}: not the directory of a search, or without a result so far; expected {BEST} in it"
            ) from None
        if is_file or is_folder:
            return Functional.from_json(path / BEST if is_folder else path)
        raise InputError(
            f'{error}; a file\'s name ends in .json, a run is a folder, formulas are written "x = 1 + 0.5*u(x2, 0.004)"'
        ) from None


def read_front(folder: str | Path) -> list[dict[str, Any]]:
    """The members of a run's front as its file holds them: figures, and the functional as a dictionary."""
    path = user_path(folder) / FRONT
    try:
        is_run = path.parent.is_dir()
        is_file = path.is_file()
    except (OSError, ValueError):
        is_run = is_file = False
    if not is_file:
        what = f"has no {FRONT} yet; finish it with: {resume_command(folder)}" if is_run else "there is no such run"
        raise InputError(f"{folder}: {what}")
    data = parse_json(read_text(path, "the front of a run"), str(path))
    return list(shaped(data, _FRONT, str(path), "write it again with a resumed search")["members"])


def front_member(folder: str | Path, index: int) -> Functional:
    """The functional with this index on the front of a run."""
    rows = read_front(folder)
    if not 0 <= index < len(rows):
        raise InputError(
            f"{folder}:{index}: the front has members 0 to {len(rows) - 1}; see: fastsfes show {folder} --pareto"
        )
    return Functional.from_dict(rows[index]["functional"])


def _formulas(text: str, default: float | None) -> Functional:
    """``KIND = FORMULA`` and ``KIND.PARAMETER = NUMBER``, separated by semicolons."""
    formulas: dict[str, str] = {}
    numbers: dict[str, float] = {}
    correlation = ""
    kind = ""
    own = ""
    for part in text.split(";"):
        found = _HEAD.fullmatch(part)
        if not kind and is_definition(part):
            own += f"{part};"
        elif found is not None and found[1] == _CORRELATION:
            if correlation:
                raise InputError(f'"{_CORRELATION}" is given twice')
            correlation, kind = found[2].strip(), ""
            if correlation not in CORRELATION:
                raise InputError(f'correlation "{correlation}" is unknown; expected one of {", ".join(CORRELATION)}')
        elif found is not None and "." in found[1]:
            if found[1] in numbers:
                raise InputError(f'"{found[1]}" is given twice')
            numbers[found[1]] = _finite(found[1], found[2])
            kind = ""
        elif found is not None and found[1] in CHANNELS:
            kind = found[1]
            if kind in formulas:
                raise InputError(f'channel "{kind}" is given twice')
            formulas[kind] = own + found[2]
        elif kind:  # a formula that assigns parts of itself to names
            formulas[kind] += f";{part}"
        elif part.strip():
            raise InputError(
                f'"{part.strip()}" is not understood; expected CHANNEL = FORMULA with a channel of '
                f"{', '.join(CHANNELS)}, or CHANNEL.PARAMETER = NUMBER"
            )
    channels = {}
    for kind, formula in formulas.items():
        try:
            expression = Expression.parse(formula)
        except InputError as error:
            raise InputError(f"{kind}: {error}") from None
        values = {}
        for name in expression.parameters:
            value = numbers.pop(f"{kind}.{name}", default)
            if value is None:
                raise InputError(
                    f'parameter "{name}" of "{kind} = {formula.strip()}" has no value; add {kind}.{name} = NUMBER'
                )
            values[name] = value
        channels[kind] = Channel(expression, values)
    frame = {key: numbers.pop(key) for key in _FRAME if key in numbers}
    if numbers:
        raise InputError(
            f'"{next(iter(numbers))}" is not a parameter of the formulas; beside those there are {", ".join(_FRAME)}, '
            f"and {_CORRELATION}"
        )
    if not channels:
        raise InputError(f'"{text}" has no formula; expected CHANNEL = FORMULA with one of {", ".join(CHANNELS)}')
    hybrid = {key.partition(".")[2]: value for key, value in frame.items() if key.startswith("hybrid")}
    nlc = {key.partition(".")[2]: value for key, value in frame.items() if key.startswith("nlc")}
    if len(nlc) == 1:
        raise InputError(f"{next(iter(frame.keys() & _FRAME[3:]))} is given alone; VV10 needs nlc.b and nlc.C")
    frame_of_formula = Frame(Hybrid(**hybrid), VV10(**nlc) if nlc else None, correlation or CORRELATION[0])
    return Functional("formula", channels, **frame_of_formula.fields())


def _finite(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise InputError(f'"{name} = {text.strip()}": expected a finite number')
    return value
