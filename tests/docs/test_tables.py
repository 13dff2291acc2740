"""The tables in docs/search.md are those of the program; FASTSFES_WRITE_DOCS=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

from fastsfes.common.options import markdown
from fastsfes.formula.instructions import INSTRUCTIONS
from fastsfes.run.config import SearchConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "search.md"


def instructions() -> str:
    lines = ["| name | meaning | SyFES |", "|---|---|---|"]
    lines += [f"| `{i.name}` | `{i.spelling}` | {i.syfes} |" for i in INSTRUCTIONS.values()]
    return "\n".join(lines) + "\n"


def test_tables_are_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    expected = text
    for name, table in (("options", markdown(SearchConfig)), ("instructions", instructions())):
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        head, _, rest = expected.partition(begin)
        expected = f"{head}{begin}{table}{end}{rest.partition(end)[2]}"
    if os.environ.get("FASTSFES_WRITE_DOCS") == "1":
        PAGE.write_text(expected, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == expected
