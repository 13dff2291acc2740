"""Cells of Excel workbooks (.xlsx) as texts: as much of Office Open XML as published tables need.

An .xlsx file is a ZIP archive of XML parts (ECMA-376, part 1, 18.3). Values are read as they are stored; formulas,
formats and dates are not interpreted.
"""

from __future__ import annotations

import io
import re
import zipfile
from xml.etree import ElementTree

from ..errors import InputError

__all__ = ["read_xlsx"]

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

_LARGEST = 64 * 2**20
"""Bytes of a part, unpacked, that are read at most; GSCDB138's largest one has 2 MB."""

_COLUMNS = 1000
"""Columns of a row that are read at most."""

Row = list[str]


def read_xlsx(data: bytes, where: str, sheet: str | None = None) -> list[Row]:
    """Rows of a sheet, each a list of texts; empty cells are "", and rows end with their last cell.

    Args:
        data: content of the file.
        where: its name, for errors.
        sheet: name of the sheet; by default the first one.

    Raises:
        InputError: when it is no workbook, has no such sheet, or a part is damaged or implausibly large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _rows(archive, where, sheet)
    except InputError:
        raise
    except (zipfile.BadZipFile, ElementTree.ParseError, LookupError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"{where}: cannot be read as an Excel workbook ({error or type(error).__name__})") from None


def _rows(archive: zipfile.ZipFile, where: str, sheet: str | None) -> list[Row]:
    sheets = {
        item.attrib["name"]: item.attrib[_RELATION]
        for item in _part(archive, "xl/workbook.xml", where).iter(f"{_MAIN}sheet")
    }
    chosen = next(iter(sheets), "") if sheet is None else sheet
    if chosen not in sheets:
        raise InputError(f"{where}: has no sheet {chosen!r}; it has {', '.join(sheets) or 'none'}")
    targets = {r.attrib["Id"]: r.attrib["Target"] for r in _part(archive, "xl/_rels/workbook.xml.rels", where)}
    target = targets[sheets[chosen]]
    shared: list[str] = []
    if "xl/sharedStrings.xml" in archive.namelist():
        shared = [_text(item) for item in _part(archive, "xl/sharedStrings.xml", where).iter(f"{_MAIN}si")]
    path = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return [_cells(row, shared) for row in _part(archive, path, where).iter(f"{_MAIN}row")]


def _cells(row: ElementTree.Element, shared: list[str]) -> Row:
    found: Row = []
    for cell in row.iter(f"{_MAIN}c"):
        column = _column(cell.get("r", ""), len(found))
        found += [""] * (column - len(found))
        value = cell.findtext(f"{_MAIN}v", "")
        kind = cell.get("t")
        if kind == "s" and value:
            value = shared[int(value)]
        elif kind == "inlineStr":
            value = _text(cell)
        found.append(value)
    return found


def _column(reference: str, following: int) -> int:
    """Number of the column, from 0, of a cell such as "AB12"; cells without a reference follow one another."""
    letters = re.match(r"[A-Z]+", reference)
    if letters is None:
        return following
    number = 0
    for letter in letters[0]:
        number = 26 * number + ord(letter) - 64
    if not following < number <= _COLUMNS:
        raise ValueError(f"cell {reference[:20]} is out of place")
    return number - 1


def _text(element: ElementTree.Element) -> str:
    return "".join(item.text or "" for item in element.iter(f"{_MAIN}t"))


def _part(archive: zipfile.ZipFile, name: str, where: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > _LARGEST:
        raise InputError(f"{where}: {name} unpacks to more than {_LARGEST // 2**20} MB, which no table here has")
    content = archive.read(name)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:  # entities can unpack to anything; workbooks have none
        raise InputError(f"{where}: {name} declares XML entities, which workbooks do not have")
    return ElementTree.fromstring(content)
