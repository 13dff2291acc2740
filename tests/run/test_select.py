"""Selections as runs: what they keep, resuming, conditions, scales, the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.common.errors import InputError
from fastsfes.evolve.island import Individual
from fastsfes.fitting import FitProblem
from fastsfes.functionals.frame import Hybrid
from fastsfes.run.search import Run
from fastsfes.run.select import select_run
from fastsfes.run.select_config import SelectConfig
from fastsfes.run.store import RunStore
from fastsfes.selection import Selector

TERMS = ["x = u(x2, 0.004)^0:1 * w^0:1", "css = 1; w; w**2", "cos = 1; w; w**2"]


def small(**changes: object) -> SelectConfig:
    given = {"terms": TERMS, "sizes": "5:7", "restarts": 3, "patience": 3, "keep": 3, "dataset": "builtin"}
    return SelectConfig.make(**{**given, "criteria": ["train"], **changes})


def kept(path: Path) -> tuple[list[tuple[object, ...]], list[Individual]]:
    with RunStore.open(path / "history.sqlite", read_only=True) as store:
        rows = [tuple(row) for row in store.candidates.execute("SELECT * FROM candidates ORDER BY number")]
        return rows, list(store.archive())


def test_a_selection_is_a_run(tmp_path: Path) -> None:
    options = {"restarts": 4, "constraints": ["uniform_gas"], "criteria": ["train", "worst_type"]}
    run = fs.select(TERMS, "builtin", sizes=range(5, 8), output=tmp_path / "run", report=False, **options)
    rows = run.summary["selection"]
    assert [(r["criterion"], r["size"]) for r in rows] == [(c, n) for c in ("train", "worst_type") for n in (5, 6, 7)]
    values = [r["value"] for r in rows[:3]]
    assert values == sorted(values, reverse=True)
    assert all(r["certificate"] == "optimal" for r in rows[:3])
    for row in rows:
        assert len(row["terms"]) == len(row["coefficients"]) == row["size"]
        assert row["worst_type"] >= min(r["worst_type"] for r in rows[3:]) * (1 - 1e-9)
    best = run.summary["best"]
    # on the same nodes: only the order of summation differs
    assert fs.wrmsd(run.best, "builtin", "train") == pytest.approx(best["train"], rel=1e-9)
    # the front of both criteria: none is beaten by one as simple in both
    front, members = run.pareto, run.members
    assert [m["candidate"] for m in members] == [row["number"] for row in front]
    assert [m["index"] for m in members] == list(range(len(front)))
    for one in front:
        assert one["expressions"].keys() == {"x", "css", "cos"}
        for other in front:
            if other is not one and other["complexity"] <= one["complexity"]:
                assert other["error"] > one["error"] or other["terms"]["worst_type"] > one["terms"]["worst_type"]
    assert len({r["complexity"] for r in front}) < len(front)  # a front of one criterion would have one of each
    for index, member in enumerate(members):
        assert fs.wrmsd(run[index], "builtin", "train") == pytest.approx(member["train"], rel=1e-9)


def test_an_interrupted_selection_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    select_run(small(), output=tmp_path / "whole", report=False)
    real, calls = Selector.search, []

    def stops(self: Selector, size: int, *_: object) -> object:
        calls.append(size)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, size)

    with monkeypatch.context() as patch:
        patch.setattr(Selector, "search", stops)
        with pytest.raises(KeyboardInterrupt):
            select_run(small(), output=tmp_path / "parts", report=False)
    assert calls == [5, 6]
    run = select_run(resume=tmp_path / "parts", report=False)
    assert kept(tmp_path / "parts") == kept(tmp_path / "whole")
    assert run.best == fs.Functional.from_json(tmp_path / "whole" / "best.json")
    assert run.members == Run(tmp_path / "whole").members
    assert run.summary["selection"] == json.loads((tmp_path / "whole" / "summary.json").read_text())["selection"]


def test_scales_are_tried_and_refined(tmp_path: Path) -> None:
    terms = ["x = u(x2, g)^0:1 * w^0:1", "css = 1; w", "cos = 1; w"]
    config = small(terms=terms, sizes="6", scales=["x.g = 0.002 0.02"])
    run = select_run(config, output=tmp_path / "run", report=False)
    rows = run.summary["selection"]
    assert [r["scales"]["x.g"] for r in rows[:2]] == [0.002, 0.02]
    assert rows[2]["certificate"] == "scales refined"
    assert rows[2]["value"] < min(r["value"] for r in rows[:2])


def test_terms_of_a_run(tmp_path: Path) -> None:
    first = select_run(small(sizes="5:6"), output=tmp_path / "first", report=False)
    again = select_run(small(terms=[], terms_from=str(first.path), sizes="5"), output=tmp_path / "again", report=False)
    assert again.summary["selection"][0]["value"] <= first.summary["selection"][0]["value"] * (1 + 1e-9)


def test_terms_of_a_search(tmp_path: Path) -> None:
    searched = fs.search(
        fs.SearchConfig.make(candidates=1000, dataset="builtin"), output=tmp_path / "search", report=False
    )
    config = small(terms=[], terms_from=str(searched.path), sizes="5", nodes=0)
    run = select_run(config, output=tmp_path / "run", report=False)
    (row,) = run.summary["selection"]
    own = min(m["train"] for m in searched.members if m["parameters"] <= 5)
    # what the search fitted with so many parameters, scales among them, is one subset of the library
    assert row["value"] <= own * (1 + 1e-3)  # scales of the reduced nodes


def test_exact_exchange_is_a_term(tmp_path: Path) -> None:
    config = small(sizes="7", exact_exchange=True, always=["short_range", "long_range"], constraints=["uniform_gas"])
    run = select_run(config, output=tmp_path / "run", report=False)
    row = run.summary["selection"][0]
    assert row["terms"][-2:] == ["short_range", "long_range"]
    hybrid = run.best.hybrid
    assert [hybrid.short_range, hybrid.long_range] == row["coefficients"][-2:]
    assert all(-1e-10 <= v <= 1 + 1e-10 for v in row["coefficients"][-2:])
    problem = FitProblem.from_dataset("builtin", level="full", exact_exchange=True)
    assert problem.loss(run.best) == pytest.approx(row["value"], rel=1e-9)
    # the store, the front and a resumed run have them too
    for kept_row, member in zip(run.pareto, run.members, strict=True):
        fractions = kept_row["parameters"]["hybrid"]
        own = fs.Functional.from_dict(member["functional"])
        assert fractions == {"short_range": own.hybrid.short_range, "long_range": own.hybrid.long_range}
        assert problem.loss(own) == pytest.approx(member["train"], rel=1e-9)


@pytest.mark.slow  # two published forms are fitted with their fractions, and the winner is checked on the grid
def test_the_table_of_a_selection_of_exact_exchange(tmp_path: Path) -> None:
    config = small(sizes="7", exact_exchange=True, constraints=["uniform_gas"])
    run = select_run(config, output=tmp_path / "run")
    row, figures = run.summary["selection"][0], run.summary["report"]
    assert figures["rows"][0]["train"] == pytest.approx(row["value"], rel=1e-9)
    assert [r["name"] for r in figures["rows"][1:]] == [
        "wB97M-V", "wB97M-V, refitted", "GAS22", "GAS22, refitted",
    ]  # fmt: skip
    assert figures["rows"][1]["train"] == pytest.approx(fs.wrmsd("wb97m_v", "builtin", "train"), rel=1e-12)
    assert figures["rows"][2]["train"] < figures["rows"][1]["train"]
    assert figures["largest_difference"] < 1e-2
    assert figures["grid"]["train"] == pytest.approx(row["value"], rel=1e-4)


def test_another_frame_on_the_same_densities(tmp_path: Path) -> None:
    """A semilocal functional with VV10: energies and errors are those of its own frame."""
    form = dataclasses.replace(fs.get_functional("wb97m_v"), hybrid=Hybrid())
    form.to_json(tmp_path / "pure.json")
    options = {"restarts": 2, "criteria": ["train"], "report": False, "frame": str(tmp_path / "pure.json")}
    run = fs.select(TERMS, "builtin", sizes=[7], output=tmp_path / "run", **options)
    assert run.best.hybrid == Hybrid()
    assert run.best.nlc == form.nlc
    # on the same nodes: only the order of summation differs
    assert fs.wrmsd(run.best, "builtin", "train", frame="own") == pytest.approx(run.summary["best"]["train"], rel=1e-9)
    # the verdict's total energy: HF/VV10 of the frame, and the full-range exchange that goes with it
    atom = run.summary["pick"]["checked"]["atom"]
    name = next(
        n for n, x in fs.Dataset.open("builtin").species.items() if x.symbols == (atom["atom"],) and not x.charge
    )
    kept, quadrature = fs.Dataset.open("builtin").energies(name), fs.Quadrature.load(fs.Dataset.open("builtin"))
    semilocal = quadrature.energies(run.best)[quadrature.species.index(name)]
    stored = fs.get_functional("wb97m_v").hybrid
    exact = stored.short_range * (kept.e_xx - kept.e_xx_lr) + stored.long_range * kept.e_xx_lr
    assert atom["energy"] == pytest.approx(kept.e_frozen - exact + semilocal, abs=1e-6)  # a tolerance of the grid check
    # the digits that are printed are of that frame too
    rounded = fs.round_parameters(run.best, "builtin", digits=6, **(run.config.rounding or {}))
    assert rounded.before["train"] == pytest.approx(run.summary["best"]["train"], rel=1e-9)
    # the folds leave whole subsets out of a fit in the same frame: their errors are not less than those of the fit
    (member,) = [m for m in run.members if m["picked"]]
    assert member["train"] <= member["cross_validation"] < 5 * member["train"]


def test_without_arguments_the_run_is_one_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The default library and dataset, in few sizes; then all that takes a run."""
    folder = str(tmp_path / "run")
    options = ["--sizes", "7,8", "--restarts", "8", "--patience", "8", "--keep", "3"]
    assert main(["select", *options, "--output", folder, "--progress", "none"]) == 0
    out = capsys.readouterr().out
    run = Run(folder)
    # seven or eight terms beat the published forms, with twice as many parameters, on subsets that no fit saw
    rows = run.summary["report"]["rows"]
    best, published = rows[0], [r for r in rows if r["name"] in ("wB97M-V", "GAS22")]
    assert len(published) == 2
    assert best["parameters"] <= 8
    assert best["terms"]["cross_validation"] < 5.0
    # a search's own term, on reduced nodes, in another order
    assert best["terms"]["cross_validation"] == pytest.approx(
        run.summary["best"]["terms"]["cross_validation"], rel=1e-3
    )
    assert "cross-validation" in out

    written = (tmp_path / "run" / "config.toml").read_text()
    assert "[library]" in written
    assert "preset" not in written
    assert "u(x2, 0.004)^0:4 * w^0:4" in written
    assert isinstance(run.config, SelectConfig)
    assert run.config.dataset == "gscdb"
    assert not (tmp_path / "run" / "selection.toml").exists()

    def prints(*arguments: str) -> str:
        assert main(list(arguments)) == 0
        return capsys.readouterr().out

    assert prints("show", folder) == out
    table = prints("show", folder, "--pareto")
    assert all(f"f_x = {m['functional']['channels']['x']['expression'][:10]}" in table for m in run.members)
    last = len(run.members) - 1
    assert "f_x = " in prints("show", f"{folder}:{last}")
    assert json.loads(prints("show", folder, "--json", "--pareto"))["best"] == run.best.to_dict()
    page = tmp_path / "page.html"
    prints("report", folder, "--output", str(page), "--health", "none", "--samples", "0", "--quiet")
    assert "cross_validation" in page.read_text()
    assert "fastsfes select --config config.toml" in page.read_text()
    prints("export", f"{folder}:{last}", "--format", "json", "--output", str(tmp_path / "own.json"))
    assert fs.Functional.from_json(tmp_path / "own.json") == run[last]
    assert "limits" in prints("health", folder, "--level", "quick").lower()
    assert main(["select", *options, "--output", folder]) == 2
    assert f"fastsfes select --resume {folder}" in capsys.readouterr().err
    assert prints("select", "--resume", folder) == out
    assert main(["search", "--resume", folder]) == 2
    assert "is a selection" in capsys.readouterr().err
    assert main(["select", "--config", str(tmp_path / "run" / "config.toml"), "--output", str(tmp_path / "two"),
                 "--no-report", "--progress", "none"]) == 0  # fmt: skip
    assert Run(tmp_path / "two").best == run.best


