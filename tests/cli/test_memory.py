"""A limit on memory that leaves too little is one sentence, before anything is loaded or written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("limit", "command"), [(500, ["search", "--executor", "processes"]), (250, ["list"])])
def test_too_little_memory(limit: int, command: list[str], tmp_path: Path) -> None:
    shell = ["sh", "-c", f'ulimit -v {limit * 1024}; exec "$@"', "sh", sys.executable, "-m", "fastsfes", *command]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"fastsfes: error: memory is limited to {limit} MB (ulimit -v); fastsfes needs 600 MB"
    )
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
