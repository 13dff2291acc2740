"""``fastsfes fit``: fit the parameters of one functional."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from ..analysis.rounding import MOST_DIGITS, TOLERANCE, RoundedParameters, round_parameters
from ..common.errors import InputError
from ..common.files import check_output
from ..common.options import add_options, option, read_options
from ..datasets.dataset import Dataset
from ..energies.evaluate import wrmsd
from ..energies.quadrature import LEVELS
from ..fitting import OPTIMIZERS, FitResult, Optimizer, fit
from ..fitting.losses import LOSSES
from ..functionals.frame import Frame
from ..functionals.functional import Functional
from ..functionals.load import FUNCTIONAL, load
from ..validation import OwnDensityFit, fit_own_densities
from ..validation.own_densities import REST
from .dataset import show_progress
from .digits import rounding_note

_DESCRIPTION = """Fit the parameters of a functional to the training reactions of a dataset, on frozen densities
or on its own.

The functional is a registered name, a JSON file, a run directory, or formulas per channel:
  fastsfes fit wb97m_v
  fastsfes fit my.json --dataset molecules.h5 --output fitted.json
  fastsfes fit my.json --dataset molecules.h5 --own-densities work --workers 4
  fastsfes fit --channel 'x=c0 + c1*u(x2, g)' 'css=c0' 'cos=c0 + c1*w' --start x.g=0.004"""

_DEFAULT_START = 1.0


@dataclass(frozen=True)
class FitOptions:
    """The options of ``fastsfes fit``; `fastsfes.fit` says more of each."""

    dataset: str = option("builtin", "text", "data", "name or dataset file")
    quadrature: str = option("default", "text", "data", "quadrature in the dataset file")
    level: str = option("full", "text", "data", "quadrature nodes", choices=LEVELS)

    channel: tuple[str, ...] = option(
        (), "words", "form", "factors as KIND=FORMULA in place of a functional, as in 'x=c0 + c1*w' 'css=c0'"
    )
    start: tuple[str, ...] = option(
        (), "names", "form", f"starts of parameters, as in x.g=0.004 (with channel: default {_DEFAULT_START})"
    )
    fix: tuple[str, ...] = option((), "names", "form", 'parameters that are kept; "css.*" is allowed')
    bound: tuple[str, ...] = option((), "names", "form", "limits of parameters, as in x.g=1e-4:1")
    constraint: tuple[str, ...] = option(
        (),
        "names",
        "form",
        'conditions on the factors: "uniform_gas", "f_cos(x2=0, w=0) = 1", "0 <= f_x <= 1.804", "f_x rises with x2 '
        'weight 10"',
    )
    exact_exchange: bool = option(False, "bool", "form", "fit the fractions of exact exchange too")
    frame: str = option(
        "", "text", "form", "functional whose exact exchange, range separation and nonlocal correlation are kept, on "
        "the same densities; default: the one that made the densities",
    )  # fmt: skip

    own_densities: str = option(
        "",
        "text",
        "densities",
        "fit to the functional's own densities, to a fixed point; they are kept in this folder, and a second call goes "
        "on from there",
    )
    cycles: int = option(5, "int", "densities", "own densities at most so many times", minimum=1)
    rest: float = option(
        REST, "float", "densities", "end when no reaction energy moves further than this, kcal/mol", minimum=1e-9
    )
    workers: int = option(1, "int", "densities", "worker processes for own densities, one thread each", minimum=1)

    optimizer: Optimizer = option("varpro", "text", "method", "see docs/fitting.md", choices=OPTIMIZERS)
    loss: str = option("", "text", "method", f"what is minimised in place of the WRMSD: {LOSSES}")
    starts: int = option(
        0, "int", "method", "starting points; 0 for as many as reproduce the lowest minimum", minimum=0
    )
    seed: int = option(0, "int", "method", "of starting points and CMA-ES", minimum=0)
    max_evaluations: int = option(
        0,
        "int",
        "method",
        "limit per starting point; 0 for 200 (varpro), 50,000 (cma) or 100,000 (cma-syfes)",
        minimum=0,
    )  # fmt: skip
    ridge: float = option(0.0, "float", "method", "this times the sum of squares joins the squared loss", minimum=0)
    threads: int = option(0, "int", "method", "OpenMP threads; 0 for its own choice", minimum=0)

    digits: int = option(
        0,
        "int",
        "result",
        f"digits of the parameters in print, {MOST_DIGITS} for all; 0 for as few as cost {TOLERANCE:g} kcal/mol (all "
        "with bounds, ridge or fitted exact exchange)",
        minimum=0,
        maximum=MOST_DIGITS,
    )
    test: bool = option(False, "bool", "result", "also evaluate the test reactions")
    grid: bool = option(False, "bool", "result", "also evaluate the result on the full grid (slow)")


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "fit",
        description=_DESCRIPTION,
    )
    parser.add_argument("functional", nargs="?", help=FUNCTIONAL)
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="write the fitted functional")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_options(parser, FitOptions)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    o = read_options(FitOptions, arguments)
    functional = _functional(arguments.functional, o)
    check_output(arguments.output)
    dataset = Dataset.open(o.dataset)
    options: dict[str, Any] = {
        "seed": o.seed,
        "optimizer": o.optimizer,
        "loss": o.loss,
        "starts": o.starts or None,
        "fixed": o.fix,
        "bounds": dict(_bound(text) for text in o.bound),
        "constraints": o.constraint,
        "ridge": o.ridge,
        "exact_exchange": o.exact_exchange,
        "level": o.level,
        "max_evaluations": o.max_evaluations or None,
        "threads": o.threads,
    }
    cycles: OwnDensityFit | None = None
    if o.own_densities:
        cycles = _to_fixed_point(functional, dataset, o, options, quiet=arguments.json)
        dataset, result = Dataset.open(cycles.cycles[-1].dataset), cycles.cycles[-1].fit
    else:
        result = fit(functional, dataset, frame=o.frame, test=o.test, quadrature=o.quadrature, **options)
    on_grid: dict[str, float] = {}
    if o.grid:
        whose: Literal["own", "dataset"] = "own" if o.frame else "dataset"
        on_grid = {s: wrmsd(result.functional, dataset, s, "grid", frame=whose) for s in _splits(result)}
    if arguments.output is not None:
        result.functional.to_json(arguments.output)
    if arguments.json:
        own = {} if cycles is None else {"own_densities": cycles.to_dict()}
        print(json.dumps({**_as_json(result, on_grid), **own}, indent=1))
    else:
        if cycles is not None:
            print(cycles.table(), end="\n\n")
        print(_table(functional, result, on_grid, _rounded(result, dataset, o)))
    if arguments.output is not None and not arguments.json:
        print(f"written: {arguments.output}")
    return 0 if cycles is None or cycles.converged else 1


def _to_fixed_point(
    functional: Functional, dataset: Dataset, o: FitOptions, options: dict[str, Any], quiet: bool
) -> OwnDensityFit:
    for name, given in (("frame", o.frame), ("test", o.test), ("quadrature", o.quadrature != "default")):
        if given:
            raise InputError(f"--{name} does not go with --own-densities; leave one of them out")
    return fit_own_densities(
        functional,
        dataset,
        o.own_densities,
        cycles=o.cycles,
        rest=o.rest,
        workers=o.workers,
        progress=None if quiet else show_progress,
        **options,
    )


def _functional(name: str | None, o: FitOptions) -> Functional:
    if (name is None) == (not o.channel):
        raise InputError("give either a functional (name or JSON file) or --channel KIND=FORMULA ..., one per channel")
    starts = dict(_assignment("--start", text) for text in o.start)
    if name is not None:
        given = load(name, default=_DEFAULT_START)
    else:
        given = load("; ".join(o.channel), where="--channel", default=_DEFAULT_START)
    return given.with_parameters(starts)


def _assignment(option: str, text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise InputError(f'{option} "{text}": expected NAME=VALUE, such as x.g=0.004') from None


def _bound(text: str) -> tuple[str, tuple[float, float]]:
    match = re.fullmatch(r"([^=]+)=([^:]*):([^:]*)", text)
    try:
        if match is None:
            raise ValueError(text)
        low, high = match[2].strip(), match[3].strip()
        return match[1].strip(), (float(low or "-inf"), float(high or "inf"))
    except ValueError:
        raise InputError(f'--bound "{text}": expected NAME=LOW:HIGH, such as x.g=1e-4:1') from None


def _frame_note(given: Functional, fitted: Functional) -> list[str]:
    """That a functional was fitted in another frame than its own; formulas that give none have none of their own."""
    if given.frame.energies == fitted.frame.energies or (given.name == "formula" and given.frame == Frame()):
        return []
    return [f"note: {given.name} itself has {given.frame}; its factors were fitted with {fitted.frame}"]


def _rounded(result: FitResult, dataset: Dataset, o: FitOptions) -> RoundedParameters | None:
    """The parameters as they are printed; None for all digits."""
    if o.digits == MOST_DIGITS or o.bound or o.ridge or o.exact_exchange or o.quadrature != "default":
        return None
    if not set(result.parameters) - {n for n in result.parameters if any(fnmatchcase(n, p) for p in o.fix)}:
        return None
    return round_parameters(
        result.functional,
        dataset,
        digits=o.digits or None,
        fixed=o.fix,
        constraints=o.constraint,
        frame=o.frame,
        level=o.level,
        threads=o.threads,
    )


def _splits(result: FitResult) -> dict[str, float]:
    losses = {"train": result.train, "validation": result.validation, "test": result.test}
    return {split: loss for split, loss in losses.items() if loss is not None}


def _as_json(result: FitResult, on_grid: dict[str, float]) -> dict[str, Any]:
    return {
        "functional": result.functional.to_dict(),
        "wrmsd": _splits(result),
        "wrmsd_grid": on_grid,
        "wrmsd_start": result.start,
        "status": result.status,
        "optimizer": result.optimizer,
        "evaluations": result.evaluations,
        "linear": list(result.linear),
        "rank": result.rank,
        "seconds": result.seconds,
        "notes": list(result.notes),
    }


def _table(given: Functional, result: FitResult, on_grid: dict[str, float], rounded: RoundedParameters | None) -> str:
    lines = []
    for kind, channel in result.functional.channels.items():
        lines.append(f"f_{kind} = {channel.expression}")
    width = max((len(n) for n in result.parameters), default=0)
    if result.parameters:
        lines += ["", f"{'parameter':<{max(width, 9)}}  {'start':>14}  {'fitted':>24}"]
    else:
        lines += ["", "no parameters: nothing to fit"]
    texts = {} if rounded is None else rounded.texts()
    for name, value in result.parameters.items():
        note = "  linear" if name in result.linear else ""
        text = texts.get(name, f"{value:.16g}")
        lines.append(f"{name:<{max(width, 9)}}  {given.parameters[name]:>14.8g}  {text:>24}{note}")
    if rounded is not None:
        lines.append(rounding_note(rounded))
    hybrid = result.functional.hybrid
    lines += [
        "",
        f"exact exchange: short range {hybrid.short_range:.6g}, long range {hybrid.long_range:.6g}, "
        f"omega {hybrid.omega:g}",
        *_frame_note(given, result.functional),
        f"{result.optimizer}: {result.status} after {result.evaluations} evaluations, {result.seconds:.3g} s",
        *(f"note: {note}" for note in result.notes),
        "",
        f"{'WRMSD (kcal/mol)':<18}{'quadrature':>12}" + (f"{'full grid':>12}" if on_grid else ""),
        f"{'train, at start':<18}{result.start:>12.6f}",
    ]
    for split, loss in _splits(result).items():
        lines.append(f"{split:<18}{loss:>12.6f}" + (f"{on_grid[split]:>12.6f}" if on_grid else ""))
    return "\n".join(lines)
