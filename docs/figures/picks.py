"""The picks of docs/results.md beside published and refitted forms: ``python docs/figures/picks.py RUN:N ...``.

Reads the sealed test split of "gscdb", once.
"""

from __future__ import annotations

import sys

import numpy as np

import fastsfes as fs
from fastsfes.functionals.names import display_name, refitted

SPLITS = ("train", "validation", "test")


def sensitivity(functional: fs.Functional, dataset: fs.Dataset) -> float:
    """Weighted RMS change of the training reactions from integration grid level 3 to level 5, kcal/mol."""
    coarse, fine = (
        fs.evaluate(functional, dataset, "train", quadrature=name, frame="own") for name in ("default", "fine")
    )
    weights = np.array([r.weight for r in coarse.reactions])
    return float(np.sqrt(np.mean(weights * (coarse.errors - fine.errors) ** 2)))


def main(names: list[str]) -> None:
    """Print two tables: errors per split, and errors of the test split per data type."""
    dataset = fs.Dataset.open("gscdb").unsealed("the picks of docs/results.md")
    functionals = {display_name(name): fs.load(name) for name in ["wb97m_v", "gas22", "b97m_v", *names]}
    for name in ("wb97m_v", "gas22"):
        functionals[refitted(display_name(name))] = fs.fit(name, "gscdb", starts=4).functional
    print("| functional | parameters | train | validation | test | grid |\n| --- | --- | --- | --- | --- | --- |")
    per_type = {}
    for name, functional in functionals.items():
        found = {split: fs.evaluate(functional, dataset, split, frame="own") for split in SPLITS}
        cells = [f"{found[s].wrmsd:.3f}" for s in SPLITS]
        print(
            f"| {name} | {len(functional.parameters)} | {' | '.join(cells)} | {sensitivity(functional, dataset):.3f} |"
        )
        test = found["test"]
        kinds = np.array([r.data_type for r in test.reactions])
        per_type[name] = {
            str(kind): (int((kinds == kind).sum()), float(np.mean(np.abs(test.errors[kinds == kind]))))
            for kind in sorted(set(kinds))
        }
    kinds = next(iter(per_type.values()))
    print("\n| test split: mean absolute error | " + " | ".join(f"{k} ({n})" for k, (n, _) in kinds.items()) + " |")
    print("| --- |" + " --- |" * len(kinds))
    for name, row in per_type.items():
        print(f"| {name} | " + " | ".join(f"{error:.2f}" for _, error in row.values()) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
