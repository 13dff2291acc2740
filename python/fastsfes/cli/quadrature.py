"""The command ``fastsfes dataset quadrature``: build the feature-space quadrature of a dataset file, or show it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import InputError
from ..datasets.dataset import Dataset
from ..datasets.packaged import PACKAGED
from ..datasets.places import own_copy
from ..energies.quadrature import (
    DEFAULT_CHANNELS,
    DEFAULT_TOLERANCE,
    LADDERS,
    Quadrature,
    build_quadrature,
    save_quadrature,
    worst_error,
)


def add_action(actions: Any) -> None:
    """Register ``quadrature`` among the actions of ``fastsfes dataset``."""
    parser = actions.add_parser("quadrature", help="build the feature-space quadrature of a dataset file, or show it")
    parser.add_argument(
        "dataset",
        nargs="?",
        help="name of a dataset or a dataset file; a packaged one is copied first; may be absent with --show: gscdb",
    )
    parser.add_argument("--name", default="default", help="identifier in the file (default: default)")
    parser.add_argument("--show", action="store_true", help="describe the stored quadrature and build nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--channel",
        action="append",
        metavar="KEY",
        help=f"measure, can be repeated (default: {' '.join(DEFAULT_CHANNELS)})",
    )
    parser.add_argument(
        "--nodes",
        choices=tuple(LADDERS),
        metavar="NODES",
        default="x2,w",
        help=f"features that the nodes know: {' or '.join(LADDERS)} (default x2,w); u: x2 by nodes in u(x2; 0.004)",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=DEFAULT_TOLERANCE,
        metavar="KCAL",
        help=f"largest error per species in kcal/mol (default {DEFAULT_TOLERANCE:g})",
    )
    parser.add_argument("--grid", metavar="GRID", help='integration grid, "level N" or "(radial,angular)"')
    parser.add_argument(
        "--like", metavar="NAME", help="use the nodes of this stored quadrature, say with another --grid"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="folder that keeps what is finished; the same command goes on from there",
    )
    parser.add_argument("--no-reduce", action="store_true", help="keep only the full set of nodes")
    parser.add_argument(
        "--processes", "--workers", type=int, default=1, metavar="N", help="worker processes, one thread each"
    )
    parser.add_argument("--quiet", action="store_true", help="print only the result")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Build and store the quadrature, unless ``--show``; returns the exit status."""
    if arguments.dataset is None and not arguments.show:
        raise InputError(
            "name the dataset file to put the quadrature into, or add --show to see that of the packaged one"
        )
    source = arguments.dataset or "gscdb"
    dataset = Dataset.open(source)
    if not arguments.show:
        started = time.perf_counter()
        quadrature = build_quadrature(
            dataset,
            name=arguments.name,
            channels=tuple(arguments.channel or DEFAULT_CHANNELS),
            tolerance=arguments.tolerance,
            integration_grid=arguments.grid,
            ladder=LADDERS[arguments.nodes],
            reduce=not arguments.no_reduce,
            like=Quadrature.load(dataset, arguments.like) if arguments.like else None,
            processes=arguments.processes,
            work=arguments.work,
            report=None if arguments.quiet else lambda line: print(line, file=sys.stderr, flush=True),
        )
        assert dataset.path is not None
        path = dataset.path
        if path in PACKAGED.values():
            path = own_copy(path, f"{dataset.name}-{arguments.name}")
            print(f"{source} is packaged and stays as it is; stored in {path}: use it with --dataset {path.stem}")
        save_quadrature(path, quadrature)
        if not arguments.quiet:
            print(f"stored after {time.perf_counter() - started:.0f} s", file=sys.stderr)
        dataset = Dataset.open(path)
    description = describe(Quadrature.load(dataset, arguments.name))
    print(json.dumps(description, indent=1) if arguments.json else format_description(description))
    return 0


def describe(quadrature: Quadrature) -> dict[str, Any]:
    """Nodes, bytes and measured errors of every channel and level, as plain data; errors in kcal/mol per species."""
    channels = {}
    for key, rule in quadrature.channels.items():
        channels[key] = {
            "grid": str(rule.grid),
            "points_outside": int(rule.outside.sum()),
            "levels": {
                level: {
                    "nodes": len(nodes),
                    "bytes_per_species": 8 * len(nodes),
                    "largest_error": worst_error(rule, level),
                    "errors": {label: float(np.abs(e).max()) for label, e in rule.errors[level].items()},
                }
                for level, nodes in rule.levels.items()
            },
        }
    return {
        "name": quadrature.name,
        "species": len(quadrature.species),
        "integration_grid": quadrature.integration_grid or "each density's own",
        "tolerance": quadrature.tolerance,
        "channels": channels,
    }


def format_description(description: dict[str, Any]) -> str:
    """Return the description as a table."""
    lines = [
        f"quadrature {description['name']}: {description['species']} species, integration grid "
        f"{description['integration_grid']}, tolerance {description['tolerance']:g} kcal/mol per species",
        f"{'channel':10s} {'level':8s} {'nodes':>6s} {'bytes/species':>13s} {'largest error':>13s}  tensor grid",
    ]
    for key, channel in description["channels"].items():
        for level, item in channel["levels"].items():
            lines.append(
                f"{key:10s} {level:8s} {item['nodes']:6d} {item['bytes_per_species']:13d} "
                f"{item['largest_error']:13.1e}  {channel['grid'] if level == 'full' else ''}".rstrip()
            )
    return "\n".join(lines)
