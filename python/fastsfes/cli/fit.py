"""``fastsfes fit``: fit the parameters of one functional."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.files import check_output
from ..datasets.dataset import Dataset
from ..energies.evaluate import wrmsd
from ..fitting import FitResult, fit
from ..functionals.functional import Functional
from ..functionals.load import FUNCTIONAL, load

_DESCRIPTION = """Fit the parameters of a functional to the training reactions of a dataset, densities frozen.

The functional is a registered name, a JSON file, a run directory, or formulas per channel:
  fastsfes fit wb97m_v
  fastsfes fit my.json --dataset molecules.h5 --output fitted.json
  fastsfes fit --channel 'x=c0 + c1*u(x2, g)' --channel 'css=c0' --channel 'cos=c0 + c1*w' --start x.g=0.004"""

_DEFAULT_START = 1.0


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "fit",
        help="fit the parameters of a functional",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("functional", nargs="?", help=FUNCTIONAL)
    parser.add_argument(
        "--channel", action="append", default=[], metavar="KIND=FORMULA", help="factor of a channel, in place of a name"
    )
    parser.add_argument("--dataset", default="builtin", help="name or dataset file (default builtin)")
    parser.add_argument("--optimizer", choices=("varpro", "cma"), default="varpro", help="default varpro")
    parser.add_argument("--starts", type=int, default=4, metavar="N", help="starting points (default 4)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of starting points and CMA-ES (default 0)")
    parser.add_argument(
        "--start",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"start of a parameter (--channel: default {_DEFAULT_START})",
    )
    parser.add_argument(
        "--fix", action="append", default=[], metavar="NAME", help='keep a parameter; "css.*" is allowed'
    )
    parser.add_argument("--bound", action="append", default=[], metavar="NAME=LOW:HIGH", help="limits of a parameter")
    parser.add_argument(
        "--constraint",
        action="append",
        default=[],
        metavar="TEXT",
        help='condition on the factors, can be repeated: "uniform_gas", "f_cos(x2=0, w=0) = 1", "0 <= f_x <= 1.804", '
        '"f_x rises with x2 weight 10"',
    )
    parser.add_argument(
        "--ridge", type=float, default=0.0, metavar="X", help="X * sum of squares joins the squared loss"
    )
    parser.add_argument("--exact-exchange", action="store_true", help="fit the fractions of exact exchange too")
    parser.add_argument("--max-evaluations", type=int, metavar="N", help="limit per starting point")
    parser.add_argument("--quadrature", default="default", metavar="NAME", help="quadrature in the dataset file")
    parser.add_argument("--level", choices=("full", "reduced", "coarse"), default="full", help="quadrature nodes")
    parser.add_argument("--grid", action="store_true", help="also evaluate the result on the full grid (slow)")
    parser.add_argument("--test", action="store_true", help="also evaluate the test reactions")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="write the fitted functional")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="OpenMP threads (default: its own choice)")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    functional = _functional(arguments)
    check_output(arguments.output)
    for option, value, least in (
        ("--starts", arguments.starts, 1),
        ("--seed", arguments.seed, 0),
        ("--threads", arguments.threads, 0),
        ("--max-evaluations", arguments.max_evaluations, 1),
    ):
        if value is not None and value < least:
            raise InputError(f"{option} {value}: expected at least {least}")
    dataset = Dataset.open(arguments.dataset)
    result = fit(
        functional,
        dataset,
        seed=arguments.seed,
        optimizer=arguments.optimizer,
        starts=arguments.starts,
        fixed=arguments.fix,
        bounds=dict(_bound(text) for text in arguments.bound),
        constraints=arguments.constraint,
        ridge=arguments.ridge,
        exact_exchange=arguments.exact_exchange,
        test=arguments.test,
        level=arguments.level,
        quadrature=arguments.quadrature,
        max_evaluations=arguments.max_evaluations,
        threads=arguments.threads,
    )
    on_grid: dict[str, float] = {}
    if arguments.grid:
        on_grid = {s: wrmsd(result.functional, dataset, s, "grid") for s in _splits(result)}
    if arguments.output is not None:
        result.functional.to_json(arguments.output)
    print(json.dumps(_as_json(result, on_grid), indent=1) if arguments.json else _table(functional, result, on_grid))
    if arguments.output is not None and not arguments.json:
        print(f"written: {arguments.output}")
    return 0


def _functional(arguments: argparse.Namespace) -> Functional:
    if (arguments.functional is None) == (not arguments.channel):
        raise InputError("give either a functional (name or JSON file) or --channel KIND=FORMULA, once per channel")
    starts = dict(_assignment("--start", text) for text in arguments.start)
    if arguments.functional is not None:
        given = load(arguments.functional, default=_DEFAULT_START)
    else:
        given = load("; ".join(arguments.channel), where="--channel", default=_DEFAULT_START)
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
    }


def _table(given: Functional, result: FitResult, on_grid: dict[str, float]) -> str:
    lines = []
    for kind, channel in result.functional.channels.items():
        lines.append(f"f_{kind} = {channel.expression}")
    width = max((len(n) for n in result.parameters), default=0)
    if result.parameters:
        lines += ["", f"{'parameter':<{max(width, 9)}}  {'start':>14}  {'fitted':>24}"]
    else:
        lines += ["", "no parameters: nothing to fit"]
    for name, value in result.parameters.items():
        note = "  linear" if name in result.linear else ""
        lines.append(f"{name:<{max(width, 9)}}  {given.parameters[name]:>14.8g}  {value:>24.16g}{note}")
    hybrid = result.functional.hybrid
    lines += [
        "",
        f"exact exchange: short range {hybrid.short_range:.6g}, long range {hybrid.long_range:.6g}, "
        f"omega {hybrid.omega:g}",
        f"{result.optimizer}: {result.status} after {result.evaluations} evaluations, {result.seconds:.3g} s",
        "",
        f"{'WRMSD (kcal/mol)':<18}{'quadrature':>12}" + (f"{'full grid':>12}" if on_grid else ""),
        f"{'train, at start':<18}{result.start:>12.6f}",
    ]
    for split, loss in _splits(result).items():
        lines.append(f"{split:<18}{loss:>12.6f}" + (f"{on_grid[split]:>12.6f}" if on_grid else ""))
    return "\n".join(lines)
