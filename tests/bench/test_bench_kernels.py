"""The kernels benchmark: it runs, reports every part, and refuses wrong answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastsfes.bench import main
from fastsfes.bench.report import Report, WrongAnswer
from fastsfes.bench.timing import CLOCKS, interleave

pytestmark = pytest.mark.usefixtures("own_cache")


def test_parts_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "figures.json"
    page = tmp_path / "figures.md"
    arguments = ["kernels", "--repeats", "1", "--threads", "1", "--json", str(target), "--markdown", str(page)]
    assert main([*arguments, "--only", "interpreter", "--only", "latency"]) == 0
    text = capsys.readouterr().out
    assert "64 together, each" in text
    rows = json.loads(target.read_text())["kernels"]["rows"]
    figures = {row["name"]: row["value"] for row in rows if "value" in row}
    assert 0 < figures["from the disk cache, median"] < figures["one alone, median"]
    lines = page.read_text().splitlines()
    assert "## compile latency" in lines
    for row in rows:  # every figure and every note is on the page
        if "value" in row:
            beginning = f"| {row['name']} | {row['value']:.4g} | {row['unit']} |".replace("*", "\\*")
            assert sum(line.startswith(beginning) for line in lines) == 1
        elif "note" in row:
            assert row["note"].strip() in lines
    checks = [row for row in rows if "check" in row]
    assert len(checks) == 8
    assert all(row["error"] == 0.0 for row in checks)


@pytest.mark.slow
def test_parts_with_densities_compare_with_every_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTSFES_SHARED", str(tmp_path))  # none there: the packaged densities
    target = tmp_path / "figures.json"
    arguments = ["kernels", "--repeats", "1", "--threads", "1", "--points", "2000", "--json", str(target)]
    assert main([*arguments, "--only", "factors", "--only", "functionals"]) == 0
    rows = json.loads(target.read_text())["kernels"]["rows"]
    names = " ".join(row.get("name", "") for row in rows)
    for peer in ("libxc through PySCF", "xcfun through PySCF"):
        for what in ("energy", "and first derivatives", "and second derivatives"):
            assert f"{what}: speed over {peer}" in names
    checks = [row for row in rows if "check" in row]
    assert {row["check"] for row in checks} >= {"compiled sums", "rpbe deriv 2, xcfun through PySCF: vrho"}
    assert all(row["error"] <= row["limit"] for row in checks)


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernels", "--repeats", "0"]) == 2
    assert "must be at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("error", [2e-12, float("nan"), float("inf")])
def test_wrong_answers_stop_the_benchmark(error: float) -> None:
    with pytest.raises(WrongAnswer, match="allowed is 1e-12"):
        Report().check("sums", error, 1e-12)


def test_short_cases_are_called_several_times(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 0.0
    calls = {"short": 0, "long": 0}

    def case(name: str, duration: float) -> None:
        nonlocal time
        time += duration
        calls[name] += 1

    monkeypatch.setitem(CLOCKS, "own", lambda: time)
    cases = {"short": lambda: case("short", 0.0015), "long": lambda: case("long", 2.0)}
    seconds = interleave(cases, 3, "own", warmup=2)
    assert seconds == pytest.approx({"short": 0.0015, "long": 2.0}, rel=1e-9)
    # the first round tells how often 0.0015 s fit into the shortest timing of 0.005 s
    assert calls == {"short": 1 + 4 * 4, "long": 5}
