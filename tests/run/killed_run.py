"""Start or resume a search of the made-up problem: what the tests of kill -9 run, and kill."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "helpers"))  # what pytest has from pyproject.toml

from fake_problem import three_channels
from test_search import SMALL

from fastsfes.run.search import search

CONFIG = replace(SMALL, candidates=2400, islands=3, migrate_every=2, migrants=3)

if __name__ == "__main__":
    path, executor = Path(sys.argv[1]), sys.argv[2]
    if path.exists():
        search(resume=path, executor=executor, workers=2, problem=three_channels)
    else:
        search(replace(CONFIG, executor=executor, workers=2), output=path, problem=three_channels)
