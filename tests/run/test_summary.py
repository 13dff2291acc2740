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
