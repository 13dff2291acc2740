"""The house: a room imports only from rooms below it, no modules import each other in a circle, no name hides a module.

All imports count, wherever they stand: inside functions and under TYPE_CHECKING too.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

import fastsfes as fs

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "fastsfes"
CORE = ROOT / "csrc" / "core"

ROOMS = (
    "common", "formula", "functionals", "exports", "executors", "densities", "datasets", "energies", "fitting",
    "selection", "health", "evolve", "run", "analysis", "validation", "report", "cli",
)  # fmt: skip
"""From the ground up; docs/design.md says what each holds."""

CORE_ROOMS = (("base",), ("expression",), ("program", "jit"), ("quadrature",), ("fit",), ("family",), ("select",))
"""Folders of the core from the ground up; a program starts its own compilation, so these two know each other."""

EXTENSION = "fastsfes._core"


def modules(package: Path) -> dict[str, Path]:
    """Name -> file of all modules; benchmarks are another program."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if "bench" not in parts:
            found[".".join((package.name, *(p for p in parts if p != "__init__")))] = path
    return found


def imports(name: str, text: str, package: bool, known: Mapping[str, object]) -> Iterator[tuple[int, str]]:
    """(line, module) of everything that a module imports from its own package, the compiled core excepted."""
    root = name.partition(".")[0]
    base = name.split(".") if package else name.split(".")[:-1]
    for node in ast.walk(ast.parse(text)):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = base[: len(base) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found = [f"{source}.{alias.name}" for alias in node.names]
            found = [full if full in known or full == EXTENSION else source for full in found]
        for target in found:
            if target.partition(".")[0] == root and target != EXTENSION:
                yield node.lineno, target


def room(module: str) -> str:
    """Its room; "" for the package itself and `__main__`, which stand above all."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__main__" else ""


def upward(graph: Mapping[str, list[tuple[int, str]]], rooms: tuple[str, ...]) -> list[str]:
    """Arrows from a room to one above it, to the package itself, or to a room that is not in the list."""
    place = {name: k for k, name in enumerate(rooms)}
    return [
        f"{source}:{line} imports {target}"
        for source, arrows in graph.items()
        for line, target in arrows
        if room(source) and not place.get(room(target), len(rooms)) <= place[room(source)]
    ]


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups that reach each other (Tarjan, 10.1137/0201010)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        path.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in order:
                visit(target)
                lowest[node] = min(lowest[node], lowest[target])
            elif target in path:
                lowest[node] = min(lowest[node], order[target])
        if lowest[node] == order[node]:
            start = path.index(node)
            if len(path) - start > 1 or node in graph.get(node, ()):
                found.append(sorted(path[start:]))
            del path[start:]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return found


@pytest.fixture(scope="module")
def arrows() -> dict[str, list[tuple[int, str]]]:
    known = modules(PACKAGE)
    return {name: list(imports(name, path.read_text(), path.stem == "__init__", known)) for name, path in known.items()}


def test_every_module_has_a_room() -> None:
    assert {room(name) for name in modules(PACKAGE)} - {""} <= set(ROOMS)


def test_rooms_import_from_rooms_below(arrows: dict[str, list[tuple[int, str]]]) -> None:
    assert upward(arrows, ROOMS) == []


def test_modules_do_not_import_in_circles(arrows: dict[str, list[tuple[int, str]]]) -> None:
    assert circles({name: {target for _, target in found} for name, found in arrows.items()}) == []


def test_no_name_of_the_package_hides_a_module() -> None:
    """`import fastsfes.x.y` gives a module; so what `fastsfes.x.y` is otherwise must not be called y."""
    names = [m.name for m in pkgutil.walk_packages(fs.__path__, "fastsfes.") if not m.name.endswith("__main__")]
    for name in names:
        importlib.import_module(name)
    parts = [name.rpartition(".") for name in names]
    hidden = [
        f"{package}.{own}"
        for package, _, own in parts
        if not isinstance(getattr(sys.modules[package], own), ModuleType)
    ]
    assert hidden == []
    assert not {own for package, _, own in parts if package == "fastsfes"} & set(fs.__all__)


def test_hidden_imports_are_seen() -> None:
    """Lazy imports, those for types, relative and absolute ones; circles of two and of one."""
    text = """
from typing import TYPE_CHECKING
from .. import _core
from .._core import build_info
from . import frame
if TYPE_CHECKING:
    from ..run.config import SearchConfig
def late():
    import fastsfes.cli
    from ..datasets import Dataset, model
"""
    known = {"fastsfes.functionals.frame": 0, "fastsfes.datasets.model": 0}
    found = {target for _, target in imports("fastsfes.functionals.load", text, False, known)}
    assert found == {
        "fastsfes.functionals.frame", "fastsfes.run.config", "fastsfes.cli", "fastsfes.datasets",
        "fastsfes.datasets.model",
    }  # fmt: skip
    graph = {"fastsfes.functionals.load": [(7, "fastsfes.run.config"), (3, "fastsfes.common.files"), (9, "fastsfes")]}
    assert upward(graph, ROOMS) == [
        "fastsfes.functionals.load:7 imports fastsfes.run.config",
        "fastsfes.functionals.load:9 imports fastsfes",
    ]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}) == [["b", "c"], ["d"]]


# -- the core ----------------------------------------------------------------------------------------------------------


def includes(folder: Path) -> dict[str, list[str]]:
    """File -> files of the core that it includes."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".cpp", ".hpp", ".h", ".inl")):
        named = re.findall(r'^\s*#\s*include\s+"core/([^"]+)"', path.read_text(), re.M)
        found[path.relative_to(folder).as_posix()] = named
    return found


def test_folders_of_the_core_include_from_folders_below() -> None:
    place = {name: k for k, story in enumerate(CORE_ROOMS) for name in story}
    found = includes(CORE)
    assert {source.partition("/")[0] for source in found} <= set(place)
    assert sum(map(len, found.values())) > 50  # the includes are seen
    assert [
        f"{source} includes {target}"
        for source, targets in found.items()
        for target in targets
        if place[target.partition("/")[0]] > place[source.partition("/")[0]]
    ] == []


def test_headers_of_the_core_do_not_include_in_circles() -> None:
    assert circles({source: set(targets) for source, targets in includes(CORE).items()}) == []


def test_the_core_knows_no_python() -> None:
    texts = {path: path.read_text() for path in CORE.rglob("*") if path.is_file()}
    assert [
        path.name for path, text in texts.items() if re.search(r"#\s*include\s*[<\"](Python\.h|pybind11/)", text)
    ] == []
