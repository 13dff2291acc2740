"""Digits of parameters in print: as few as the data tell, with uncertainties; a run keeps them beside its result."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..analysis.rounding import MOST_DIGITS, TOLERANCE, RoundedParameters, round_parameters
from ..common.errors import FastsfesError, InputError
from ..common.files import write_text
from ..common.reading import parse_json, read_text, shaped
from ..common.runfolder import ROUNDED
from ..common.terminal import visible
from ..functionals.functional import Functional
from ..run.search import Run

__all__ = ["Printed", "add_digits", "printed_parameters", "rounding_note"]


_SHAPE = {"digest": int, "texts": {str: str}, "note": str}


@dataclass(frozen=True)
class Printed:
    """A functional with the texts of its parameters by "channel.name"; those without one have all digits."""

    functional: Functional
    texts: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def add_digits(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--digits",
        type=int,
        metavar="N",
        help=f"digits of the parameters, {MOST_DIGITS} for all (default: as few as cost {TOLERANCE:g} kcal/mol)",
    )


def rounding_note(rounded: RoundedParameters) -> str:
    """What the digits cost."""
    losses = ", ".join(f"{s} {rounded.before[s]:.6g} -> {rounded.after[s]:.6g}" for s in rounded.before)
    return "\n".join([f"parameters with these digits and ± their standard errors: {losses}", *rounded.notes])


def printed_parameters(run: Run, functional: Functional, digits: int | None) -> Printed:
    """The parameters of a functional of a run as they are printed; with all digits where its data are not there.

    Raises:
        InputError: digits that are not 1 to 17.
    """
    if digits is not None and not 1 <= digits <= MOST_DIGITS:
        raise InputError(f"--digits {digits}: expected 1 to {MOST_DIGITS}")
    if digits == MOST_DIGITS or not functional.parameters or not run.summary.get("report"):
        return Printed(functional)
    config = run.config
    if (rounding := config.rounding) is None:
        return Printed(functional)
    path = run.path / ROUNDED
    if digits is None and (kept := _kept(path, functional)) is not None:
        return kept
    try:
        found = round_parameters(functional, config.dataset, digits=digits, **rounding)
    except FastsfesError:
        return Printed(functional)
    made = Printed(functional, found.texts(), rounding_note(found))
    if digits is None and functional == run.best:
        data = {"digest": functional.digest, "texts": dict(made.texts), "note": made.note}
        with suppress(OSError, FastsfesError):  # a run of somebody else is shown all the same
            write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return made


def _kept(path: Path, functional: Functional) -> Printed | None:
    """What an earlier call left, if it is of this functional."""
    try:
        data = shaped(parse_json(read_text(path, "digits"), str(path)), _SHAPE, str(path), "it is made again")
    except (FastsfesError, OSError):
        return None
    texts, note = data["texts"], data["note"]
    if data["digest"] != functional.digest or set(texts) != set(functional.parameters):
        return None
    return Printed(functional, {n: visible(t) for n, t in texts.items()}, "\n".join(map(visible, note.split("\n"))))
