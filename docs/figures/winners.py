"""Winners of short searches before and after the normal form, for docs/formulas.md.

``python docs/figures/winners.py [SEEDS [CANDIDATES]]`` searches with the preset quickstart on the packaged reactions,
seeds 0 to SEEDS - 1 (10), and prints a table: every factor as evolution left it, and as it is printed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import fastsfes as fs
from fastsfes.run.store import RunStore


def size(expression: fs.Expression) -> str:
    """Nodes and parameters."""
    return f"{expression.complexity} / {len(expression.parameters)}"


def main(seeds: int = 10, candidates: int = 3000) -> None:
    """Print the table."""
    print("| factor | as evolution left it | nodes / parameters | as printed | nodes / parameters |")
    print("|---|---|---|---|---|", flush=True)
    totals = [0, 0, 0, 0]
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = fs.search(
                "quickstart", seed=seed, candidates=candidates, output=Path(folder) / "run", report=False,
                progress="none",
            )  # fmt: skip
            winner = run.summary["best"]
            with RunStore.open(run.path / "history.sqlite", read_only=True) as store:
                row = store.candidate(winner["candidate"], winner["island"])
            assert row is not None  # a winner is one of the candidates
            for kind, channel in run.best.channels.items():
                left, made = fs.Expression.parse(row["expressions"][kind]), channel.expression
                print(f"| {seed} {kind} | `{left}` | {size(left)} | `{made.named}` | {size(made)} |", flush=True)
                new = (left.complexity, len(left.parameters), made.complexity, len(made.parameters))
                totals = [a + b for a, b in zip(totals, new, strict=True)]
    print(f"| all | | {totals[0]} / {totals[1]} | | {totals[2]} / {totals[3]} |")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
