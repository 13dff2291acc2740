"""The table in docs/validation.md is that of the program; FASTSFES_WRITE_DOCS=1 writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from fastsfes.common.options import markdown
from fastsfes.validation import ValidationConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"


def test_table_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- options: begin -->\n", "<!-- options: end -->"
    head, _, rest = text.partition(begin)
    expected = f"{head}{begin}{markdown(ValidationConfig)}{end}{rest.partition(end)[2]}"
    if os.environ.get("FASTSFES_WRITE_DOCS") == "1":
        PAGE.write_text(expected, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == expected
