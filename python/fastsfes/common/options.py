"""One table of options: a dataclass field with a description is a TOML key and a command-line option.

`option` makes such a field; `from_table`, `to_toml`, `add_options`, `read_options` and `markdown` read the table.
Nothing about an option is written twice.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import numbers
import operator
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, TypeVar

from .arguments import meant, nearest
from .errors import InputError
from .files import user_path
from .reading import parse_json, read_text, short

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "Option",
    "add_arguments",
    "add_options",
    "convert",
    "from_table",
    "given_arguments",
    "markdown",
    "option",
    "options",
    "parse_toml",
    "read_options",
    "read_toml",
    "split_names",
    "to_toml",
    "unknown_option",
]

T = TypeVar("T")
KINDS = ("int", "float", "bool", "text", "names", "words", "pool", "numbers")
"""Types of options; "names" and "words" are lists of texts, "pool" maps names to weights, "numbers" is a text of whole
numbers and ranges, as in 6:14 or 8,10,12, for which a number or a list of them may stand.

On the command line "names" are divided by commas and the option can be repeated; "words" follow each other.
"""


@dataclass(frozen=True)
class Option:
    """One row of the table."""

    name: str
    kind: str
    default: Any
    section: str
    help: str
    choices: tuple[str, ...]
    minimum: float
    maximum: float

    @property
    def flag(self) -> str:
        """Spelling on the command line."""
        return "--" + self.name.replace("_", "-")


def option(
    default: Any,
    kind: str,
    section: str,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    minimum: float = -math.inf,
    maximum: float = math.inf,
) -> Any:
    """A dataclass field that is an option."""
    if kind not in KINDS:
        raise ValueError(f"{kind} is none of {KINDS}")
    row = {"kind": kind, "section": section, "help": help, "choices": choices, "range": (minimum, maximum)}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=row)
    return dataclasses.field(default=default, metadata=row)


def options(cls: type) -> tuple[Option, ...]:
    """The table of a dataclass."""
    rows = []
    for f in dataclasses.fields(cls):
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        m = f.metadata
        rows.append(Option(f.name, m["kind"], default, m["section"], m["help"], m["choices"], *m["range"]))
    return tuple(rows)


def split_names(text: str) -> tuple[str, ...]:
    """Split at commas that stand outside parentheses: "u = u(x2, g), w" has two names."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(p.strip() for p in parts if p.strip())


def convert(row: Option, value: Any, where: str) -> Any:
    """A value of TOML or the command line as the option's type; `InputError` says what was expected."""

    def fail(expected: str) -> InputError:
        return InputError(f"{where}: {row.name} = {shown_value(value)}; expected {expected}")

    if row.kind in ("int", "float"):
        return _number(row, value, fail)
    if row.kind == "bool":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false", "yes", "no"):
            return value.lower() in ("true", "yes")
        raise fail("true or false")
    if row.kind == "text":
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(value, str):
            raise fail("text")
        if row.choices and value not in row.choices:
            near = nearest(value, row.choices)
            choices = " or ".join(f'"{c}"' for c in row.choices)
            raise fail(choices + (f'; did you mean "{near}"?' if near else ""))
        return value
    if row.kind == "numbers":
        return _numbers(value, fail)
    if row.kind in ("names", "words"):
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        names = split_names(value) if isinstance(value, str) else value
        if isinstance(names, (list, tuple)):
            names = [os.fspath(n) if isinstance(n, os.PathLike) else n for n in names]
        if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
            raise fail("a list of names")
        for name in names:
            if row.choices and name not in row.choices:
                hint = meant(name, row.choices, "expected any of")
                raise InputError(f'{where}: {row.name} contains "{name}"; {hint}')
        return tuple(names)
    return _pool(value, fail)


