"""Errors per set beside published energies: ``python docs/figures/per_set.py FUNCTIONAL gscdb138.tar.xz``.

The archive is the published one of GSCDB138, with energies of 16 functionals. Reads the sealed test split of "gscdb".
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

import fastsfes as fs
from fastsfes.analysis.score import read_energies
from fastsfes.datasets.gscdb138 import Archive
from fastsfes.datasets.model import HARTREE_TO_KCAL


def per_set(name_or_file: str, archive: str) -> None:
    """Mean absolute errors per set, kcal/mol: on frozen densities, and of the published functionals."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "published.csv"
        path.write_bytes(Archive(archive)("Analysis/Molecule_Energies.csv"))
        published = read_energies(path)
    functional = fs.load(name_or_file)
    dataset = fs.Dataset.open("gscdb").unsealed(f"errors per set of {functional.name}")
    print("| set | split | reactions | own | wB97M-V | median of 16 | best of 16 | place |\n|" + " --- |" * 8)
    totals: dict[str, list[float]] = {}
    for split in ("train", "validation", "test"):
        found = fs.evaluate(functional, dataset, split, frame="own")
        for name in sorted({r.subset for r in found.reactions}):
            rows = [k for k, r in enumerate(found.reactions) if r.subset == name]
            members = [found.reactions[k] for k in rows]
            others = {
                method: float(np.mean([
                    abs(HARTREE_TO_KCAL * r.energy(energies) - r.reference) for r in members
                ]))
                for method, energies in published.items()
                if all(n in energies for r in members for n in r.coefficients)
            }  # fmt: skip
            own = float(np.mean(np.abs(found.errors[rows])))
            if not others:
                print(f"| {name} | {split} | {len(rows)} | {own:.2f} | | | | |")
                continue
            best = min(others, key=others.__getitem__)
            place = 1 + sum(v < own for v in others.values())
            totals.setdefault(split, []).append(place)
            print(
                f"| {name} | {split} | {len(rows)} | {own:.2f} | {others['wB97M-V']:.2f} | "
                f"{np.median(list(others.values())):.2f} | {others[best]:.2f} ({best}) | {place} of {len(others) + 1} |"
            )
    for split, places in totals.items():
        print(f"{split}: median place {np.median(places):.0f}, first {places.count(1)} times in {len(places)} sets")
    print(f"test split read {dataset.test_readings} times")


def main() -> None:
    """Run the script."""
    per_set(*sys.argv[1:])


if __name__ == "__main__":
    main()
