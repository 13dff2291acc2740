"""The command ``fastsfes dataset``: info, build, import."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from ..common.errors import InputError
from ..common.files import check_output
from ..common.options import add_arguments, given_arguments, option
from ..common.reading.text import read_text
from ..datasets.dataset import SETTINGS, Dataset, DatasetInfo
from ..datasets.model import SPLITS, DatasetContents
from ..datasets.readers import READERS, is_source, read_folder
from ..densities.basis import NO_ECP
from ..densities.build import Progress
from ..densities.maker import maker_name
from ..densities.settings import ScfSettings, parse_grid
from . import library, quadrature

if TYPE_CHECKING:
    from ..datasets.production import ImportResult

#: Species without a density that ``info`` lists before it only counts them.
_LISTED = 20


def add_parser(subparsers: Any) -> None:
    """Register ``dataset`` and its actions; each sets ``handler``, which returns the exit status."""
    parser = subparsers.add_parser("dataset")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_info(actions)
    _add_build(actions)
    _add_import(actions)
    quadrature.add_action(actions)
    library.add_actions(actions)


def _add_info(actions: Any) -> None:
    info = actions.add_parser("info", help="count reactions and species, and say what is missing and why")
    info.add_argument("dataset", nargs="?", default="gscdb", help="name of a dataset, a dataset file or a folder")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.add_argument("--verify", action="store_true", help="read every density and report damage")
    info.set_defaults(handler=run_info)


@dataclass(frozen=True)
class BuildOptions:
    """The options of ``fastsfes dataset build`` beside those of the SCF calculations, `ScfSettings`."""

    layout: str = option("", "text", "source", "layout of the folder; empty: recognised", choices=("", *READERS))
    split: tuple[str, ...] = option((), "names", "source", "only these splits", choices=SPLITS)
    max_atoms: int = option(0, "int", "source", "leave out species with more atoms; 0 for no limit", minimum=0)
    species: str = option("", "text", "source", "compute only the species that this file names, one a line")
    processes: int = option(1, "int", "work", "worker processes, one thread each")
    executor: str = option(
        "", "text", "work", "who computes: local, processes, dask:ADDRESS, dask:FILE.json or mpi; empty: processes"
    )


def _add_build(actions: Any) -> None:
    build = actions.add_parser("build", help="compute densities by SCF; run again to resume")
    build.add_argument("source", help="builtin, a folder in a known layout, or a dataset file (its reactions)")
    build.add_argument("--output", required=True, type=Path, metavar="FILE.h5", help="dataset file to write")
    build.add_argument(
        "--shard",
        type=parse_shard,
        default=(1, 1),
        metavar="I/N",
        help="compute the I-th of N parts into the work folder only; the same command without it collects them",
    )
    build.add_argument("--work", type=Path, metavar="DIR", help="folder of finished calculations")
    build.add_argument("--quiet", action="store_true", help="print only problems and the result")
    build.add_argument("--workers", dest="processes", default=argparse.SUPPRESS, metavar="N", help="as --processes")
    add_arguments(build, BuildOptions)
    add_arguments(build, ScfSettings)
    build.set_defaults(handler=run_build)


def _add_import(actions: Any) -> None:
    imports = actions.add_parser("import", help="take densities from a folder of PySCF chkfiles")
    imports.add_argument("folder", type=Path, help="folder with reactions, geometries and densities/*.chk")
    imports.add_argument("--output", required=True, type=Path, metavar="FILE.h5", help="dataset file to write")
    imports.add_argument(
        "--grids", type=Path, metavar="FILE.h5", help="take densities on grids instead, from a grid file of any program"
    )
    imports.add_argument("--densities", type=Path, metavar="DIR", help="folder of chkfiles when elsewhere")
    imports.add_argument("--xc", help="functional of the densities, when the chkfiles do not say")
    imports.add_argument("--grid", help="their grid, when the chkfiles do not say")
    imports.add_argument(
        "--density-fit",
        metavar="AUXBASIS",
        help="their auxiliary basis, when the chkfiles do not say (default: none)",
    )
    imports.set_defaults(handler=run_import)


def parse_shard(text: str) -> tuple[int, int]:
    """A part I/N of a computation."""
    first, slash, count = text.partition("/")
    if not (slash and first.isdigit() and count.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N, as in 3/8")
    return int(first), int(count)


def run_info(arguments: argparse.Namespace) -> int:
    """``fastsfes dataset info``: 0, or 1 when ``--verify`` finds damage."""
    dataset = Dataset.open(arguments.dataset)
    info = dataset.info()
    damage = dataset.verify() if arguments.verify else {}
    if arguments.json:
        print(json.dumps(_as_json(info, damage, arguments.verify), indent=1))
    else:
        print(format_info(info))
    for reason in damage.values():
        print(f"fastsfes: damaged: {reason}", file=sys.stderr)
    return 1 if damage else 0


def run_build(arguments: argparse.Namespace) -> int:
    """``fastsfes dataset build``: 0, or 1 when a calculation failed or did not converge."""
    from ..datasets.production import build_dataset

    check_output(arguments.output, read=[arguments.source])
    o = BuildOptions(**given_arguments(BuildOptions, arguments))
    contents, defaults = _source(arguments.source, o)
    settings = replace(defaults, **given_arguments(ScfSettings, arguments))
    show = None if arguments.quiet else show_progress
    started = time.perf_counter()
    result = build_dataset(
        contents,
        arguments.output,
        settings=settings,
        processes=o.processes,
        executor=o.executor,
        shard=arguments.shard,
        work=arguments.work,
        species=_names(o.species) if o.species else None,
        progress=show,
    )
    for name in result.unconverged:
        print(f"fastsfes: not converged, will not be used: {name}", file=sys.stderr)
    for name, reason in result.failed.items():
        print(f"fastsfes: failed: {name}: {reason}", file=sys.stderr)
    for name, warning in result.warnings.items():
        print(f"fastsfes: PySCF warns: {name}: {warning}", file=sys.stderr)
    part = "" if arguments.shard[1] == 1 else " shard {}/{}:".format(*arguments.shard)
    print(
        f"{arguments.output}:{part} {len(result.files) - len(result.unconverged)} species with densities "
        f"({result.computed} computed, {result.reused} found in the work folder, "
        f"{len(result.unconverged)} unconverged, {len(result.failed)} failed) "
        f"in {time.perf_counter() - started:.0f} s"
    )
    return 1 if result.failed or result.unconverged else 0


def run_import(arguments: argparse.Namespace) -> int:
    """``fastsfes dataset import``: 0, or 1 when a density was refused."""
    from ..datasets.grids import import_grids
    from ..datasets.production import import_folder

    check_output(arguments.output, read=[arguments.grids] if arguments.grids is not None else [])
    given = {key: getattr(arguments, key) for key in ("xc", "grid", "density_fit")}
    if arguments.grids is not None:
        if arguments.densities is not None or any(given.values()):
            raise InputError("--grids says all of its densities; give none of --densities, --xc, --grid, --density-fit")
        return _report_import(arguments, import_grids(arguments.folder, arguments.grids, arguments.output))
    chosen = {key: value for key, value in given.items() if value is not None}
    if arguments.grid is not None:
        parse_grid(arguments.grid)
    result = import_folder(arguments.folder, arguments.output, densities=arguments.densities, settings=chosen)
    return _report_import(arguments, result)


def _report_import(arguments: argparse.Namespace, result: ImportResult) -> int:
    for name, reason in result.refused.items():
        print(f"fastsfes: refused: {name}: {reason}", file=sys.stderr)
    print(
        f"{arguments.output}: {result.imported} species with {result.distinct} distinct densities, "
        f"{len(result.refused)} refused"
    )
    return 1 if result.refused else 0


def format_info(info: DatasetInfo) -> str:
    """Lay out a summary as text."""
    lines = [
        f"dataset     {info.name}" + (f"  ({info.path})" if info.path else ""),
        f"reactions   {info.reactions}, of which {info.available} can be evaluated",
        f"species     {info.species} geometries, {info.densities} with densities ({info.distinct} distinct)",
    ]
    for (xc, basis, ecp, grid, fit), count in info.settings.items():
        potentials = "" if ecp == NO_ECP else f" with ECP {ecp}"
        lines.append(f"densities   {count}: {maker_name(xc)}, {basis}{potentials}, grid {grid}, density fitting {fit}")
    if info.rungs:
        lines.append("converged   " + ", ".join(f"{count} by {rung}" for rung, count in sorted(info.rungs.items())))
    if info.provenance:
        lines.append(f"source      {info.provenance}")
    if info.licence:
        lines.append(f"licence     {info.licence}")
    if info.matched:
        ambiguous = sum("ambiguous" in text for text in info.matched.values())
        lines.append(f"matched     {len(info.matched)} species by geometry, {ambiguous} of them ambiguous")
    if info.test_readings is not None:
        lines.append(f"sealed      the test split is for final reports; it has been read {info.test_readings} times")
    lines.append("")
    lines.append(
        f"{'split':<11} {'type':<8} {'subset':<18} {'reactions':>9} {'available':>9}  species that cannot be used"
    )
    for row in info.subsets:
        missing = ", ".join(f"{len(names)} {kind}" for kind, names in row.missing.items())
        line = f"{row.split:<11} {row.data_type:<8} {row.subset:<18} {row.reactions:>9} {row.available:>9}  {missing}"
        lines.append(line.rstrip())
    for split in dict.fromkeys(row.split for row in info.subsets):
        rows = [row for row in info.subsets if row.split == split]
        lines.append(
            f"{split:<11} {'all':<8} {'':<18} {sum(r.reactions for r in rows):>9} {sum(r.available for r in rows):>9}"
        )
    for reason in dict.fromkeys(info.dropped.values()):
        names = [name for name, why in info.dropped.items() if why == reason]
        more = f" and {len(names) - 3} more" if len(names) > 4 else ""
        lines.append(f"dropped: {', '.join(names[: 3 if more else 4])}{more}: {reason}")
    for warning in info.warnings[:_LISTED]:
        lines.append(shorten(f"warning: {warning}", 120, placeholder=" ..."))  # PySCF repeats itself every cycle
    if len(info.warnings) > _LISTED:
        lines.append(f"and {len(info.warnings) - _LISTED} warnings more (all with --json)")
    if info.missing:
        lines.append(f"{len(info.missing)} species cannot be used:")
        for name, reason in list(info.missing.items())[:_LISTED]:
            lines.append(f"  {name}: {reason}")
        if len(info.missing) > _LISTED:
            lines.append(f"  and {len(info.missing) - _LISTED} more (all with --json)")
    return "\n".join(lines)


def _as_json(info: DatasetInfo, damage: dict[str, str], verified: bool) -> dict[str, Any]:
    document = {key: value for key, value in vars(info).items() if key not in ("subsets", "settings")}
    for key in ("missing", "dropped", "matched", "sources"):
        document[key] = dict(document[key])
    document["rungs"] = dict(info.rungs)
    document["subsets"] = [asdict(row) for row in info.subsets]
    document["settings"] = [
        {**dict(zip(SETTINGS, values, strict=True)), "species": count} for values, count in info.settings.items()
    ]
    if verified:
        document["damaged"] = damage
    return document


def _names(file: str) -> list[str]:
    """Names that stand in a file, one a line; empty lines and those that begin with # do not count."""
    lines = (line.strip() for line in read_text(file, "a list of species").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _source(source: str, o: BuildOptions) -> tuple[DatasetContents, ScfSettings]:
    """The reactions to compute densities for, and the settings that are usual for them."""
    from ..datasets.builtin import BUILTIN_SETTINGS, builtin_contents

    defaults = ScfSettings()
    if source.lower() == "builtin":
        contents, defaults = builtin_contents(), BUILTIN_SETTINGS
    elif is_source(Path(source)):
        contents = read_folder(source, o.layout or None)
    else:
        contents = Dataset.open(source).contents
    if o.split:
        contents = replace(contents, reactions=tuple(r for r in contents.reactions if r.split in o.split))
    if o.max_atoms:
        small = {name for name, s in contents.species.items() if len(s.symbols) <= o.max_atoms}
        kept = tuple(r for r in contents.reactions if small.issuperset(r.coefficients))
        contents = replace(contents, reactions=kept)
    if not contents.reactions:
        raise InputError(f"{source}: no reaction is left to compute densities for")
    return contents, defaults


def show_progress(progress: Progress) -> None:
    """One line per finished calculation."""
    state = "" if progress.converged else "NOT CONVERGED "
    # in one piece: an interrupt may come between the text and the end of its line
    sys.stdout.write(
        f"[{progress.done}/{progress.total}] {progress.name}: {state}{progress.message}"
        f" ({progress.seconds:.0f} s since the start)\n"
    )
    sys.stdout.flush()
