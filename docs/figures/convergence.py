"""How SCF converges from superposed atoms: ``python docs/figures/convergence.py DATASET.h5 ATOMS FUNCTIONAL ...``.

Species of at most ATOMS atoms; def2-SVPD with def2-universal-jkfit, grid level 2, VV10 left out of the iterations; the
ladder of `fastsfes.densities` (DIIS, level shift, damping, Newton).
"""

from __future__ import annotations

import sys
from collections import Counter

import fastsfes as fs
from fastsfes.densities.scf import build_mole, converge, make_mean_field
from fastsfes.densities.settings import ScfSettings

SETTINGS = ScfSettings(basis="def2-svpd", density_fit="def2-universal-jkfit", grid="level 2", conv_tol=1e-8)


def main() -> None:
    """Print a line per functional."""
    path, atoms, *functionals = sys.argv[1:]
    data = fs.Dataset.open(path)
    used = {data.representative(name) for r in data.available for name in r.coefficients}
    names = sorted(name for name in used if len(data.species[name].symbols) <= int(atoms))
    print("| functional | species | open shells | rungs | cycles, mean | cycles, most |\n|" + " --- |" * 6)
    for name in functionals:
        functional, rungs, cycles, opened = fs.get_functional(name), Counter[str](), [], 0
        for species in (data.species[n] for n in names):
            mol = build_mole(species.symbols, species.coordinates, species.charge, species.spin, SETTINGS.basis)
            _, rung, count = converge(make_mean_field(mol, SETTINGS, functional), SETTINGS)
            rungs[rung] += 1
            cycles.append(count)
            opened += species.spin > 0
            if rung != "diis":
                print(f"{name}: {species.name} by {rung}", file=sys.stderr, flush=True)
        counts = ", ".join(f"{rung} {number}" for rung, number in rungs.most_common())
        mean = sum(cycles) / len(cycles)
        print(f"| {name} | {len(names)} | {opened} | {counts} | {mean:.1f} | {max(cycles)} |", flush=True)


if __name__ == "__main__":
    main()
