"""``fastsfes list`` and ``fastsfes show FUNCTIONAL``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.functionals.citations import bibtex
from fastsfes.functionals.registry import OWN_CITATION


def test_all_registered_functionals_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == fs.list_functionals()
    row = next(line for line in lines if line.startswith("wb97m_v"))
    assert "mgga" in row
    assert "0.15 to 1, omega 0.3" in row
    assert main(["list", "gas22", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["channels"] == fs.get_functional("gas22").to_dict()["channels"]
    assert main(["list", "nonsense"]) == 2


def test_every_citation_is_an_article_with_its_doi(capsys: pytest.CaptureFixture[str]) -> None:
    for name in fs.list_functionals():
        functional = fs.get_functional(name)
        text = bibtex([functional])
        if functional.citation == OWN_CITATION:
            assert text == f"@misc{{{name},\n  note = {{{OWN_CITATION}}}\n}}"
            continue
        assert "@misc" not in text, functional.citation
        assert re.findall(r"doi = {(.*)}", text) == re.findall(r"10\.[^ ,;]+", functional.citation)
        assert f"author = {{{functional.citation.partition(',')[0]}" in text
    assert main(["list", "--bibtex"]) == 0
    keys = re.findall(r"@article{(\w+),", capsys.readouterr().out)
    assert len(set(keys)) == len(keys) > 8
    own = fs.Functional("own", {"x": fs.Channel(fs.Expression.parse("1"))}, citation="found by chance")
    assert bibtex([own]) == "@misc{own,\n  note = {found by chance}\n}"


def test_a_functional_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "gas22"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "gas22 (mgga; exact exchange 0.15 at short and 1 at long range (omega 0.3), VV10 (b 6, C 0.01))"
    )
    assert "0.862139736374172" in out
    assert "10.1126/sciadv.abq0279" in out
    fs.get_functional("pbe").to_json(tmp_path / "mine.json")
    assert main(["show", str(tmp_path / "mine.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "pbe"
    assert main(["show", "b97", "--latex"]) == 0
    assert "tabular" in capsys.readouterr().out
    assert main(["show", "b97", "--pareto"]) == 2
    assert "only runs have a front" in capsys.readouterr().err
