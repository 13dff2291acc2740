"""``fastsfes validate``: self-consistent energies of functionals on a dataset."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..common.files import check_output, not_inside, user_path
from ..common.options import add_arguments, given_arguments
from ..common.runfolder import VALIDATION, VALIDATION_RESULT
from ..functionals.load import FUNCTIONAL
from ..validation import ValidationConfig, validate
from .dataset import parse_shard, show_progress

_DESCRIPTION = """Compute self-consistent energies of functionals in PySCF, and compare their errors with those on
frozen densities and with known functionals. Run the same command again to go on after it was stopped or killed.

  fastsfes validate fastsfes-runs/20260101-120000-quickstart-0 --workers 4
  fastsfes validate mine.json gas22 --dataset molecules.h5 --subset HTBH38,AE18 --executor dask:scheduler.json"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "validate",
        description=_DESCRIPTION,
        epilog="Without --work, DIR is RUN/validation for a run directory, else fastsfes-validation.",
    )
    parser.add_argument("functional", nargs="+", metavar="FUNCTIONAL", help=f"{FUNCTIONAL}, or libxc:NAME")
    parser.add_argument("--config", metavar="FILE", help="TOML file of the options below")
    parser.add_argument("--dataset", default="builtin", help="builtin, a dataset file or a folder (default builtin)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder of finished calculations (default: see below)")
    parser.add_argument(
        "--shard",
        type=parse_shard,
        default=(1, 1),
        metavar="I/N",
        help="compute the I-th of N parts into the work folder only; the same command without it collects them",
    )
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="result (default: validation.json in DIR)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quiet", action="store_true", help="print only the result")
    add_arguments(parser, ValidationConfig)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command: 0, or 1 when a calculation failed or did not converge."""
    base = ValidationConfig() if arguments.config is None else ValidationConfig.from_toml(arguments.config)
    config = base.changed(**given_arguments(ValidationConfig, arguments))
    work = arguments.work or _default_work(arguments.functional[0])
    output = arguments.output or work / VALIDATION_RESULT
    check_output(arguments.output)
    quiet = arguments.quiet or arguments.json
    result = validate(
        arguments.functional,
        arguments.dataset,
        config=config,
        work=work,
        shard=arguments.shard,
        progress=None if quiet else show_progress,
    )
    written = ""
    if arguments.shard[1] == 1:
        result.to_json(output)
        written = f"\n\nwritten: {output}"
    print(json.dumps(result.to_dict(), indent=1) if arguments.json else f"{result.table()}{written}")
    return 0 if result.complete else 1


def _default_work(first: str) -> Path:
    from ..validation.work import WORK

    run = user_path(first)
    if not run.is_dir():
        return Path(WORK)
    if (run / VALIDATION).is_symlink():  # somebody else's idea of where this writes
        raise not_inside(run / VALIDATION)
    return run / VALIDATION
