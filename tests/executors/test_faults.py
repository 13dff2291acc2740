"""Runs survive: whatever dies, is full, is missing or stalls, the end is that of the undisturbed run, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import runs
from clusters import environment, wait_until


def command(path: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "runs", str(path), *options]


def start(path: Path, *options: str, **variables: str) -> subprocess.Popen[str]:
    """A coordinator in a session of its own, so that a kill of the session is a kill of the whole job."""
    return subprocess.Popen(
        command(path, *options), env=environment(**variables), stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(path: Path, *options: str, **variables: str) -> str:
    """Run the search to its end; returns what it said."""
    done = subprocess.run(command(path, *options), env=environment(**variables), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def rounds(path: Path) -> int:
    if not (path / "history.sqlite").is_file():
        return 0
    tables = dict(runs.contents(path))
    return max((row[1] for row in tables["states"]), default=0)


def workers(session: int) -> list[int]:
    """Worker processes that run in a session, by their names and parents in /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z" and b"spawn_main" in line:
            found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    path = tmp_path_factory.mktemp("undisturbed") / "run"
    finish(path)
    found = runs.contents(path)
    assert rounds(path) > 5
    return found


def test_a_worker_is_killed_in_mid_epoch(undisturbed: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    with start(path, "--executor", "processes", "--workers", "2", FASTSFES_TEST_DELAY="0.1") as job:
        wait_until(lambda: rounds(path) >= 1, "a round")
        victims = workers(job.pid)
        assert len(victims) == 2
        for victim in victims:  # one after the other, so that both replacements are seen
            os.kill(victim, signal.SIGKILL)
            time.sleep(0.2)
        _, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors
    assert errors.count("was ended by SIGKILL (is there enough memory?); its task is run again") == 2
    assert runs.contents(path) == undisturbed


def test_a_worker_stalls(undisturbed: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    options = ["--executor", "processes", "--workers", "2", "--timeout", "8"]
    with start(path, *options, FASTSFES_TEST_DELAY="0.05") as job:
        wait_until(lambda: rounds(path) >= 1, "a round")
        os.kill(workers(job.pid)[0], signal.SIGSTOP)
        _, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors
    assert "gave no answer for 8 s; its task is run again" in errors
    assert runs.contents(path) == undisturbed


def kill_and_resume(path: Path, kills: int, seed: int, executor: list[str]) -> None:
    """Kill the coordinator or the whole job at random moments, again and again; then let it come to its end."""
    random_ = random.Random(seed)
    for _ in range(kills):
        began = rounds(path)
        job = start(path, *executor, FASTSFES_TEST_DELAY="0.1")
        if random_.random() < 0.8:  # the others die while they start
            wait_until(lambda began=began: rounds(path) > began, "a round")
            time.sleep(random_.uniform(0.0, 0.5))
        else:
            time.sleep(random_.uniform(0.0, 2.0))
        if random_.random() < 0.5:
            os.kill(job.pid, signal.SIGKILL)
        else:
            os.killpg(job.pid, signal.SIGKILL)
        job.communicate()
        wait_until(lambda pid=job.pid: not workers(pid), "the end of the workers of a killed coordinator", 30)
    finish(path, *executor)


@pytest.mark.parametrize("executor", [[], ["--executor", "processes", "--workers", "2"]], ids=["local", "processes"])
def test_jobs_are_killed_at_random_moments(executor: list[str], undisturbed: list[Any], tmp_path: Path) -> None:
    kill_and_resume(tmp_path / "run", 2, len(executor), executor)
    assert runs.contents(tmp_path / "run") == undisturbed


@pytest.mark.slow
def test_jobs_are_killed_twenty_times(undisturbed: list[Any], tmp_path: Path) -> None:
    for seed in range(5):
        path = tmp_path / f"run{seed}"
        kill_and_resume(path, 4, seed, ["--executor", "processes", "--workers", "2"])
        assert runs.contents(path) == undisturbed


LIMITED = ["sh", "-c", 'ulimit -S -f 117; exec "$@"', "sh"]
"""Runs a command that may write no file beyond 60 kB (117 blocks of 512 bytes): as a full disk, for any user. Python
makes the signal an error. A shell sets the limit, since nothing may run between fork and exec where threads are."""


def test_files_cannot_grow(undisturbed: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    job = subprocess.run([*LIMITED, *command(path)], env=environment(), capture_output=True, text=True)
    assert job.returncode == 1
    assert "cannot be written" in job.stderr
    assert "Traceback" not in job.stderr
    stored = rounds(path)
    finish(path)
    assert rounds(path) > stored
    assert runs.contents(path) == undisturbed


def test_a_full_disk(undisturbed: list[Any], small_disk: Callable[[str], Path]) -> None:
    path = small_disk("size=100k") / "run"
    job = subprocess.run(command(path), env=environment(), capture_output=True, text=True)
    assert job.returncode == 1
    assert "cannot be written" in job.stderr
    assert "Traceback" not in job.stderr
    small_disk("size=10m")
    finish(path)
    assert runs.contents(path) == undisturbed


FEW = ["--candidates", "40"]
"""With compiled kernels: compilation takes its time."""


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    path = tmp_path_factory.mktemp("few") / "run"
    finish(path, *FEW, FASTSFES_BACKEND="interpreter")
    return runs.contents(path)


def test_a_read_only_cache(few: list[Any], small_disk: Callable[[str], Path], tmp_path: Path) -> None:
    cache = small_disk("size=1m")
    small_disk("ro")
    options = [*FEW, "--executor", "processes", "--workers", "1"]
    finish(tmp_path / "run", *options, FASTSFES_BACKEND="compiled", FASTSFES_CACHE_DIR=str(cache))
    assert runs.contents(tmp_path / "run") == few


def test_workers_without_a_compiler(few: list[Any], tmp_path: Path) -> None:
    """One clear warning per process, and the interpreter gives the same numbers."""
    options = [*FEW, "--executor", "processes", "--workers", "1"]
    variables = {
        "FASTSFES_BACKEND": "compiled",
        "FASTSFES_CACHE_DIR": str(tmp_path / "cache"),
        "PATH": str(tmp_path / "empty"),
        "CXX": "",
    }
    said = finish(tmp_path / "run", *options, **variables)
    assert said.count("RuntimeWarning") == 2  # the coordinator's and the worker's
    assert "expressions are interpreted" in said
    assert runs.contents(tmp_path / "run") == few


def test_workers_of_other_processors_share_a_cache(few: list[Any], tmp_path: Path) -> None:
    """The kernels of one instruction set are never loaded on another, and all give the same bits."""
    cache = tmp_path / "cache"
    options = [*FEW, "--executor", "processes", "--workers", "1"]
    counts = []
    for isa in ("avx512", "generic", "avx2"):
        variables = {"FASTSFES_BACKEND": "compiled", "FASTSFES_CACHE_DIR": str(cache), "FASTSFES_ISA": isa}
        finish(tmp_path / isa, *options, **variables)
        assert runs.contents(tmp_path / isa) == few
        counts.append(len(list((cache / "kernels").iterdir())))
    assert counts[0] < counts[1]


def test_a_second_submission_is_refused(undisturbed: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    with start(path, FASTSFES_TEST_DELAY="0.3") as job:
        wait_until(lambda: rounds(path) >= 1, "a round")
        second = subprocess.run(command(path), env=environment(), capture_output=True, text=True)
        assert second.returncode == 1
        assert f"process {job.pid} on" in second.stderr
        assert "works on this run" in second.stderr
        job.kill()
        job.communicate()
    finish(path)  # at once: the dead process holds nothing
    assert runs.contents(path) == undisturbed


def test_many_submissions_at_once_make_one_run(undisturbed: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "run"
    jobs = [start(path, FASTSFES_TEST_DELAY="0.05") for _ in range(3)]
    ends = []
    for job in jobs:
        _, errors = job.communicate(timeout=120)
        ends.append(job.returncode)
        assert job.returncode == 0 or "works on this run" in errors or "exists already" in errors
    assert 0 in ends
    assert runs.contents(path) == undisturbed
