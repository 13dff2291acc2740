"""Reading GSCDB138: tables, geometries, splits, and what is refused and why."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gscdb138_archive import FILES, write_archive, xlsx

import fastsfes as fs
from fastsfes.common.reading.xlsx import read_xlsx
from fastsfes.datasets.benchmark import packaged_tables, read_tables, write_tables
from fastsfes.datasets.gscdb138 import Archive, read_gscdb138
from fastsfes.datasets.model import HARTREE_TO_KCAL


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_archive(tmp_path_factory.mktemp("gscdb138"))


def test_folder_and_archive_are_recognised_and_hold_the_same(archives: tuple[Path, Path]) -> None:
    folder, packed = (fs.Dataset.open(path) for path in archives)
    assert folder.reactions == packed.reactions
    assert list(folder.species) == list(packed.species) == ["h", "h2", "h2_far", "he2", "he"]
    assert folder.species["h"].spin == 1
    assert folder.species["h2"].symbols == ("H", "H")
    reaction = folder.reactions[0]
    assert reaction.coefficients == {"h": 2.0, "h2": -1.0}
    assert reaction.reference == 0.17 * HARTREE_TO_KCAL


def test_splits_and_types_are_those_of_mgcdb84_where_it_has_the_set(archives: tuple[Path, Path]) -> None:
    found = {r.subset: (r.data_type, r.split) for r in fs.Dataset.open(archives[0]).reactions}
    assert found == {"AlkAtom19": ("TCE", "train"), "MINE": ("NCED", "test"), "MOR13": ("TCD", "test")}


def test_weights_of_what_is_trained_on_do_not_depend_on_other_sets(archives: tuple[Path, Path], tmp_path: Path) -> None:
    whole = {r.name: r.weight for r in read_gscdb138(archives[0]).reactions}
    tables = FILES["Info/DatasetEval.xlsx"]
    alone = {**FILES, "Info/DatasetEval.xlsx": {**tables, "Sheet1": tables["Sheet1"][:2]}}
    for name, sheets in alone.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(xlsx(sheets))
    (tmp_path / "xyz_files").symlink_to(archives[0] / "xyz_files")
    assert {r.name: r.weight for r in read_gscdb138(tmp_path).reactions} == {"AlkAtom19_1": whole["AlkAtom19_1"]}


def test_fields_and_vibrations_are_dropped_with_the_reason(archives: tuple[Path, Path]) -> None:
    dropped = read_gscdb138(archives[1]).dropped
    assert dropped.keys() == {"OEEF_1", "V30_1"}
    assert "electric field" in dropped["OEEF_1"]
    assert "vibration" in dropped["V30_1"]


def test_tables_come_back_from_the_packaged_form(archives: tuple[Path, Path], tmp_path: Path) -> None:
    tables = read_tables(Archive(archives[0]))
    assert tables.sets["MOR13"].residue == 0.25
    assert tables.reactions[-1].weight == 0.5
    assert next(r for r in tables.reactions if r.set == "V30").step == 0.001
    for name in ("a", "b"):
        write_tables(tables, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_packaged_tables_are_the_published_ones(shared: Path) -> None:
    source = shared / "gscdb138" / "gscdb138.tar.xz"
    if not source.exists():
        pytest.skip("the archive of GSCDB138 is absent")
    archive = Archive(source)
    found, packaged = read_tables(archive), packaged_tables()
    assert packaged.reactions == found.reactions
    assert packaged.published == found.published
    assert len(found.reactions) == 8454
    assert {n: s.standard_error for n, s in found.sets.items() if np.isfinite(s.standard_error)} == {
        n: s.standard_error for n, s in packaged.sets.items() if np.isfinite(s.standard_error)
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("h2", "2\nno header\nH 0 0 0\nH 0 0 1\n", "line 2: 'no header' holds no charge"),
        ("h2", "2\ncharge=0, multiplicity=0\nH 0 0 0\nH 0 0 1\n", "multiplicity 0 must be at least 1"),
        ("h2", "3\ncharge=0, multiplicity=1\nH 0 0 0\nH 0 0 1\n", "announces 3 atoms but 2"),
        ("h2", "2\ncharge=0, multiplicity=1\nH 0 0\nH 0 0 1\n", "line 3: 'H 0 0' is not an atom"),
        ("he", "1\ncharge=0, multiplicity=2\nHe 0 0 0\n", "cannot have 1 unpaired"),
    ],
)
def test_a_damaged_geometry_costs_that_species_alone(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder, _ = write_archive(tmp_path)
    (folder / "xyz_files" / f"{name}.xyz").write_text(text)
    contents = read_gscdb138(folder)
    assert message in contents.missing[name]
    assert len(contents.species) == 4


def test_what_is_no_archive_is_said_in_a_sentence(tmp_path: Path) -> None:
    bad = tmp_path / "x.tar.xz"
    bad.write_bytes(b"not an archive")
    with pytest.raises(fs.InputError, match="cannot be read as a tar archive"):
        fs.Dataset.open(bad)
    with tarfile.open(bad, "w:xz") as archive:
        archive.addfile(tarfile.TarInfo("readme"), io.BytesIO())
    with pytest.raises(fs.InputError, match="holds no Info/"):
        fs.Dataset.open(bad)


def test_workbooks_cells_keep_their_places() -> None:
    data = xlsx({"one": [["a", "", "c"], ["", "2.5"], ["x & <y>"]], "two": [["1"]]})
    assert read_xlsx(data, "book") == [["a", "", "c"], ["", "2.5"], ["x & <y>"]]
    assert read_xlsx(data, "book", "two") == [["1"]]
    with pytest.raises(fs.InputError, match="book: has no sheet 'three'; it has one, two"):
        read_xlsx(data, "book", "three")


def test_hostile_workbooks_are_refused() -> None:
    with pytest.raises(fs.InputError, match="cannot be read as an Excel workbook"):
        read_xlsx(b"PK\x03\x04 nonsense", "book")
    source = io.BytesIO(xlsx({"one": [["1"]]}))
    file = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(file, "w") as new:
        for item in old.namelist():
            content = old.read(item)
            if item == "xl/worksheets/sheet1.xml":
                content = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>' + content
            new.writestr(item, content)
    with pytest.raises(fs.InputError, match="XML entities"):
        read_xlsx(file.getvalue(), "book")
