"""`fastsfes report`: a run as one self-contained HTML page.

`collect` gathers the figures as plain data, `render` draws them; nothing on the page is computed anywhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..common.files import WriteError, user_path, write_output, write_text
from ..common.runfolder import REPORT
from ..run.search import Run
from .data.collect import SAMPLES, Tell, collect
from .embedded import read_report
from .page import render

__all__ = ["collect", "read_report", "render", "write_report"]


def write_report(
    run: Run | str | Path,
    output: str | Path | None = None,
    *,
    dataset: str | None = None,
    level: Literal["none", "quick", "full"] = "quick",
    samples: int = SAMPLES,
    tell: Tell = lambda text: None,
) -> Path:
    """Write the report of a run and return its path.

    Args:
        run: a run or its directory.
        output: the file; default: report.html in the run directory.
        dataset: name or file of the dataset; default: the one of the run's configuration.
        level: of the checks of numerical health; "quick" takes seconds, "full" minutes.
        samples: of the bootstrap, 0 for none.
        tell: hears one line per stage.
    """
    found = run if isinstance(run, Run) else Run(run)
    path = user_path(output) if output is not None else found.path / REPORT
    text = render(collect(found, dataset, level=level, samples=samples, tell=tell))
    try:
        write_text(path, text) if output is None else write_output(path, text)
    except WriteError as error:
        raise WriteError(f"{error}; choose another file with --output") from None
    return path