def shown_value(value: Any) -> str:
    """A value that was given, in short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _number(row: Option, value: Any, fail: Any) -> int | float:
    expected = "a whole number" if row.kind == "int" else "a number"
    if math.isfinite(row.minimum):
        expected += f" of at least {row.minimum:g}"
    if row.maximum > 2**64 and math.isfinite(row.maximum):
        expected += f" and at most {int(row.maximum).bit_length()} bits"
    elif math.isfinite(row.maximum):
        expected += f" and at most {row.maximum:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float, str, numbers.Real)):
        raise fail(expected)
    try:
        number: int | float = float(value)
        if row.kind == "int":
            number = int(value) if isinstance(value, (str, numbers.Integral)) else int(number)
            if not isinstance(value, (numbers.Integral, str)) and float(value) != number:
                raise ValueError
    except (ValueError, OverflowError):
        raise fail(expected) from None
    if not row.minimum <= number <= row.maximum:
        raise fail(expected)
    return number


def _numbers(value: Any, fail: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        many = [value] if isinstance(value, numbers.Integral) else list(value)
        if any(isinstance(n, bool) for n in many):
            raise TypeError
        return ",".join(str(operator.index(n)) for n in many)
    except TypeError:
        raise fail('whole numbers, as in 8, [8, 10] or "6:14"') from None


def _pool(value: Any, fail: Any) -> dict[str, float]:
    if isinstance(value, os.PathLike) or (isinstance(value, str) and value.endswith(".json")):
        path = user_path(os.fspath(value))
        value = parse_json(read_text(path, "a JSON object of names and weights", 2**20), str(path))
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        value = dict.fromkeys(value, 1.0)
    if isinstance(value, str):
        pairs = [item.partition("=") for item in split_names(value)]
        value = {name.strip(): (weight.strip() if equals else "1") for name, equals, weight in pairs}
    if not isinstance(value, Mapping):
        raise fail("names with weights, as in {add = 1, mul = 0.5} or add=1,mul=0.5")
    try:
        weights = {str(name): float(weight) for name, weight in value.items()}
        if not all(map(math.isfinite, weights.values())):
            raise ValueError
        return weights
    except (TypeError, ValueError, OverflowError):
        raise fail("a finite number as the weight of every name") from None


def read_toml(path: str | Path) -> dict[str, Any]:
    """The table of a TOML file; `InputError` names the file and what is wrong with it."""
    return parse_toml(read_text(path, "options in TOML", 2**20), str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The table of a TOML text; `where` names its source in errors."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # integers of thousands of digits are ValueErrors, too
        raise InputError(f"{where}: not valid TOML: {short(error)}") from None


def from_table(cls: type[T], table: Mapping[str, Any], where: str, base: Mapping[str, Any] | None = None) -> T:
    """The dataclass from a table of TOML: keys stand in their section or at the top.

    Args:
        cls: the dataclass of options.
        table: what `tomllib` read.
        where: the file's name, for errors.
        base: values that the table overrides.
    """
    rows = {row.name: row for row in options(cls)}
    sections = {row.section for row in rows.values()}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in sections and isinstance(value, Mapping) and key not in rows:
            items, place = value.items(), f"{where}, [{key}]"
        else:
            items, place = {key: value}.items(), where
        for name, item in items:
            if name not in rows:
                raise unknown_option(name, [*rows, *sections], place)
            if name in values:
                raise InputError(f'{place}: "{name}" is given twice; remove one')
            values[name] = convert(rows[name], item, place)
    return cls(**{**(base or {}), **values})


def unknown_option(name: str, known: Iterable[str], where: str) -> InputError:
    """The error of an option that there is not, with the nearest one."""
    known = list(known)
    return InputError(f'{where}: there is no option "{name}"; {meant(name, known, "the options are")}')


def to_toml(config: Any) -> str:
    """All options with their values, by section, with their descriptions: reads back as the same configuration."""
    lines: list[str] = []
    section = None
    for row in sorted(options(type(config)), key=lambda r: _section_order(type(config), r.section)):
        if row.section != section:
            section = row.section
            lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        lines.append(f"# {row.help}")
        lines.append(f"{row.name} = {_toml(getattr(config, row.name))}")
    return "\n".join(lines) + "\n"


def _section_order(cls: type, section: str) -> int:
    return list(dict.fromkeys(row.section for row in options(cls))).index(section)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, float):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, repr(value))
    return repr(value)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def add_arguments(parser: argparse.ArgumentParser, cls: type) -> None:
    """One command-line option per row, grouped by section; what is not given stays out of the namespace."""
    groups: dict[str, Any] = {}
    for row in options(cls):
        group = groups.setdefault(row.section, None) or parser.add_argument_group(row.section)
        groups[row.section] = group
        extra: dict[str, Any] = {"dest": row.name, "default": argparse.SUPPRESS}
        shown = _shown(row.default)
        text = row.help + (f" (default: {shown})" if shown else "")
        if row.kind == "bool":
            group.add_argument(row.flag, action=argparse.BooleanOptionalAction, help=text.replace("%", "%%"), **extra)
        else:
            metavar = _METAVARS[row.kind]
            if row.choices and row.kind == "text":
                metavar = "{" + ",".join(row.choices) + "}"
            if row.kind == "words":
                extra |= {"nargs": "*", "action": "extend"}
            elif row.kind in ("names", "pool"):
                extra["action"] = "append"
            group.add_argument(row.flag, metavar=metavar, help=text.replace("%", "%%"), **extra)


_METAVARS = {
    "int": "N",
    "float": "X",
    "text": "TEXT",
    "names": "A,B",
    "words": "A",
    "pool": "A=1,B=1",
    "numbers": "N:N",
}


def add_options(parser: argparse.ArgumentParser, cls: type) -> None:
    """The options of a table, and --config FILE, which reads them from TOML."""
    parser.add_argument("--config", metavar="FILE", help="TOML file of the options below")
    add_arguments(parser, cls)


def read_options(cls: type[T], namespace: argparse.Namespace) -> T:
    """What `add_options` was given: the file's options, those of the command line over them."""
    given = given_arguments(cls, namespace)
    if namespace.config is None:
        return cls(**given)
    read = from_table(cls, read_toml(namespace.config), str(namespace.config))
    return cls(**{**{row.name: getattr(read, row.name) for row in options(cls)}, **given})


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{k}={v:g}" for k, v in value.items())
    if isinstance(value, (tuple, list)):
        return ",".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def given_arguments(cls: type, namespace: argparse.Namespace) -> dict[str, Any]:
    """The options that were given on the command line, converted."""
    given = {}
    for row in options(cls):
        if hasattr(namespace, row.name):
            value = getattr(namespace, row.name)
            if row.kind in ("names", "pool"):  # repeated options add up
                value = ",".join(value)
            given[row.name] = convert(row, value, f"option {row.flag}")
    return given


def markdown(cls: type) -> str:
    """The table as Markdown, one table per section, for the documentation."""
    lines: list[str] = []
    for section in dict.fromkeys(row.section for row in options(cls)):
        lines += [f"### [{section}]", "", "| TOML key | command line | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{r.name}` | `{r.flag}` | {('`' + _shown(r.default) + '`') if _shown(r.default) else ''} | {r.help} |"
            for r in options(cls)
            if r.section == section
        ]
        lines.append("")
    return "\n".join(lines)
