import json
import re
import shutil
import subprocess
import sys

import pytest
from hydrogens import small_contents

from fastsfes import Dataset
from fastsfes.cli import main
from fastsfes.datasets.plain import write_plain

BUILD = ["--xc", "pbe0", "--basis", "sto-3g", "--grid", "(20,50)"]


@pytest.fixture
def folder(tmp_path):
    contents = small_contents()
    reactions = tuple(r for r in contents.reactions if "gone" not in r.coefficients)
    write_plain(tmp_path / "own", type(contents)("own", contents.species, reactions))
    return tmp_path / "own"


def test_info_of_the_packaged_dataset(capsys):
    assert main(["dataset", "info", "builtin"]) == 0
    out = capsys.readouterr().out
    assert "reactions   77, of which 77 can be evaluated" in out
    assert "10.1063/1.473182" in out


def test_a_build_that_nobody_can_compute_leaves_nothing(folder, tmp_path, capsys):
    output = tmp_path / "out" / "own.h5"
    output.parent.mkdir()
    assert main(["dataset", "build", str(folder), "--output", str(output), "--executor", "nobody", *BUILD]) == 2
    assert 'executor "nobody" is unknown' in capsys.readouterr().err
    assert not list(output.parent.iterdir())


def test_info_as_json_says_what_is_missing_and_why(small_file, capsys):
    assert main(["dataset", "info", str(small_file), "--json", "--verify"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["reactions"] == 4
    assert document["available"] == 3
    assert document["missing"] == {"gone": "no file gone.xyz"}
    assert document["damaged"] == {}
    common = {"data_type": "ID", "split": "test", "reactions": 1}
    assert document["subsets"] == [
        {**common, "data_type": "TCE", "split": "train", "subset": "dissociation", "available": 1, "missing": {}},
        {**common, "data_type": "TCE", "split": "validation", "subset": "dissociation", "available": 1, "missing": {}},
        {**common, "subset": "lost", "available": 0, "missing": {"no geometry": ["gone"]}},
        {**common, "subset": "stretch", "available": 1, "missing": {}},
    ]
    assert main(["dataset", "info", str(small_file)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^test +ID +lost +1 +0  1 no geometry$", text, re.MULTILINE)
    assert re.search(r"^test +ID +stretch +1 +1$", text, re.MULTILINE)
    assert "  gone: no file gone.xyz" in text


def test_info_verify_reports_damage_with_status_1(small_file, tmp_path, capsys):
    import h5py

    path = tmp_path / "damaged.h5"
    shutil.copyfile(small_file, path)
    with h5py.File(path, "r+") as file:
        file["species/H2/mo_coeff"][0, 0] = float("nan")
    assert main(["dataset", "info", str(path), "--verify"]) == 1
    captured = capsys.readouterr()
    assert "density of 'H2': mo_coeff holds NaN or infinity" in captured.err
    assert captured.err.count("\n") == 1


def test_build_and_build_again(folder, tmp_path, capsys):
    output = tmp_path / "own.h5"
    command = ["dataset", "build", str(folder), "--output", str(output), *BUILD]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert "[3/3]" in first
    assert "4 species with densities (3 computed, 0 found in the work folder, 0 unconverged, 0 failed)" in first
    assert main([*command, "--quiet"]) == 0
    assert "(0 computed, 3 found" in capsys.readouterr().out
    assert len(Dataset.open(output).available) == 3


def test_build_from_a_dataset_file_with_other_settings_and_one_split(small_file, tmp_path):
    output = tmp_path / "hf.h5"
    command = ["dataset", "build", str(small_file), "--output", str(output), "--split", "train", *BUILD]
    assert main([*command, "--xc", "pbe", "--quiet"]) == 0
    dataset = Dataset.open(output)
    assert [r.name for r in dataset.available] == ["a"]
    assert dataset.attributes("H2")["xc"] == "pbe"


def test_build_of_some_species(small_file, tmp_path, capsys):
    names, output = tmp_path / "names.txt", tmp_path / "some.h5"
    names.write_text("# the molecule\nH2\n\n")
    command = ["dataset", "build", str(small_file), "--output", str(output), "--quiet", "--species", str(names), *BUILD]
    assert main(command) == 0
    dataset = Dataset.open(output)
    assert dataset.density_names == ("H2",)
    assert len(dataset.contents.reactions) == len(Dataset.open(small_file).contents.reactions)
    names.write_text("H3\n")
    assert main(command) == 2
    assert "has a species 'H3'; did you mean 'H'?" in capsys.readouterr().err


def test_an_unconverged_species_gives_status_1_and_is_not_used(tmp_path, capsys):
    (tmp_path / "own" / "geometries").mkdir(parents=True)
    (tmp_path / "own" / "reactions.csv").write_text("name,reaction,reference_kcal\nx,1 HF,0\ny,1 H,0\n")
    (tmp_path / "own" / "geometries" / "HF.xyz").write_text("2\n0 1\nH 0 0 0\nF 0 0 0.92\n")
    (tmp_path / "own" / "geometries" / "H.xyz").write_text("1\n0 2\nH 0 0 0\n")
    output = tmp_path / "own.h5"
    command = ["dataset", "build", str(tmp_path / "own"), "--output", str(output), "--quiet", *BUILD]
    assert main([*command, "--max-cycle", "1"]) == 1
    captured = capsys.readouterr()
    assert captured.err == "fastsfes: not converged, will not be used: HF\n"
    dataset = Dataset.open(output)
    assert dataset.density_names == ("H",)
    assert [r.name for r in dataset.split("train")] == ["y"]


@pytest.mark.slow  # reads hundreds of densities; `folder` is read by the tests below
def test_import_of_the_shared_library(mgcdb84, tmp_path, capsys):
    """The real chkfiles and tables, through the command."""
    output = tmp_path / "mgcdb84.h5"
    assert main(["dataset", "import", str(mgcdb84), "--output", str(output)]) == 0
    dataset = Dataset.open(output)
    # The collection grows: what is in it today is written in its own tables.
    tables = json.loads((mgcdb84 / "reference.json").read_text())
    reference = tables["species"]
    files = len(set(json.loads((mgcdb84 / "densities" / "index.json").read_text()).values()))
    assert f"{len(reference)} species with {files} distinct densities, 0 refused" in capsys.readouterr().out
    counts = {split: sum(subsets.values()) for split, subsets in tables["reactions"].items()}
    assert {split: len(dataset.split(split)) for split in counts} == counts
    assert len(dataset.available) == sum(counts.values())
    for name in dataset.density_names:
        energies = dataset.energies(name)
        assert energies.e_tot == reference[name]["e_tot"]
        # Same functional, grid and density; the file and the table differ by the order of a sum.
        assert energies.e_xc_semilocal == pytest.approx(reference[name]["wb97m_v"], abs=1e-11)


def test_import_refuses_a_density_of_another_molecule(tmp_path, folder, capsys):
    from hydrogens import QUICK

    from fastsfes.densities.scf import build_mole, make_mean_field

    (folder / "densities").mkdir()
    mf = make_mean_field(build_mole(("H",), [[0.0, 0.0, 0.0]], 0, 1, "sto-3g"), QUICK)
    mf.chkfile = str(folder / "densities" / "H.chk")
    mf.kernel()
    shutil.copyfile(folder / "densities" / "H.chk", folder / "densities" / "H2.chk")
    (folder / "densities" / "H_again.chk").write_bytes(b"nonsense")
    h2 = make_mean_field(build_mole(("H", "H"), [[0.0, 0.0, 0.0], [0.0, 0.0, 0.75]], 0, 0, "sto-3g"), QUICK)
    h2.chkfile = str(folder / "densities" / "H2_long.chk")
    h2.kernel()
    output = tmp_path / "own.h5"
    options = ["--xc", "pbe0", "--grid", "(20,50)"]
    assert main(["dataset", "import", str(folder), "--output", str(output), *options]) == 1
    captured = capsys.readouterr()
    assert "density of 'H2' holds H, the geometry HH" in captured.err
    assert "H_again.chk: density of 'H_again': not a complete PySCF chkfile" in captured.err
    assert "density of 'H2_long' belongs to another geometry: a distance differs by 0.2500 angstrom" in captured.err
    assert "1 species with 1 distinct densities, 3 refused" in captured.out


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["dataset", "info", "nonesuch.h5"], 2, "nonesuch.h5: no such file or folder"),
        (["dataset", "build", "nonesuch", "--output", "x.h5"], 2, "nonesuch: no such file or folder"),
        (["dataset", "import", "nonesuch", "--output", "x.h5"], 2, "nonesuch: no such folder"),
        (["dataset", "build", "builtin", "--output", "x.h5", "--grid", "fine"], 2, "grid 'fine' is not understood"),
        (["dataset", "build", "builtin", "--output", "x.h5", "--max-atoms", "-1"], 2, "--max-atoms"),
        (["dataset", "build", "builtin", "--output", "x.h5", "--processes", "0"], 2, "processes is 0"),
        (["dataset", "build", "builtin"], 2, "--output"),
        (["dataset", "build", "builtin", "--output", "no/x.h5"], 2, "--output no/x.h5: the folder no does not exist"),
        (["dataset", "import", "nonesuch", "--output", "no/x.h5"], 2, "--output no/x.h5: the folder no does not exist"),
        (
            ["dataset", "build", "builtin", "--output", "x.h5", "--xc", "foo"],
            2,
            "--xc foo: libxc has no functional",
        ),
        (
            ["dataset", "build", "builtin", "--output", "x.h5", "--basis", "foo"],
            2,
            "--basis foo: PySCF has no basis set 'foo'; expected a name on its list",
        ),
        (
            ["dataset", "build", "builtin", "--output", "x.h5", "--density-fit", "foo"],
            2,
            "--density-fit foo: PySCF has no basis set 'foo'; expected a name on its list",
        ),
        (["dataset"], 2, "ACTION"),
        (["dataset", "build", "builtin", "--output", "x.h5", "--stability", "maybe"], 2, 'expected "off" or'),
    ],
)
def test_wrong_arguments(arguments, status, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == status
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "{}", "--output", "{}"],
        ["fold", "{}", "--output", "{}"],
        ["fold", "small", "--output", "{}"],
        ["match", "{}", "--densities", "builtin", "--output", "{}"],
        ["match", "builtin", "--densities", "small", "--output", "{}"],
        ["import", ".", "--grids", "{}", "--output", "{}"],
    ],
)
def test_what_a_command_reads_is_not_overwritten(arguments, small_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FASTSFES_DATA", str(tmp_path))
    path = shutil.copy(small_file, tmp_path / "small.h5")
    before = path.read_bytes()
    assert main(["dataset", *(a.format(path) for a in arguments)]) == 2
    assert "is read by the same command and would be lost; give another name" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_folder_is_no_list_of_species(small_file, tmp_path, capsys):
    command = ["dataset", "build", str(small_file), "--output", str(tmp_path / "x.h5"), "--species", str(tmp_path)]
    assert main(command) == 2
    assert f"{tmp_path}: cannot be read: it is not a regular file" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(small_file):
    code = "import sys; from fastsfes.cli import main; sys.exit(main(['dataset', 'info', sys.argv[1], '--json']))"
    command = [sys.executable, "-c", code, str(small_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_the_installed_command(small_file):
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from fastsfes.cli import main; sys.exit(main())",
            "dataset",
            "info",
            "none.h5",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.startswith("fastsfes: error: none.h5: no such file or folder")
    assert run.stderr.count("\n") == 1
