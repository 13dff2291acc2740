"""``fastsfes show``: print a run again, or watch it while it goes on."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..common.errors import FastsfesError, InputError
from ..common.files import user_path
from ..common.runfolder import CONFIG, HISTORY, resume_command
from ..common.terminal import bare, visible
from ..exports import latex
from ..functionals.load import load
from ..run.choose import RULES
from ..run.front import format_front
from ..run.physics import verdict
from ..run.search import Run, read_config
from ..run.summary import format_functional, format_run
from ..run.watch import Snapshot, plain_line, table, watch
from .digits import Printed, add_digits, printed_parameters


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("show")
    parser.add_argument(
        "run",
        metavar="RUN",
        help="run directory, RUN:7 for a member of its front, or a functional by name, file or formulas",
    )
    parser.add_argument("--json", action="store_true", help="print summary and best functional as JSON")
    parser.add_argument(
        "--pareto", action="store_true", help="print the front too: its members, their figures and formulas"
    )
    parser.add_argument(
        "--select", choices=tuple(RULES), help="print the member of the front that this rule picks (docs/searching.md)"
    )
    add_digits(parser)
    parser.add_argument("--latex", action="store_true", help="print a LaTeX document in place of the text")
    parser.add_argument("--watch", action="store_true", help="follow the run until it ends, or until Ctrl-C")
    parser.add_argument(
        "--interval", type=float, default=2.0, metavar="S", help="with --watch: seconds between looks (default: 2)"
    )
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if arguments.watch:
        return _watch(arguments)
    folder, colon, number = arguments.run.rpartition(":")
    if colon and number.isdecimal():
        of = Run(folder)
        member = of.functional(int(number))
        if arguments.json:
            print(json.dumps(member.to_dict(), indent=2))
            return 0
        made = printed_parameters(of, member, arguments.digits)
        print(_latex(made) if arguments.latex else f"{format_functional(member, made.texts)}\n{made.note}".rstrip())
        return 0
    if not user_path(arguments.run).is_dir():
        return _functional(arguments)
    found = Run(arguments.run)
    if arguments.select:
        return _select(found, arguments)
    best = found.best
    if arguments.json:
        data: dict[str, Any] = {"best": best.to_dict(), "summary": found.summary}
        if arguments.pareto:
            data["pareto"] = found.pareto
        print(json.dumps(data, indent=2))
        return 0
    made = printed_parameters(found, best, arguments.digits)
    if arguments.latex:
        print(_latex(made))
        return 0
    print(format_run(best, found.summary, str(found.path), made.texts, made.note))
    if arguments.pareto:
        _print_front(found, found.members)
    return 0


def _functional(arguments: argparse.Namespace) -> int:
    """A functional that belongs to no run: its formulas with all digits, what goes with them, and its citation."""
    try:
        named = load(arguments.run)
    except InputError as error:
        raise InputError(f"{arguments.run}: not the directory of a search, and no functional: {error}") from None
    if arguments.pareto or arguments.select:
        raise InputError(f"{arguments.run}: is a functional, not a run; only runs have a front")
    if arguments.json:
        print(json.dumps(named.to_dict(), indent=2))
    elif arguments.latex:
        print(_latex(Printed(named)))
    else:
        print(f"{named.name} ({named.family}; {named.frame})")
        print(format_functional(named))
        print(named.citation or "without a citation")
    return 0


def _print_front(found: Run, rows: list[dict[str, Any]]) -> None:
    print(f"\nthe front; a member's name is {found.path}:INDEX; * is the pick, ! has faults")
    print(format_front(rows, shutil.get_terminal_size((120, 24)).columns))


def _select(found: Run, arguments: argparse.Namespace) -> int:
    """The member that a rule picks, whatever the run picked."""
    index = found.select(arguments.select)
    member, rows = found.functional(index), found.members
    rows = [{**row, "picked": row["index"] == index} for row in rows]
    if arguments.json:
        print(json.dumps({"rule": arguments.select, "best": member.to_dict(), "pareto": rows}, indent=2))
        return 0
    made = printed_parameters(found, member, arguments.digits)
    print(f"{format_functional(member, made.texts)}\n{made.note}".rstrip())
    print(f"\npicked by {arguments.select}: {found.path}:{index}")
    print(verdict(rows[index]))
    _print_front(found, rows)
    return 0


def _latex(made: Printed) -> str:
    return latex.files(made.functional, "", printed=made.texts)[""].rstrip()


def _watch(arguments: argparse.Namespace) -> int:
    """Plain lines, JSON lines, or a table that redraws itself on a terminal; 1 when the run stopped before its end."""
    if not arguments.interval > 0:
        raise InputError(f"--interval {arguments.interval:g}: expected a number of seconds above 0")
    path = Path(arguments.run)
    if not (path / CONFIG).is_file():
        raise InputError(f"{path}: not the directory of a search; expected {CONFIG} in it")
    budget = read_config(path).candidates
    try:
        if sys.stdout.isatty() and not arguments.json:
            from rich.console import Console
            from rich.live import Live

            with Live(auto_refresh=False, console=Console(file=bare(sys.stdout))) as live:
                last = watch(
                    path, HISTORY, budget,
                    lambda now, rate: live.update(table(now, rate, visible(path.name)), refresh=True),
                    interval=arguments.interval,
                )  # fmt: skip
        else:
            last = watch(path, HISTORY, budget, _as_json if arguments.json else _plain, interval=arguments.interval)
    except KeyboardInterrupt:
        return 0
    if last is None:
        raise FastsfesError(f"{path}: nobody works on this run, and it holds no complete round")
    found = Run(path)
    if not found.summary.get("complete"):
        print(
            f"stopped after {last.candidates} of {last.budget} candidates; continue with: {resume_command(path)}",
            file=sys.stderr,
        )
        return 1
    if not arguments.json:
        print(format_run(found.best, found.summary, str(path)))
    return 0


def _plain(snapshot: Snapshot, rate: float) -> None:
    print(plain_line(snapshot, rate), flush=True)


def _as_json(snapshot: Snapshot, rate: float) -> None:
    print(json.dumps({**asdict(snapshot), "rate": rate}), flush=True)