def test_a_selection_is_validated(tmp_path: Path) -> None:
    config = small(sizes="6:7", exact_exchange=True, always=["short_range"])
    run = select_run(config, output=tmp_path / "run", report=False)
    found = fs.validate(
        run.path, "builtin", work=tmp_path / "work", species=["g2_H"], finalists=2, baselines=["none"], basis="sto-3g",
        density_fit="none", grid="(20,50)", start="atoms",
    )  # fmt: skip
    assert found.complete
    fractions = [f["hybrid"]["short_range"] for f in found.functionals.values()]
    assert fractions[0] == run.best.hybrid.short_range
    # the finalist has its own fraction, not the winner's
    assert fractions[1] in [fs.Functional.from_dict(m["functional"]).hybrid.short_range for m in run.members]
    assert fractions[1] != fractions[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": "7:5"}, "expected numbers of terms"),
        ({"sizes": "5:70"}, "cannot choose"),
        ({"criteria": ["test"]}, "criteria"),
        ({"scales": ["x.h = 1"]}, "no term has the scale"),
        ({"terms": ["x = u(x2, g)"]}, "has no number"),
        ({"reference": "wb97m_v"}, "needs a ridge"),
        ({"nothing": 1}, "no option"),
        ({"sizes": 6.5}, "expected whole numbers"),
        ({"sizes": [True]}, "expected whole numbers"),
        ({"sizes": []}, "expected numbers of terms"),
        ({"terms": 5}, "expected a list of names"),
        ({"always": [5]}, "expected a list of names"),
        ({"dataset": 5}, "expected text"),
        ({"terms": ["c = w"]}, 'not of "c"'),
        ({"terms": ["x = 1; ; w"]}, 'nothing stands between two ";"'),
        ({"terms": ["y = 1"]}, 'terms are of channel x, css, cos, not of "y"'),
        ({"always": ["x: w**9"]}, "is no term of the library"),
        ({"always": ["x: 1"], "never": ["x: 1"]}, "contradict each other"),
        ({"groups": ["x: 1"]}, "two terms or more"),
        ({"heredity": ["x: 1 needs x: w"]}, "TERM only with TERM"),
        ({"constraints": ["f_x < 2"]}, "is not understood"),
        ({"terms": ["x = log(w)"]}, "is not finite everywhere"),
        ({"terms": ["x = u(x2, g)"], "sizes": 1, "scales": ["x.g = nan"]}, "expected CHANNEL.NAME = NUMBERS"),
        ({"terms": ["x = log(g)*w"], "sizes": 1, "scales": ["x.g = 2 -1"]}, "is not finite everywhere"),
        ({"frame": "nothing"}, "not registered"),
        ({"quadrature": "nothing"}, "is not there"),
        ({"reference": "wb97m_v", "ridge": 1}, "no sum of the library's terms"),
        ({"criteria": ["cross_validation"], "keep_subsets": ["*"]}, "at least two subsets"),
    ],
)
def test_wrong_options_are_one_sentence_and_leave_nothing(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        select_run(small(**changes), output=tmp_path / "run", report=False)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())  # so that the right command may use the name


