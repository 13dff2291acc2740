"""What README and docs/ show is true: commands are accepted, Python runs, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastsfes as fs
from fastsfes.cli import build_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts)])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

LONG = {"docs/searching.md"}
"""Pages whose Python searches."""

HOURS = {"docs/validation.md"}
"""Pages whose Python converges many molecules; tests/validation runs the same functions on small ones."""


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, code) of the fenced blocks; indented ones have no language."""
    for fence in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        yield fence[1], fence[2]
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for block in re.finditer(r"(?:^    .*\n)+", rest, re.M):
        yield "", re.sub(r"^    ", "", block[0], flags=re.M)


def commands(text: str) -> list[str]:
    joined = "\n".join(code for language, code in blocks(text) if language in ("", "sh")).replace("\\\n", "")
    return [line.partition(" > ")[0] for line in joined.splitlines() if re.match(r"fastsfes [a-z]", line)]


@pytest.mark.parametrize("name", [n for n, page in zip(NAMES, PAGES, strict=True) if commands(page.read_text())])
def test_commands_are_accepted(name: str) -> None:
    for line in commands((ROOT / name).read_text()):
        arguments = build_parser().parse_args(shlex.split(line, comments=True)[1:])
        assert callable(arguments.handler)


def python(text: str) -> str:
    return "\n".join(code for language, code in blocks(text) if language == "python")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LONG else [])
        for name, page in zip(NAMES, PAGES, strict=True)
        if python(page.read_text())
    ],
)
def test_python_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    fs.get_functional("pbe").to_json("mine.json")
    fs.export("gas22", "pyscf", "gas22.py")
    code = compile(python((ROOT / name).read_text()), name, "exec")
    if name in HOURS:
        return
    backend = fs.kernels.backend()
    try:
        exec(code, {"__name__": "__main__"})
    finally:
        fs.kernels.set_backend(backend)


def anchor(heading: str) -> str:
    """The name that a heading has in a link, as the usual renderers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), f"{name}: {target}"
        anchors = (
            [anchor(heading) for heading in re.findall(r"^#+ (.*)$", page.read_text(), re.M)] if fragment else [""]
        )
        assert fragment in anchors, f"{name}: {target}"


def test_every_page_is_in_the_site() -> None:
    index = (ROOT / "docs/index.md").read_text()
    listed = [line for tree in re.findall(r"```{toctree}\n(.*?)```", index, re.S) for line in tree.splitlines() if line]
    listed = [line for line in listed if not line.startswith(":")]
    pages = {str(p.relative_to(ROOT / "docs").with_suffix("")) for p in PAGES if p.parent != ROOT} - {"index"}
    assert len(listed) == len(set(listed))
    assert pages == set(listed)


def test_every_public_name_is_in_the_reference() -> None:
    text = (ROOT / "docs/api.md").read_text()
    documented = set(re.findall(r"^\.\. auto(?:function|class|exception):: (\w+)$", text, re.M))
    assert documented == set(fs.__all__) - {
        "__version__",
        "kernels",
        "pyscf",
    }  # the last two have sections of their own
