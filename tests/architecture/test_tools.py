"""What is written about tools, files and versions in one place agrees with the other places."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / ".ci").is_dir(), reason="not a checkout: .ci is missing")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_pre_commit_uses_the_versions_of_the_checkers() -> None:
    pinned = set(re.findall(r"\b[\w-]+==[\w.]+", (ROOT / ".pre-commit-config.yaml").read_text()))
    assert pinned == set((ROOT / ".ci" / "checkers.txt").read_text().split())


def test_presets_set_options_that_exist() -> None:
    options = set(re.findall(r"^option\((\w+) ", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE))
    presets = json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]
    used = {name for preset in presets for name in preset["cacheVariables"] if name.startswith("FASTSFES_")}
    assert used
    assert used <= options


def test_every_source_of_the_core_is_built() -> None:
    written = (ROOT / "csrc" / "CMakeLists.txt").read_text()
    names = [path.relative_to(ROOT).as_posix() for path in tracked()]
    sources = [name for name in names if re.match(r"csrc/(core|bindings)/.*\.cpp$", name)]
    missing = [name for name in sources if name.removeprefix("csrc/") not in written]
    assert sources
    assert not missing


def test_files_that_comments_of_the_core_name_exist() -> None:
    files = tracked()
    names = {"/" + path.relative_to(ROOT).as_posix() for path in files}
    lost = []
    for path in files:
        if "csrc" not in path.parts or path.suffix not in (".cpp", ".hpp", ".h", ".inl", ".py", ".txt"):
            continue
        mark = "#" if path.suffix in (".py", ".txt") else "//"
        comments = "\n".join(re.findall(rf"{mark}.*", path.read_text())).replace("#include", "")
        for name in re.findall(r"[\w./-]*\w\.(?:py|md|cpp|hpp|h|inl|toml)\b", comments):
            if not any(known.endswith("/" + name.lstrip("/")) for known in names):
                lost.append(f"{path.relative_to(ROOT)}: {name}")
    assert not lost


def test_no_file_is_a_link() -> None:
    assert not [str(path) for path in tracked() if path.is_symlink()]


def test_docstrings_have_sections_in_one_style() -> None:
    """Google's: a line `Args:` with its items indented, not a title above a rule."""
    ruled = re.compile(r"^ +[A-Z]\w+\n +-{3,}$", re.MULTILINE)
    sources = [path for path in tracked() if path.suffix in (".py", ".cpp") and path.is_file()]
    assert ruled.search("    Returns\n    -------\n")
    assert [path.relative_to(ROOT).as_posix() for path in sources if ruled.search(path.read_text())] == []


def test_lines_of_pages_can_be_read() -> None:
    """At most 120 characters a line, but for tables and code."""
    long = []
    for path in [path for path in tracked() if path.suffix == ".md"]:
        code = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code ^= line.lstrip().startswith("```")
            if len(line) > 120 and not code and not line.startswith(("|", "    ", "\t")):
                long.append(f"{path.relative_to(ROOT)}:{number}")
    assert long == []


def test_no_two_test_files_have_one_name() -> None:
    """Tests are no packages: pytest imports them by their names alone."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
