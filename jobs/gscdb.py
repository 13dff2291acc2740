"""Make the packaged dataset "gscdb" from the published archive of GSCDB138 and dataset files with densities.

Reactions whose wB97M-V energy is not the published one are left out: the density of one of their species is that of
another electronic state, or the published basis set is larger.

  python jobs/gscdb.py gscdb138.tar.xz --densities mgcdb84.h5 --densities more.h5 --output gscdb.h5 --work WORK

It can be ended and run again: what is finished stays in WORK. With 470 species it takes half an hour on one core. The
tables of fs.score are written beside the dataset.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fastsfes import Dataset, Quadrature
from fastsfes.analysis.score import read_energies
from fastsfes.datasets import HARTREE_TO_KCAL
from fastsfes.datasets.adopt import adopt_densities
from fastsfes.datasets.benchmark import read_tables, write_tables
from fastsfes.datasets.gscdb138 import Archive, read_gscdb138
from fastsfes.energies.quadrature import LADDERS, build_quadrature, fold_dataset, save_quadrature, worst_error

#: Two axes, fine enough for all channels; what is folded is a part of it.
LADDER = LADDERS["x2,w"][2:3]

#: The grid on which the sensitivity of a functional is measured against the densities' own, mostly level 3.
FINE = "level 5"

#: A reaction energy of wB97M-V may differ by this from the published one (kcal/mol). Density fitting, the grid and VV10
#: after convergence make 0.01 of it, basis sets with more diffuse functions up to 3 for anions.
LARGEST_DIFFERENCE = 4.0

#: Sets that are left out, and why.
LEFT_OUT = {"AE11": "the total energy of one atom, nonrelativistic, stands for the set"}


def of_other_states(dataset: Dataset, published: Mapping[str, float]) -> dict[str, str]:
    """Reaction -> why it is left out; `published` are energies of species by wB97M-V, hartree."""
    found = {}
    for reaction in dataset.available:
        if reaction.subset in LEFT_OUT:
            found[reaction.name] = LEFT_OUT[reaction.subset]
        elif published.keys() >= reaction.coefficients.keys():
            ours = reaction.energy({n: dataset.energies(n).e_tot for n in reaction.coefficients})
            difference = HARTREE_TO_KCAL * (ours - reaction.energy(published))
            if abs(difference) > LARGEST_DIFFERENCE:
                found[reaction.name] = (
                    f"wB97M-V on these densities differs from the published by {difference:.1f} kcal/mol"
                )
    return found


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
    contents = read_gscdb138(arguments.archive, tables=tables)
    found = adopt_densities(contents, arguments.densities, whole)
    (arguments.work / "published.csv").write_bytes(Archive(arguments.archive)("Analysis/Molecule_Energies.csv"))
    wrong = of_other_states(Dataset.open(whole), read_energies(arguments.work / "published.csv")["wB97M-V"])
    for name, reason in wrong.items():
        say(f"left out: {name}: {reason}")
    kept = tuple(r for r in contents.reactions if r.name not in wrong)
    found = adopt_densities(replace(contents, reactions=kept), arguments.densities, whole)
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
