"""Ctrl-C in a terminal reaches a command and all its workers: one line, status 130, nothing lost, and it can go on."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fastsfes.datasets.storage import read_summaries
from fastsfes.run.store import RunStore

OPTIONS = ["--islands", "3", "--generations", "2", "--no-report", "--candidates"]


def start(*command: str, options: Sequence[str] = ()) -> tuple[subprocess.Popen[bytes], int]:
    """A command on a terminal of its own; what it writes there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *options, "-m", "fastsfes", *command], stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    os.set_blocking(ours, False)
    return process, ours


def interrupt(process: subprocess.Popen[bytes], terminal: int, ready: Callable[[bytes], bool]) -> tuple[int, str]:
    """Wait until it is at work, press Ctrl-C; returns the status and what came after that."""
    seen, after, sent = b"", b"", False
    deadline = time.monotonic() + 120
    while process.poll() is None:
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(seen)
        time.sleep(0.02)
        try:
            data = os.read(terminal, 65536)
        except (BlockingIOError, OSError):
            data = b""
        seen += data
        after += data if sent else b""
        if not sent and ready(seen):
            os.killpg(process.pid, signal.SIGINT)
            sent = True
    try:
        while data := os.read(terminal, 65536):
            after += data
    except OSError:
        pass
    os.close(terminal)
    assert sent, seen
    return process.returncode, after.decode()


def last_line(text: str) -> str:
    assert "Traceback" not in text
    return text.replace("\r", "\n").strip().splitlines()[-1]


@pytest.mark.parametrize("executor", ["local", "processes"])
def test_search(executor: str, tmp_path: Path) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    options = [*OPTIONS, "1000", "--executor", executor, "--workers", "1"]
    process, terminal = start("search", "--output", str(run), *options)
    status, text = interrupt(process, terminal, lambda seen: b"/1000" in seen and (run / "best.json").exists())
    assert status == 130
    assert last_line(text).endswith(f"what was found is stored; continue with: fastsfes search --resume {run}")
    again = ["search", "--resume", str(run), "--no-report", "--executor", "local"]
    for command in (again, ["search", "--output", str(whole), *OPTIONS, "1000"]):
        subprocess.run([sys.executable, "-m", "fastsfes", *command], check=True, capture_output=True)
    found = []
    for path in (run, whole):
        with RunStore.open(path / "history.sqlite", read_only=True) as store:
            found.append(
                (store.candidates.execute("SELECT * FROM candidates ORDER BY 1, 2").fetchall(), store.states())
            )
    assert found[0] == found[1]


def test_fit(tmp_path: Path) -> None:
    output = tmp_path / "fitted.json"
    command = ["fit", "wb97m_v", "--optimizer", "cma", "--max-evaluations", "1000000", "--output", str(output)]
    # It tells of its imports, and that of CMA-ES is the last before seconds of work: Python may lose an interrupt that
    # comes in the middle of one.
    process, terminal = start(*command, options=("-X", "importtime"))
    status, text = interrupt(process, terminal, lambda seen: b" cma\r" in seen)
    assert status == 130
    assert last_line(text) == "fastsfes: interrupted; what is finished is kept"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("processes", ["1", "2"])
def test_dataset_build(processes: str, tmp_path: Path) -> None:
    folder, output = tmp_path / "own", tmp_path / "own.h5"
    (folder / "geometries").mkdir(parents=True)
    lines = ["name,reaction,reference_kcal"]
    for i in range(12):
        other = (i + 1) % 12
        distance = 0.7 + 0.01 * i
        (folder / "geometries" / f"H2_{i}.xyz").write_text(f"2\n0 1\nH 0 0 0\nH 0 0 {distance:.2f}\n")
        lines.append(f"r{i},-1 H2_{i}; 1 H2_{other},0")
    (folder / "reactions.csv").write_text("\n".join(lines) + "\n")
    command = ["dataset", "build", str(folder), "--output", str(output), "--xc", "pbe0", "--basis", "sto-3g",
               "--grid", "(20,50)", "--processes", processes]  # fmt: skip
    process, terminal = start(*command)
    work = lambda: list(tmp_path.glob("own.h5*/**/*.h5"))  # noqa: E731
    status, text = interrupt(process, terminal, lambda _: len(work()) >= 2)
    assert status == 130
    assert last_line(text) == "fastsfes: interrupted; what is finished is kept"
    done = subprocess.run([sys.executable, "-m", "fastsfes", *command], capture_output=True, text=True, check=True)
    assert " 0 found in the work folder" not in done.stdout + done.stderr
    summaries, problems = read_summaries(output)
    assert len(summaries) == 12
    assert not problems


def test_work_on_a_hostile_formula() -> None:
    """Hundreds of terms with tied parameters: its normal form takes minutes, and an interrupt ends it."""
    code = """
import signal
from fastsfes.formula.normal_form import normal
text = " + ".join(f"exp(p{k % 40}*p{(k + 1) % 40}*w*{k + 1})" for k in range(800))
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.5)
try:
    normal(text)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)
    assert done.stdout == "interrupted\n"
