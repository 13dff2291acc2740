"""Make the packaged dataset "gscdb" from the published archive of GSCDB138 and dataset files with densities.

  python jobs/gscdb.py gscdb138.tar.xz --densities mgcdb84.h5 --densities more.h5 --output gscdb.h5 --work WORK

It can be ended and run again: what is finished stays in WORK. With 470 species it takes half an hour on one core. The
tables of fs.score are written beside the dataset.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fastsfes import Dataset, Quadrature
from fastsfes.datasets.adopt import adopt_densities
from fastsfes.datasets.benchmark import read_tables, write_tables
from fastsfes.datasets.gscdb138 import Archive, read_gscdb138
from fastsfes.energies.quadrature import LADDERS, build_quadrature, fold_dataset, save_quadrature, worst_error

#: Two axes, fine enough for all channels; what is folded is a part of it.
LADDER = LADDERS["x2,w"][2:3]

#: The grid on which the sensitivity of a functional is measured against the densities' own, mostly level 3.
FINE = "level 5"


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="the published archive, or its unpacked folder")
    parser.add_argument("--densities", action="append", required=True, metavar="FILE.h5")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.h5")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    arguments.work.mkdir(parents=True, exist_ok=True)
    tables = read_tables(Archive(arguments.archive))
    write_tables(tables, arguments.output.with_name("gscdb138.json.gz"))
    whole = arguments.work / "gscdb138.h5"
    found = adopt_densities(read_gscdb138(arguments.archive, tables=tables), arguments.densities, whole)
    say(f"{found.reactions} reactions, {len(found.matches)} species, {found.distinct} densities")
    for name, reason in found.ambiguous.items():
        say(f"ambiguous: {name}: {reason}")
    dataset = Dataset.open(whole)
    used = sorted({name for reaction in dataset.available for name in reaction.coefficients})
    for name, grid in (("default", None), ("fine", FINE)):
        like = Quadrature.load(dataset) if name == "fine" else None
        made = build_quadrature(
            dataset, name=name, species=used, integration_grid=grid, ladder=LADDER, reduce=False, like=like,
            processes=arguments.processes, work=arguments.work / "measures", report=say,
        )  # fmt: skip
        save_quadrature(whole, made)
        dataset = Dataset.open(whole)
    for quadrature in fold_dataset(dataset, arguments.output, name="gscdb", fine="fine", sealed=True):
        for key, rule in quadrature.channels.items():
            levels = ", ".join(f"{len(rule.level(n))} {n} {worst_error(rule, n):.1e}" for n in rule.levels)
            say(f"{quadrature.name}, {key}: nodes and largest error in kcal/mol: {levels}")
    say(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
