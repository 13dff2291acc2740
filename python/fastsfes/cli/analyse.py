"""``fastsfes analyse``: what the terms, parameters and data of a functional contribute."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ..analysis import bootstrap, enhancement_curves, optimum, parameter_uncertainties, sensitivity, term_contributions
from ..analysis.curves import BESIDE
from ..analysis.resampling import Unit
from ..common.files import plain
from ..common.options import add_options, option, read_options
from ..datasets.dataset import Dataset
from ..energies.quadrature import LEVELS
from ..functionals.load import FUNCTIONAL, load_comparison

_DESCRIPTION = """Understand a functional: losses without each term, uncertainties of the parameters from the curvature
of the loss and from resampled reactions, what each type of data determines, pictures of the enhancement factors.

  fastsfes analyse wb97m_v
  fastsfes analyse my.json --dataset molecules.h5 --parts terms sensitivity --no-refit
  fastsfes analyse gas22 --parts curves --plot pictures

The parameters are fitted to the training reactions first, unless --no-refit is given. docs/analysis.md says how the
numbers are defined and what they assume."""

PARTS = ("terms", "uncertainties", "bootstrap", "sensitivity", "curves")


@dataclass(frozen=True)
class AnalyseOptions:
    """The options of ``fastsfes analyse``."""

    dataset: str = option("builtin", "text", "data", "name or dataset file")
    level: str = option("full", "text", "data", "quadrature nodes", choices=LEVELS)
    test: bool = option(False, "bool", "data", "also show the test reactions")

    parts: tuple[str, ...] = option(PARTS[:-1], "words", "analysis", f"what to do: {' '.join(PARTS)}", choices=PARTS)
    refit: bool = option(True, "bool", "analysis", "fit the parameters to the training reactions first")
    samples: int = option(200, "int", "analysis", "of the bootstrap", minimum=2)
    seed: int = option(0, "int", "analysis", "of the bootstrap", minimum=0)
    by: Unit = option("reaction", "text", "analysis", "what the bootstrap draws", choices=get_args(Unit))
    threads: int = option(0, "int", "analysis", "fits at a time; 0 for all cores", minimum=0)

    beside: tuple[str, ...] = option(BESIDE, "words", "curves", "functionals beside it in curves")
    plot: str = option("", "text", "curves", "folder for pictures of curves and surfaces (needs matplotlib)")
    format: str = option("svg", "text", "curves", "of the pictures", choices=("svg", "png"))


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "analyse",
        description=_DESCRIPTION,
    )
    parser.add_argument("functional", metavar="FUNCTIONAL", help=f"{FUNCTIONAL}; libxc:NAME for curves only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    add_options(parser, AnalyseOptions)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    o = read_options(AnalyseOptions, arguments)
    parts = list(o.parts)
    if o.plot and "curves" not in parts:
        parts.append("curves")
    data: dict[str, Any] = {}
    texts: list[str] = []
    if parts != ["curves"]:
        _fitted(arguments.functional, o, parts, arguments.quiet, data, texts)
    if "curves" in parts:
        curves = enhancement_curves(load_comparison(arguments.functional), o.beside)
        data["curves"] = curves.to_dict()
        if o.plot:
            from ..analysis.plot import write_plots

            paths = write_plots(curves, Path(o.plot), o.format)
            data["pictures"] = [str(path) for path in paths]
            texts.append("\n".join(f"written: {path}" for path in paths))
        else:
            texts.append("curves: use --plot FOLDER for pictures, or --json for the numbers")
    print(json.dumps(data, indent=1, allow_nan=False) if arguments.json else "\n\n".join(texts))
    return 0


def _fitted(
    functional: str, o: AnalyseOptions, parts: list[str], quiet: bool, data: dict[str, Any], texts: list[str]
) -> None:
    """What needs the dataset."""
    dataset, threads = Dataset.open(o.dataset), o.threads
    best = optimum(
        functional,
        dataset,
        refit=o.refit,
        level=o.level,
        test=o.test,
        threads=threads,
    )
    data |= {
        "functional": best.functional.to_dict(),
        "dataset": dataset.name,
        "losses": plain(best.losses),
        "notes": list(best.notes),
    }
    how = "refitted to" if best.refitted else "as it is, on"
    losses = ", ".join(f"{split} {loss:.4f}" for split, loss in best.losses.items())
    texts.append(f"{best.functional.name}, {how} {dataset.name}: WRMSD in kcal/mol {losses}")
    texts += [f"note: {note}" for note in best.notes]
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
            samples=o.samples,
            seed=o.seed,
            by=o.by,
            threads=threads,
            progress=None if quiet else _report,
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
