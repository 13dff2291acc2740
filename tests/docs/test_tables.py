"""The tables in docs/ are those of the program; FASTSFES_WRITE_DOCS=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastsfes.cli.analyse import AnalyseOptions
from fastsfes.cli.dataset import BuildOptions
from fastsfes.cli.fit import FitOptions
from fastsfes.cli.health import HealthOptions
from fastsfes.common.options import markdown
from fastsfes.densities import ScfSettings
from fastsfes.formula.instructions import INSTRUCTIONS
from fastsfes.run.config import SearchConfig
from fastsfes.validation import ValidationConfig

DOCS = Path(__file__).resolve().parents[2] / "docs"


def instructions() -> str:
    lines = ["| name | meaning | SyFES |", "|---|---|---|"]
    lines += [f"| `{i.name}` | `{i.spelling}` | {i.syfes} |" for i in INSTRUCTIONS.values()]
    return "\n".join(lines) + "\n"


TABLES = {
    "searching.md": {"options": markdown(SearchConfig), "instructions": instructions()},
    "validation.md": {"options": markdown(ValidationConfig)},
    "fitting.md": {"options": markdown(FitOptions)},
    "health.md": {"options": markdown(HealthOptions)},
    "analysis.md": {"options": markdown(AnalyseOptions)},
    "datasets.md": {"options": markdown(BuildOptions) + markdown(ScfSettings)},
}
"""Page -> name of the place between two comments -> what stands there."""


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_up_to_date(name: str) -> None:
    page = DOCS / name
    expected = page.read_text(encoding="utf-8")
    for place, table in TABLES[name].items():
        begin, end = f"<!-- {place}: begin -->\n", f"<!-- {place}: end -->"
        head, found, rest = expected.partition(begin)
        assert found, f"{name} has no place for {place}"
        expected = f"{head}{begin}{table}{end}{rest.partition(end)[2]}"
    if os.environ.get("FASTSFES_WRITE_DOCS") == "1":
        page.write_text(expected, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == expected
