"""What is written about packages in several formats agrees: dependencies, versions of Python, steps of workflows."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="not a checkout: .github is missing")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_steps_of_workflows_are_sessions() -> None:
    sessions = set(re.findall(r"^@nox\.session.*\ndef (\w+)", (ROOT / "noxfile.py").read_text(), re.M))
    used: set[str] = set()
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text()
        for step in re.findall(r"^ *(?:- )?run: (.*)$", text, re.M):
            assert re.match(r"pip install nox$|nox -s |brew install libomp |sudo apt-get install -y ", step), (
                f"{path.name}: {step}"
            )
            used |= set(re.findall(r"nox -s (\w+)", step))
        for names in re.findall(r"session: \[(.*)\]", text):
            used |= set(names.split(", "))
    assert len(used) > 5
    assert used <= sessions


def test_recipe_has_the_dependencies_of_the_package(project: dict[str, Any]) -> None:
    recipe = (ROOT / "conda" / "recipe.yaml").read_text()
    wanted = {re.sub(r" *;.*", "", d) for d in project["project"]["dependencies"]}
    run = recipe[recipe.index("\n  run:\n") : recipe.index("\ntests:")]
    assert {line.replace(" ", "") for line in re.findall(r"^ +(?:- |then: )(\w+ >=.*)$", run, re.M)} == wanted


def test_wheels_are_made_for_the_versions_that_are_promised(project: dict[str, Any]) -> None:
    promised = {c.rpartition(" ")[2].replace(".", "") for c in project["project"]["classifiers"] if " :: 3." in c}
    built = {pattern[2:].partition("-")[0] for pattern in project["tool"]["cibuildwheel"]["build"]}
    assert built == promised
    assert project["project"]["requires-python"] == ">=3.10"
    assert min(built) == "310"
    variants = (ROOT / "conda" / "variants.yaml").read_text()
    assert {version.replace(".", "") for version in re.findall(r"^  - (3\.\d+)\.\*", variants, re.M)} == promised


def test_builds_without_git_have_a_version(project: dict[str, Any]) -> None:
    version = project["tool"]["setuptools_scm"]["fallback_version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    line = re.search(r'REGEX "\^(\w+) = "', (ROOT / "CMakeLists.txt").read_text())
    assert line is not None
    assert line[1] == "fallback_version"
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
