"""The table at the end of a search."""

import fastsfes as fs
from fastsfes.run.summary import format_run

ERRORS = {"train": 1.0, "validation": 2.0, "test": 3.0}


def test_the_table_says_in_which_frame_its_functionals_are() -> None:
    report = {
        "unit": "WRMSD in kcal/mol",
        "dataset": "own",
        "rows": [{"name": "LDA", "parameters": 0, **ERRORS}],
        "grid": {"name": "LDA", "parameters": 0, **ERRORS},
        "largest_difference": 0.0,
    }
    summary = {"report": report, "complete": True, "candidates": 1, "fitted": 1, "seconds": 1.0}
    lda = fs.get_functional("lda")
    assert "WRMSD in kcal/mol on own, on the full integration grid\n" in format_run(lda, summary, "run")
    report["frame"] = "wb97m_v"
    assert "on the full integration grid; all in the frame of wb97m_v\n" in format_run(lda, summary, "run")


def test_figures_of_the_grid_stand_first() -> None:
    """What a search saw on the nodes stands below; without densities it is said what was not looked at."""
    grid = {"train": 11.5, "validation": 9.5, "test": 10.5}
    report = {
        "unit": "WRMSD in kcal/mol",
        "dataset": "own",
        "rows": [{"name": "mine", "parameters": 2, **ERRORS, "grid": grid}],
        "grid": {"name": "mine", "parameters": 2, **grid},
        "largest_difference": 17.0,
    }
    summary = {"report": report, "complete": True, "candidates": 1, "fitted": 1, "seconds": 1.0}
    lines = format_run(fs.get_functional("lda"), summary, "run").splitlines()
    (first,) = [k for k, line in enumerate(lines) if line.split()[:1] == ["mine"]]
    assert lines[first].split()[1:] == ["2", "11.5000", "9.5000", "10.5000"]
    assert lines[first + 1].split("search")[1].split()[-3:] == ["1.0000", "2.0000", "3.0000"]
    assert "quadrature against full grid: largest difference 17 kcal/mol" in lines
    report |= {"grid": None, "largest_difference": None, "grids": {"change": 0.25, "where": "r", "to": "level 5"}}
    del report["rows"][0]["grid"]
    text = format_run(fs.get_functional("lda"), summary, "run")
    assert "not checked on a grid: the dataset is folded and holds no densities" in text
    assert "changes by at most 0.25 kcal/mol (r) from the grid of the densities to level 5" in text
