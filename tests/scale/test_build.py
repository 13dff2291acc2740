"""Density builds in parts, on executors, and stopped: the same files as from one undisturbed build."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from fastsfes import Dataset, InputError
from fastsfes.cli import main
from fastsfes.densities import Job, ScfSettings, build_densities

QUICK = ["--xc", "pbe0", "--basis", "sto-3g", "--grid", "(20,50)", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dissociations of stretched hydrogen molecules: 13 different species."""
    made = tmp_path_factory.mktemp("plain") / "own"
    (made / "geometries").mkdir(parents=True)
    lines = ["name,reaction,reference_kcal,split"]
    (made / "geometries" / "H.xyz").write_text("1\n0 2\nH 0 0 0\n")
    for i in range(12):
        (made / "geometries" / f"H2_{i}.xyz").write_text(f"2\n0 1\nH 0 0 0\nH 0 0 {0.7 + 0.02 * i:.2f}\n")
        split = ("train", "validation", "test")[i % 3]
        lines.append(f"r{i},-1 H2_{i}; 2 H,{100 + i},{split}")
    (made / "reactions.csv").write_text("\n".join(lines) + "\n")
    return made


def numbers(path: Path) -> dict[str, tuple[float, bytes]]:
    """Energies and orbitals of every species of a dataset file, exactly."""
    with h5py.File(path, "r") as file:
        return {
            name: (float(group.attrs["e_tot"]), np.asarray(group["mo_coeff"]).tobytes())
            for name, group in file["species"].items()
        }


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float, bytes]]:
    output = tmp_path_factory.mktemp("whole") / "own.h5"
    assert main(["dataset", "build", str(folder), "--output", str(output), *QUICK]) == 0
    found = numbers(output)
    assert len(found) == 13
    return found


def test_shards_are_disjoint_and_one_writer_collects_them(
    folder: Path, undisturbed: dict[str, tuple[float, bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "own.h5"
    command = ["dataset", "build", str(folder), "--output", str(output), *QUICK]
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
    assert numbers(output) == undisturbed
    assert len(Dataset.open(output).available) == 12


def test_the_collector_computes_what_a_lost_shard_did_not(
    folder: Path, undisturbed: dict[str, tuple[float, bytes]], tmp_path: Path
) -> None:
    output = tmp_path / "own.h5"
    command = ["dataset", "build", str(folder), "--output", str(output), *QUICK]
    assert main([*command, "--shard", "2/3"]) == 0
    assert main([*command, "--processes", "2"]) == 0
    assert numbers(output) == undisturbed


@pytest.mark.parametrize("wrong", ["0/3", "4/3", "1/0"])
def test_shards_that_do_not_exist(wrong: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "build", str(folder), "--output", str(tmp_path / "o.h5"), *QUICK, "--shard", wrong]) == 2
    assert "expected I/N with I from 1 to N" in capsys.readouterr().err
    assert main(["dataset", "build", str(folder), "--output", str(tmp_path / "o.h5"), *QUICK, "--shard", "half"]) == 2


def test_an_unknown_executor(folder: Path, tmp_path: Path) -> None:
    job = Job("H", ("H",), np.zeros((1, 3)), 0, 1, ScfSettings())
    with pytest.raises(InputError, match="expected local, processes"):
        build_densities([job], tmp_path, executor="cluster")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGUSR1, 75), (signal.SIGTERM, 143)])
def test_a_stopped_build_goes_on_where_it_was(
    number: signal.Signals, status: int, folder: Path, undisturbed: dict[str, tuple[float, bytes]], tmp_path: Path
) -> None:
    output, work = tmp_path / "own.h5", tmp_path / "own.h5.work"
    command = [sys.executable, "-m", "fastsfes", "dataset", "build", str(folder), "--output", str(output), *QUICK]
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
    assert numbers(output) == undisturbed
