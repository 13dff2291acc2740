"""The lock of a run: real processes, real kills; other machines and file systems without flock are made believe."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fastsfes import FastsfesError, InputError
from fastsfes.common.runfolder import LOCK
from fastsfes.run import lock as runlock
from fastsfes.run.lock import RunLock

HOLD = """
import sys, time
from pathlib import Path
from fastsfes.run.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runlock, "LEASE", 1.5)
    monkeypatch.setattr(runlock, "BEAT", 0.2)


def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that knows no locks."""

    def unsupported(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", unsupported)


def record(path: Path, **changes: Any) -> None:
    """Leave the record of an owner in the run directory."""
    owner = {**runlock._identity(), "token": "other", "beats": 7, **changes}
    (path / LOCK).write_bytes(json.dumps(owner).encode().ljust(1024))


def hold(path: Path) -> subprocess.Popen[str]:
    owner = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "locked\n"
    return owner


@pytest.mark.parametrize("flock", [True, False])
def test_a_living_owner_is_named_and_a_killed_one_holds_nothing(
    flock: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold(tmp_path) as owner:
        if not flock:
            no_flock(monkeypatch)
        with pytest.raises(InputError, match=f"process {owner.pid} on .* works on this run.*--resume {tmp_path}"):
            RunLock(tmp_path).__enter__()
        owner.kill()
        owner.wait()
        assert (tmp_path / LOCK).stat().st_size > 0  # it had no time to tidy up
        with RunLock(tmp_path) as lock:
            lock.check()
    assert (tmp_path / LOCK).stat().st_size == 0


def test_a_second_lock_in_one_process_is_refused(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(InputError, match="works on this run"):
        RunLock(tmp_path).__enter__()
    with RunLock(tmp_path):
        pass


@pytest.mark.parametrize("flock", [True, False])
def test_an_owner_elsewhere_that_is_silent_is_dead(
    flock: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not flock:
        no_flock(monkeypatch)
    record(tmp_path, host="elsewhere")
    said: list[str] = []
    with RunLock(tmp_path, said.append):
        pass
    assert len(said) == 1
    assert "waiting up to 1.5 s to see whether process" in said[0]


def test_an_owner_elsewhere_that_gives_signs_of_life_is_not(tmp_path: Path) -> None:
    record(tmp_path, host="elsewhere", pid=17, job="4711")

    def beat(text: str) -> None:
        record(tmp_path, host="elsewhere", pid=17, job="4711", beats=8)

    with pytest.raises(InputError, match="process 17 on elsewhere, Slurm job 4711 works on this run"):
        RunLock(tmp_path, beat).__enter__()
    assert json.loads((tmp_path / LOCK).read_bytes())["token"] == "other"


@pytest.mark.parametrize(
    "changes", [{"boot": "earlier"}, {"pid": 2**22 + 1, "started": "1"}, {"started": "1"}], ids=["boot", "pid", "start"]
)
def test_dead_owners_on_this_machine_are_recognised_without_flock(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebooted, ended, or its number given to another process."""
    no_flock(monkeypatch)
    record(tmp_path, **changes)
    with RunLock(tmp_path, pytest.fail):
        pass


def test_a_requeued_job_takes_its_own_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    record(tmp_path, host="elsewhere", restarts="0")
    with RunLock(tmp_path, pytest.fail):
        pass


@pytest.mark.parametrize("text", [b"", b"\0\0\0", b"[]", b'{"host": ', b"\xff"])
def test_a_damaged_record_is_no_owner(text: bytes, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_bytes(text)
    with RunLock(tmp_path, pytest.fail) as lock:
        lock.check()


def test_signs_of_life_are_given_and_a_lost_lock_is_noticed(tmp_path: Path) -> None:
    with RunLock(tmp_path) as lock:
        first = json.loads((tmp_path / LOCK).read_bytes())
        deadline = time.monotonic() + 30
        while json.loads((tmp_path / LOCK).read_bytes())["beats"] == first["beats"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        record(tmp_path, host="elsewhere", pid=99)
        time.sleep(0.5)  # its own beats must not take the lock back
        with pytest.raises(FastsfesError, match="process 99 on elsewhere has taken the run over"):
            lock.check()
    assert json.loads((tmp_path / LOCK).read_bytes())["pid"] == 99


def test_a_directory_that_cannot_be_locked_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FastsfesError, match=r"run\.lock: the run cannot be locked \(No such file"):
        RunLock(tmp_path / "absent").__enter__()