@pytest.mark.parametrize("sizes", [6, np.int64(6), "6", (6,), np.array([6]), range(6, 7)])
def test_sizes_as_numbers_in_python(sizes: Any) -> None:
    assert small(sizes=sizes).numbers == [6]


def test_lists_and_data_as_python_has_them() -> None:
    config = SelectConfig(terms=tuple(TERMS), criteria="train", dataset=fs.Dataset.open("builtin"))  # type: ignore[arg-type]
    assert config.criteria == ("train",)
    assert config.dataset == "builtin"


def test_conditions_that_nothing_meets(tmp_path: Path) -> None:
    config = small(constraints=["f_css(x2=0, w=0) = 1", "2 <= f_css(x2=0, w=0)"], sizes="4")
    with pytest.raises(InputError, match="no coefficients of the terms meet all conditions"):
        select_run(config, output=tmp_path / "run", report=False)
    assert not list(tmp_path.iterdir())


def test_sizes_without_a_subset_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two terms that go together, and one that goes alone: two of one channel cannot be had with a second group."""
    groups = ["x: 1; css: 1", "cos: 1; cos: w"]
    config = small(terms=["x = 1", "css = 1", "cos = 1; w"], groups=groups, sizes="2:4")
    run = select_run(config, output=tmp_path / "run", report=False)
    assert [r["size"] for r in run.summary["selection"]] == [2, 4]
    assert main(["show", str(run.path)]) == 0
    assert "3 terms by train: no subset of independent terms keeps the rules" in capsys.readouterr().out
