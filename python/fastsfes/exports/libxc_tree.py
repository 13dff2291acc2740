"""A functional in a tree of libxc's sources: its files, and its lines in the lists that libxc's scripts would write.

    fastsfes export mine.json --format libxc-tree --libxc libxc-5.2.3 --output libxc-mine
    LD_LIBRARY_PATH=libxc-mine/lib program input

For programs that `libxc_preload` cannot reach, such as those that contain libxc. The lists are in the sources of all
versions and are edited here: the scripts need Perl in version 5, Python in 7, and read every functional.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import InputError
from ..common.files import make_parent, write_output
from ..functionals.functional import Functional
from .libxc import sources
from .libxc_code import one_line
from .libxc_preload import NUMBERS, full_name, preload_number

__all__ = ["add"]

_MARK = "exported by fastsfes"
"""Stands in every file that was written here (`describe.description`)."""


@dataclass(frozen=True)
class _Edit:
    """A line for the functional in a file of the tree.

    Attributes:
        file: its path.
        anchor: a pattern of the line before which ours is put; of several the last; "" for the end of the file.
        line: what is put there.
        after: behind the anchor, in place of before it.
        optional: whether a tree may lack the file.
    """

    file: str
    anchor: str
    line: str
    after: bool = False
    optional: bool = False


_EDITS = (
    _Edit("src/funcs_{list}.c", r"^const xc_func_info_type \*", "extern xc_func_info_type xc_func_info_{name};\n"),
    _Edit("src/funcs_{list}.c", r"^ *NULL$", "  &xc_func_info_{name},\n"),
    _Edit("src/funcs_key.c", r'^ *\{"", -1\}', '{{"{name}", {number}}},\n'),
    _Edit("src/xc_funcs.h", "", "#define  XC_{upper}  {number}  /*{about}*/\n"),
    _Edit("src/libxc_inc.f90", "", "  integer(c_int), parameter, public :: XC_{upper} = {number}\n"),
    _Edit("CMakeLists.txt", r"^set\(raw_sources_list$", "  {name}.c\n", after=True),
    _Edit("src/Makefile.am", r"^libxc_la_FUNC_SOURCES = \\$", "\t{name}.c \\\n", after=True, optional=True),
)
"""Those of libxc 5.2.0 to 7.0.0, whose lists differ in nothing that matters here."""


def add(functional: Functional, tree: Path) -> list[Path]:
    """Write a functional into a tree of libxc's sources; a former one of that name that fastsfes wrote is replaced.

    Returns:
        The files written and changed.

    Raises:
        InputError: when there is no tree of libxc 5.2, 6 or 7, when its lists are not as expected, or when it has
            another functional of that name; nothing is written then.
        WriteError: when a file cannot be written.
    """
    _check_version(tree)
    name = full_name(functional)
    own = tree / "src" / f"{name}.c"
    if own.exists() and _MARK not in _read(own):
        raise InputError(f"{own} is there and was not written by fastsfes; choose another name with --name")
    family = "hyb_" * name.startswith("hyb_") + functional.family
    key = _lines_without(_read(tree / "src" / "funcs_key.c"), name)
    taken = {int(n) for n in re.findall(r'^ *\{".+", (\d+)\}', key, re.MULTILINE)}
    start = preload_number(functional) - NUMBERS[0]
    number = next((n for n in (*NUMBERS[start:], *NUMBERS[:start]) if n not in taken), None)
    if number is None:
        raise InputError(f"{tree}: all numbers from {NUMBERS[0]} to {NUMBERS[-1]} are taken; expected a free one")
    words = {"name": name, "upper": name.upper(), "number": number, "list": family, "about": one_line(functional)}
    texts: dict[str, str] = {}
    for edit in _EDITS:
        file = edit.file.format(**words)
        if edit.optional and not (tree / file).exists():
            continue
        if file not in texts:
            texts[file] = _lines_without(_read(tree / file), name)
        texts[file] = _inserted(texts[file], edit, edit.line.format(**words), tree / file)
    texts = sources(functional, name, number) | texts
    for file, text in texts.items():
        make_parent(tree / file)
        write_output(tree / file, text)
    return [tree / file for file in texts]


def _check_version(tree: Path) -> None:
    configure = tree / "configure.ac"
    if not configure.is_file():
        raise InputError(f"{tree}: no configure.ac there; expected the folder of libxc's sources")
    found = re.search(r"^AC_INIT\(\[libxc\],\[(\d+)\.(\d+)[^\]]*\]", _read(configure), re.MULTILINE)
    if found is None:
        raise InputError(f"{configure} does not say libxc's version; expected the folder of libxc's sources")
    version = int(found[1]), int(found[2])
    if version < (5, 2):
        raise InputError(
            f"{tree} is libxc {found[1]}.{found[2]}, whose evaluation functions have other arguments; expected 5.2, 6 "
            "or 7"
        )
    if version >= (8, 0):
        raise InputError(f"{tree} is libxc {found[1]}.{found[2]}, which is not known yet; expected 5.2, 6 or 7")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; expected a released libxc, whose lists of functionals are in src"
        ) from None


def _lines_without(text: str, name: str) -> str:
    """The text without a former functional's lines."""
    word = re.compile(rf"(?<![a-z0-9_])(xc_func_info_|xc_)?{name}(?![a-z0-9_])", re.IGNORECASE)
    return "".join(line for line in text.splitlines(keepends=True) if not word.search(line))


def _inserted(text: str, edit: _Edit, line: str, path: Path) -> str:
    if not edit.anchor:
        return text + "\n" * (not text.endswith("\n")) + line
    *_, last = (None, *re.finditer(edit.anchor, text, re.MULTILINE))
    if last is None:
        raise InputError(f"{path} is not as in libxc 5.2 to 7.0: no line like {edit.anchor} is there")
    place = text.index("\n", last.end()) + 1 if edit.after else last.start()
    return text[:place] + line + text[place:]
