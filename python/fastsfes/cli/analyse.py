"""``fastsfes analyse``: what the terms, parameters and data of a functional contribute."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..analysis import bootstrap, enhancement_curves, optimum, parameter_uncertainties, sensitivity, term_contributions
from ..analysis.curves import BESIDE
from ..common.errors import InputError
from ..common.files import plain
from ..datasets.dataset import Dataset
from ..functionals.load import FUNCTIONAL, load_comparison

_DESCRIPTION = """Understand a functional: losses without each term, uncertainties of the parameters from the curvature
of the loss and from resampled reactions, what each type of data determines, pictures of the enhancement factors.

  fastsfes analyse wb97m_v
  fastsfes analyse my.json --dataset molecules.h5 --parts terms sensitivity --no-refit
  fastsfes analyse gas22 --parts curves --plot pictures

The parameters are fitted to the training reactions first, unless --no-refit is given. docs/analysis.md says how the
numbers are defined and what they assume."""

PARTS = ("terms", "uncertainties", "bootstrap", "sensitivity", "curves")


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "analyse",
        help="contributions of terms, uncertainties of parameters, sensitivity to data, pictures",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("functional", metavar="FUNCTIONAL", help=f"{FUNCTIONAL}; libxc:NAME for curves only")
    parser.add_argument("--dataset", default="builtin", help="name or dataset file (default builtin)")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=PARTS,
        metavar="PART",
        help=f"what to do: {' '.join(PARTS)} (default all but curves)",
    )
    parser.add_argument("--no-refit", action="store_true", help="keep the parameters as they are")
    parser.add_argument("--test", action="store_true", help="also show the test reactions")
    parser.add_argument(
        "--level", choices=("full", "reduced", "coarse"), default="reduced", help="quadrature nodes (default reduced)"
    )
    parser.add_argument("--samples", type=int, default=200, metavar="N", help="of the bootstrap (default 200)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default 0)")
    parser.add_argument(
        "--by", choices=("reaction", "subset"), default="reaction", help="what the bootstrap draws (default reaction)"
    )
    parser.add_argument(
        "--beside",
        nargs="*",
        default=list(BESIDE),
        metavar="FUNCTIONAL",
        help=f"functionals beside it in curves (default {' '.join(BESIDE)})",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FOLDER", help="write pictures of curves and surfaces (needs matplotlib)"
    )
    parser.add_argument("--format", choices=("svg", "png"), default="svg", help="of the pictures (default svg)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="fits at a time (default: all cores)")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    for option, value, least in (
        ("--samples", arguments.samples, 2),
        ("--seed", arguments.seed, 0),
        ("--threads", arguments.threads, 0),
    ):
        if value < least:
            raise InputError(f"{option} {value}: expected at least {least}")
    parts = list(arguments.parts or [p for p in PARTS if p != "curves"])
    if arguments.plot is not None and "curves" not in parts:
        parts.append("curves")
    data: dict[str, Any] = {}
    texts: list[str] = []
    if parts != ["curves"]:
        _fitted(arguments, parts, data, texts)
    if "curves" in parts:
        curves = enhancement_curves(load_comparison(arguments.functional), arguments.beside)
        data["curves"] = curves.to_dict()
        if arguments.plot is not None:
            from ..analysis.plot import write_plots

            paths = write_plots(curves, arguments.plot, arguments.format)
            data["pictures"] = [str(path) for path in paths]
            texts.append("\n".join(f"written: {path}" for path in paths))
        else:
            texts.append("curves: use --plot FOLDER for pictures, or --json for the numbers")
    print(json.dumps(data, indent=1, allow_nan=False) if arguments.json else "\n\n".join(texts))
    return 0


def _fitted(arguments: argparse.Namespace, parts: list[str], data: dict[str, Any], texts: list[str]) -> None:
    """What needs the dataset."""
    dataset = Dataset.open(arguments.dataset)
    threads = arguments.threads
    best = optimum(
        arguments.functional,
        dataset,
        refit=not arguments.no_refit,
        level=arguments.level,
        test=arguments.test,
        threads=threads,
    )
    data |= {"functional": best.functional.to_dict(), "dataset": dataset.name, "losses": plain(best.losses)}
    how = "refitted to" if best.refitted else "as it is, on"
    losses = ", ".join(f"{split} {loss:.4f}" for split, loss in best.losses.items())
    texts.append(f"{best.functional.name}, {how} {dataset.name}: WRMSD in kcal/mol {losses}")
    uncertainties = None
    if "terms" in parts:
        terms = term_contributions(best, threads=threads)
        data["terms"] = terms.to_dict()
        texts.append(str(terms))
    if "uncertainties" in parts or "sensitivity" in parts:
        uncertainties = parameter_uncertainties(best)
    if "uncertainties" in parts and uncertainties is not None:
        data["uncertainties"] = uncertainties.to_dict()
        texts.append(f"uncertainties from the curvature of the loss\n{uncertainties}")
    if "bootstrap" in parts:
        drawn = bootstrap(
            best,
            samples=arguments.samples,
            seed=arguments.seed,
            by=arguments.by,
            threads=threads,
            progress=None if arguments.quiet else _report,
        )
        data["bootstrap"] = drawn.to_dict()
        texts.append(f"uncertainties from resampled reactions\n{drawn}")
    if "sensitivity" in parts:
        types = sensitivity(best, uncertainties=uncertainties, threads=threads)
        data["sensitivity"] = types.to_dict()
        texts.append(str(types))


def _report(done: int, samples: int) -> None:
    """A line for every tenth of the samples."""
    if done % max(1, samples // 10) == 0:
        print(f"bootstrap: {done} of {samples}", file=sys.stderr, flush=True)
