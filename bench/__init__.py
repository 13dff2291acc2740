"""The command ``fastsfes-bench``: measurements that check their own answers.

Each module of this package is one benchmark: ``SUMMARY``, ``add_arguments(parser)``, ``run(arguments)`` which returns
plain data, and ``table(result)`` which makes text of it. A benchmark raises `FastsfesError` when an answer is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastsfes import build_info
from fastsfes.common.arguments import ArgumentParser
from fastsfes.common.errors import FastsfesError, InputError
from fastsfes.common.signals import answering_signals

from . import compare, fit, kernels, quadrature, scale, scf, search, select, trust
from .report import markdown

#: Benchmarks by name, in the order of ``fastsfes-bench all``.
BENCHMARKS: dict[str, Any] = {
    "kernels": kernels,
    "quadrature": quadrature,
    "fit": fit,
    "search": search,
    "select": select,
    "trust": trust,
    "scf": scf,
    "scale": scale,
}

#: What is no measurement: not a part of "all".
TOOLS: dict[str, Any] = {"compare": compare}


def build_parser() -> argparse.ArgumentParser:
    """Make the parser with one command per benchmark, and "all" which runs each with its defaults."""
    parser = ArgumentParser(prog="fastsfes-bench", description="measure fastsfes, and check the answers")
    commands = parser.add_subparsers(dest="benchmark", metavar="BENCHMARK", required=True)
    for name, module in {**BENCHMARKS, **TOOLS}.items():
        command = commands.add_parser(name, help=module.SUMMARY)
        module.add_arguments(command)
        _add_json(command)
    _add_json(commands.add_parser("all", help="every benchmark with its defaults"))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one benchmark or all; returns the exit status."""
    return answering_signals(lambda: _run(argv), "fastsfes-bench: {}", last=argv is None)


def _build() -> dict[str, Any]:
    """What was measured; where this machine keeps its kernels is nobody's business."""
    info = build_info()
    return {**info, "jit": {k: v for k, v in info["jit"].items() if not k.startswith("cache")}}


def _run(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    names = list(BENCHMARKS) if arguments.benchmark == "all" else [arguments.benchmark]
    results: dict[str, Any] = {"build": _build()}
    try:
        for name in names:
            chosen = parser.parse_args([name]) if arguments.benchmark == "all" else arguments
            module = {**BENCHMARKS, **TOOLS}[name]
            results[name] = module.run(chosen)
            # With JSON on the standard output nothing else goes there.
            print(module.table(results[name]), file=sys.stderr if arguments.json == "-" else sys.stdout)
            if getattr(chosen, "markdown", None):
                _write(chosen.markdown, markdown(f"fastsfes-bench {name}", results[name]))
        if arguments.json:
            _write(arguments.json, json.dumps(results, indent=1))
    except FastsfesError as error:
        print(f"fastsfes-bench: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="write JSON to FILE, or to standard output"
    )


def _write(target: str, text: str) -> None:
    if target == "-":
        print(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
