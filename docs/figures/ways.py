"""Evolution, selection and both, ten seeds each: the runs of docs/results.md and their table.

python docs/figures/ways.py FOLDER [--seeds 0 1 ...]

Runs that are in the folder already are not made again. One thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from fastsfes.run.search import Run

LIBRARY = ("x = u(x2, 0.004)^0:4 * w^0:6", "css = u(x2, 0.2)^0:6 * w^0:8", "cos = u(x2, 0.006)^0:6 * w^0:8")
COMMON = (
    "--constraints", "uniform_gas,0 <= f_x <= 1.804", "--grid-coefficient", "10", "--no-report", "--progress", "none",
)  # fmt: skip
EVOLVE = ("search", "--preset", "constrained", "--dataset", "gscdb", "--max-parameters", "17", "--candidates")
SELECT = (
    "select", *(word for text in LIBRARY for word in ("--terms", text)), "--sizes", "8:17", "--limit", "25",
    "--nodes", "0", "--restarts",
)  # fmt: skip


def commands(seed: int) -> dict[str, tuple[str, ...]]:
    """Name of a run -> what makes it, in the order in which they are needed."""
    return {
        f"evo-{seed}": (*EVOLVE, "6000"),
        f"sel-{seed}": (*SELECT, "16"),
        f"half-{seed}": (*EVOLVE, "3000"),
        f"both-{seed}": (*SELECT, "6", "--terms-from", f"half-{seed}"),
    }


def make(folder: Path, name: str, command: tuple[str, ...], seed: int) -> None:
    """Make a run and keep its processor time beside it."""
    if (folder / f"{name}.done").exists():
        return
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(
        [sys.executable, "-m", "fastsfes", *command, *COMMON, "--seed", str(seed), "--output", name],
        check=True, cwd=folder, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    (folder / f"{name}.done").write_text(json.dumps({"cpu": spent}))


def best(run: Run) -> dict[str, Any]:
    """The member with the smallest cross-validation plus 0.02 kcal/mol per parameter, of those that are allowed."""

    def allowed(member: dict[str, Any]) -> bool:
        checked = member["checked"]
        points = checked["radial"]["points"]
        return checked["correlation"]["energy"] < 0 and points is not None and points < 150

    members = [m for m in run.members if m["cross_validation"] is not None and allowed(m)]
    return min(members, key=lambda m: m["cross_validation"] + 0.02 * m["parameters"])


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for name, command in commands(seed).items():
            make(arguments.folder, name, command, seed)
    print("| way | processor time, s | cross-validation | train | validation | parameters |")
    print("| --- | --- | --- | --- | --- | --- |")
    for way, parts in (("evolution", ("evo",)), ("selection", ("sel",)), ("both", ("half", "both"))):
        picks = [best(Run(arguments.folder / f"{parts[-1]}-{s}")) for s in arguments.seeds]
        times = [
            sum(json.loads((arguments.folder / f"{p}-{s}.done").read_text())["cpu"] for p in parts)
            for s in arguments.seeds
        ]
        cells = [f"{statistics.median(times):.0f}"]
        for key in ("cross_validation", "train", "validation"):
            values = [p[key] for p in picks]
            cells.append(f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})")
        cells.append(f"{statistics.median(p['parameters'] for p in picks):.0f}")
        print("|", way, "|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
