"""``fastsfes precompile``: compile the kernels of a run or a functional for nodes that have no compiler."""

from __future__ import annotations

import argparse
import os
from typing import Any

from .._core import build_info
from ..common.errors import FastsfesError
from ..functionals import kernels
from ..functionals.load import FUNCTIONAL, load


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "precompile",
        description=(
            "Compiles what evaluating and validating the functionals needs into the kernel cache "
            "(FASTSFES_CACHE_DIR). Run it on a login node with the cache on a file system that the nodes see."
        ),
    )
    parser.add_argument("source", nargs="+", metavar="FUNCTIONAL", help=FUNCTIONAL)
    parser.add_argument(
        "--isa",
        action="append",
        choices=["generic", "avx2", "avx512"],
        help="instruction set of the nodes, may be repeated (default: this processor's)",
    )
    parser.add_argument("--cache-dir", metavar="DIR", help="folder of the cache (default: FASTSFES_CACHE_DIR)")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    functionals = [load(source) for source in arguments.source]
    if arguments.cache_dir is not None:
        os.environ["FASTSFES_CACHE_DIR"] = arguments.cache_dir
    for isa in arguments.isa or [build_info()["isa"]]:
        done, wanted = kernels.precompile(functionals, isa)
        info = build_info()["jit"]
        if done < wanted or info["cache_problem"]:
            reason = info["cache_problem"] or "is a C++ compiler installed (CXX)?"
            raise FastsfesError(f"{wanted - done} of {wanted} kernels could not be compiled for {isa}: {reason}")
        print(f"{done} kernels for {isa} are in {info['cache']}")
    if "FASTSFES_CACHE_DIR" in os.environ:
        print(f"on the nodes: export FASTSFES_CACHE_DIR={os.environ['FASTSFES_CACHE_DIR']}")
    else:
        print("that folder is local to this machine; give --cache-dir on a shared file system for other nodes")
    return 0
