"""Parameters with few digits: what they cost, that none could lose another, and what is printed of them."""

from __future__ import annotations

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.analysis.rounding import MOST_DIGITS, RoundedParameters, decimal, round_parameters, with_uncertainty
from fastsfes.cli import main
from fastsfes.datasets import Dataset

FORM = (
    "x = c0 + c1*u(x2, g) + c2*w; css = c0 + c1*w; cos = c0 + c1*w**2;"
    "x.c0 = 0.85; x.c1 = 0.9; x.c2 = 0.2; x.g = 0.004; css.c0 = 0.5; css.c1 = -1; cos.c0 = 1; cos.c1 = 1"
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return fs.Dataset.open("builtin")


@pytest.fixture(scope="module")
def fitted(dataset: Dataset) -> fs.Functional:
    return fs.fit(FORM, dataset, starts=1).functional


@pytest.fixture(scope="module")
def rounded(fitted: fs.Functional, dataset: Dataset) -> RoundedParameters:
    return fs.round_parameters(fitted, dataset)


def significant(value: float) -> int:
    """Digits of the shortest text that reads back as the number."""
    return len(np.format_float_scientific(value, trim="-").partition("e")[0].replace("-", "").replace(".", ""))


def losses(functional: fs.Functional, dataset: Dataset) -> dict[str, float]:
    return {s: fs.wrmsd(functional, dataset, s) for s in ("train", "validation")}


def test_cost_is_below_the_tolerance(rounded: RoundedParameters, fitted: fs.Functional, dataset: Dataset) -> None:
    """Losses are those of an independent evaluation, on both splits."""
    before, after = losses(fitted, dataset), losses(rounded.functional, dataset)
    for split in before:
        assert rounded.before[split] == pytest.approx(before[split], rel=1e-10)
        assert rounded.after[split] == pytest.approx(after[split], rel=1e-10)
        assert after[split] - before[split] <= 0.01
    assert rounded.cost <= 0.01
    for name, value in rounded.functional.parameters.items():
        assert significant(value) <= rounded.digits[name]
    assert sum(rounded.digits.values()) <= 4 * len(rounded.digits)  # of 17 each


def test_no_parameter_could_lose_another_digit(
    rounded: RoundedParameters, fitted: fs.Functional, dataset: Dataset
) -> None:
    before = losses(fitted, dataset)
    for name, digits in rounded.digits.items():
        if digits == 1:
            continue
        shorter = float(f"{rounded.functional.parameters[name]:.{digits - 2}e}")
        after = losses(rounded.functional.with_parameters({name: shorter}), dataset)
        assert max(after[s] - before[s] for s in before) > 0.01, name


def test_a_smaller_tolerance_keeps_more_digits(
    rounded: RoundedParameters, fitted: fs.Functional, dataset: Dataset
) -> None:
    finer = round_parameters(fitted, dataset, tolerance=1e-6)
    assert finer.cost <= 1e-6
    assert sum(finer.digits.values()) > sum(rounded.digits.values())


def test_chosen_digits_and_fixed_parameters(fitted: fs.Functional, dataset: Dataset) -> None:
    made = round_parameters(fitted, dataset, digits=3, fixed=["css.*"])
    for name, value in made.functional.parameters.items():
        if name.startswith("css."):
            assert value == fitted.parameters[name]
            assert made.digits[name] == MOST_DIGITS
        else:
            assert significant(value) <= 3 == made.digits[name]
    assert round_parameters(fitted, dataset, digits=17).functional.parameters == fitted.parameters


def test_conditions_are_met_as_before(dataset: Dataset) -> None:
    """The uniform-gas limit is an equation of two parameters: it holds with few digits too."""
    made = fs.fit(FORM.replace("c2*w", "c2*w + d", 1) + "; x.d = 0", dataset, starts=1, constraints=["uniform_gas"])
    found = round_parameters(made.functional, dataset, constraints=["uniform_gas"])
    origin = {"x2": [0.0], "w": [0.0]}
    for kind, limit in (("x", 0.85), ("css", 1.0), ("cos", 1.0)):
        value = found.functional.channels[kind].evaluate({k: np.array(v) for k, v in origin.items()})
        exact = made.functional.channels[kind].evaluate({k: np.array(v) for k, v in origin.items()})
        assert abs(np.ravel(value)[0] - np.ravel(exact)[0]) <= 2e-9, (kind, limit)


def test_numbers_as_people_write_them() -> None:
    assert decimal(0.85312, 3) == "0.853"
    assert decimal(-1234.5, 2) == "-1200"
    assert decimal(1.0e-7, 2) == "1.0e-7"
    assert decimal(2.5e9, 2) == "2.5e9"
    assert decimal(0.0, 3) == "0"
    assert decimal(0.1, 17) == "0.1"
    assert with_uncertainty("0.853", 0.0123) == "0.853 ± 0.012"
    assert with_uncertainty("0.853", float("inf")) == "0.853 (not determined)"
    assert with_uncertainty("0.853", None) == "0.853"


def test_wrong_arguments(fitted: fs.Functional, dataset: Dataset) -> None:
    with pytest.raises(fs.InputError, match="tolerance is 0"):
        round_parameters(fitted, dataset, tolerance=0.0)
    with pytest.raises(fs.InputError, match="digits is 18"):
        round_parameters(fitted, dataset, digits=18)


def test_show_prints_few_digits(tmp_path, capsys) -> None:
    """All digits stay in the files; the text is made once."""
    folder = tmp_path / "run"
    fs.search(fs.SearchConfig.make("quickstart", candidates=96, seed=3), output=folder)
    capsys.readouterr()
    assert main(["show", str(folder)]) == 0
    first = capsys.readouterr().out
    assert " ± " in first
    assert (folder / "rounded.json").is_file()
    assert main(["show", str(folder)]) == 0
    assert capsys.readouterr().out == first
    assert main(["show", str(folder), "--digits", "17"]) == 0
    exact = capsys.readouterr().out
    for value in fs.load(folder).parameters.values():
        assert repr(value) in exact
    (folder / "rounded.json").write_text('{"digest": 1, "texts": [], "note": 3}')  # what is damaged is made again
    assert main(["show", str(folder)]) == 0
    assert capsys.readouterr().out == first
    assert main(["show", str(folder), "--latex"]) == 0
    assert "\\begin{tabular}" in capsys.readouterr().out
