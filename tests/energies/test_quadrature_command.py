"""The commands: fastsfes dataset quadrature, fastsfes-bench quadrature."""

import json
import shutil

import pytest

from fastsfes import Dataset, Quadrature
from fastsfes import bench as fastsfes_bench
from fastsfes.cli import main


@pytest.fixture
def file(small_file, tmp_path):
    return shutil.copy(small_file, tmp_path / "small.h5")


def test_build_and_show(file, capsys):
    command = ["dataset", "quadrature", str(file), "--name", "second", "--grid", "level 0", "--channel", "cos"]
    assert main([*command, "--tolerance", "0.1", "--no-reduce"]) == 0
    out, err = capsys.readouterr()
    assert "quadrature second: 6 species, integration grid level 0, tolerance 0.1" in out
    assert "active nodes, largest error" in err
    made = Quadrature.load(Dataset.open(file), "second")
    assert list(made.channels) == ["cos"]
    assert list(made.rule("cos").levels) == ["full"]
    assert main([*command, "--name", "third", "--nodes", "u", "--tolerance", "10"]) == 0
    assert "u:72, order 7" in capsys.readouterr().out
    assert main(["dataset", "quadrature", str(file), "--show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"] == "default"
    assert shown["channels"]["cos"]["levels"]["full"]["largest_error"] < 1.0
    assert main(["dataset", "quadrature", str(file), "--name", "fourth", "--like", "second", "--grid", "level 1"]) == 0
    assert Quadrature.load(Dataset.open(file), "fourth").integration_grid == "level 1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tolerance", "-1"], "must be positive"),
        (["--channel", "q"], 'channel "q" is unknown'),
        (["--grid", "fine"], "grid"),
        (["--show", "--name", "other"], "the file has: default"),
    ],
)
def test_wrong_arguments(file, capsys, options, message):
    assert main(["dataset", "quadrature", str(file), *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("error:") == 1


def test_a_folder_has_no_densities(tmp_path, capsys):
    assert main(["dataset", "quadrature", str(tmp_path / "absent.h5")]) == 2
    assert "absent.h5" in capsys.readouterr().err


def test_the_packaged_file_is_not_rebuilt_by_accident(capsys):
    assert main(["dataset", "quadrature"]) == 2
    assert "name the dataset file" in capsys.readouterr().err


def test_bench(tmp_path, capsys):
    target = tmp_path / "bench.json"
    command = ["quadrature", "--points", "100000", "--threads", "1", "--seconds", "0.05", "--json", str(target)]
    assert fastsfes_bench.main(command) == 0
    text = capsys.readouterr().out
    assert "loss of one parameter vector of wb97m_v" in text
    result = json.loads(target.read_text())
    assert result["build"]["version"]
    by_key = {(item["split"], item["level"]): item for item in result["quadrature"]["loss"]}
    full, reduced = by_key["train", "full"], by_key["train", "reduced"]
    assert reduced["wrmsd"] == pytest.approx(full["wrmsd"], abs=1e-4)
    assert 0 < reduced["seconds"] < full["seconds"]
    assert reduced["times_faster_than_grid"] > 100
    assert result["quadrature"]["full_grid"]["largest_difference"] < 1e-3


def test_bench_with_wrong_arguments(capsys):
    assert fastsfes_bench.main(["quadrature", "--threads", "0"]) == 2
    assert "must be positive" in capsys.readouterr().err
    assert fastsfes_bench.main(["quadrature", "--dataset", "nowhere.h5"]) == 2
    assert fastsfes_bench.main(["speed"]) == 2
