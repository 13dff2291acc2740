"""Density builds in parts, on executors, and stopped: the same files as from one undisturbed build."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builds import QUICK, numbers

from fastsfes import Dataset, InputError
from fastsfes.cli import main
from fastsfes.densities import Job, ScfSettings, build_densities


def test_shards_are_disjoint_and_one_writer_collects_them(
    hydrogens: Path, built: dict[str, tuple[float, bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "own.h5"
    command = ["dataset", "build", str(hydrogens), "--output", str(output), *QUICK]
    computed = []
    for shard in ("3/3", "1/3", "3/3", "2/3"):  # any order, and one of them twice
        assert main([*command, "--shard", shard]) == 0
        out = capsys.readouterr().out
        assert f"shard {shard}:" in out
        computed.append(int(out.split("(")[1].split()[0]))
        assert not output.exists()
    assert sorted(computed) == [0, 4, 4, 5]
    assert main(command) == 0
    assert "(0 computed, 13 found in the work folder" in capsys.readouterr().out
    assert numbers(output) == built
    assert len(Dataset.open(output).available) == 12


def test_the_collector_computes_what_a_lost_shard_did_not(
    hydrogens: Path, built: dict[str, tuple[float, bytes]], tmp_path: Path
) -> None:
    output = tmp_path / "own.h5"
    command = ["dataset", "build", str(hydrogens), "--output", str(output), *QUICK]
    assert main([*command, "--shard", "2/3"]) == 0
    assert main([*command, "--processes", "2"]) == 0
    assert numbers(output) == built


@pytest.mark.parametrize("wrong", ["0/3", "4/3", "1/0"])
def test_shards_that_do_not_exist(
    wrong: str, hydrogens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dataset", "build", str(hydrogens), "--output", str(tmp_path / "o.h5"), *QUICK, "--shard", wrong]) == 2
    assert "expected I/N with I from 1 to N" in capsys.readouterr().err
    assert (
        main(["dataset", "build", str(hydrogens), "--output", str(tmp_path / "o.h5"), *QUICK, "--shard", "half"]) == 2
    )


def test_an_unknown_executor(hydrogens: Path, tmp_path: Path) -> None:
    job = Job("H", ("H",), np.zeros((1, 3)), 0, 1, ScfSettings())
    with pytest.raises(InputError, match="expected local, processes"):
        build_densities([job], tmp_path, executor="cluster")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGUSR1, 75), (signal.SIGTERM, 143)])
def test_a_stopped_build_goes_on_where_it_was(
    number: signal.Signals, status: int, hydrogens: Path, built: dict[str, tuple[float, bytes]], tmp_path: Path
) -> None:
    output, work = tmp_path / "own.h5", tmp_path / "own.h5.work"
    command = [sys.executable, "-m", "fastsfes", "dataset", "build", str(hydrogens), "--output", str(output), *QUICK]
    with subprocess.Popen([*command, "--executor", "processes"], stderr=subprocess.PIPE, text=True) as build:
        deadline = time.monotonic() + 120
        while len(list(work.glob("*.h5"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        build.send_signal(number)
        _, errors = build.communicate(timeout=60)
    assert build.returncode == status
    assert f"stopped by {number.name}; what is finished is kept" in errors
    done = {path.name: path.stat().st_mtime_ns for path in work.glob("*.h5")}
    subprocess.run(command, check=True)
    assert all((work / name).stat().st_mtime_ns == stamp for name, stamp in done.items())
    assert numbers(output) == built
