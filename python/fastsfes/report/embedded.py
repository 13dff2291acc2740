"""The figures of a page as JSON inside it, compressed: they would be half of its size."""

from __future__ import annotations

import base64
import html.parser
import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.errors import InputError
from ..common.files import user_path
from .html import Markup, tag

__all__ = ["IDENTIFIER", "embedded", "read_report"]

IDENTIFIER = "report-data"

DRAWN = ("errors", "factors", "curves", "search")
"""What the page computed itself: kept with five significant digits, for its size; all other figures keep all."""

_LARGEST = 2**28
"""Bytes of unpacked data that are read."""


def embedded(data: Mapping[str, Any]) -> Markup:
    """The element that holds the data; base64 cannot end it."""
    brief = {key: _brief(value) if key in DRAWN else value for key, value in data.items()}
    text = json.dumps(brief, allow_nan=False, separators=(",", ":"))
    packed = base64.b64encode(lzma.compress(text.encode(), preset=9)).decode()
    return tag("script", Markup(packed), type_="application/x-xz", data_encoding="base64", id=IDENTIFIER)


def read_report(path: str | Path) -> dict[str, Any]:
    """The figures of a page that `write_report` wrote.

    Args:
        path: the page.

    Returns:
        Plain data, described in docs/file-formats.md.

    Raises:
        InputError: the file is no report, or its data are damaged.
    """
    file = user_path(path)
    try:
        finder = _Finder(file.read_text(encoding="utf-8"))
        unpack = lzma.LZMADecompressor(memlimit=_LARGEST)
        found = json.loads(unpack.decompress(base64.b64decode(finder.text, validate=True), _LARGEST))
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise InputError(f"{file}: not a page of fastsfes report: {error}") from None
    if not isinstance(found, dict) or found.get("format") != "fastsfes-report":
        raise InputError(f"{file}: not a page of fastsfes report; expected data with format = fastsfes-report")
    return found


class _Finder(html.parser.HTMLParser):
    """The text of the element with the data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self._inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        """Whether the element is the one."""
        self._inside = name == "script" and dict(attributes).get("id") == IDENTIFIER

    def handle_endtag(self, name: str) -> None:
        """Nothing is inside any more."""
        self._inside = False

    def handle_data(self, data: str) -> None:
        """Text of the element."""
        if self._inside:
            self.text += data


def _brief(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _brief(item) for key, item in value.items()}
    return [_brief(item) for item in value] if isinstance(value, (list, tuple)) else value
