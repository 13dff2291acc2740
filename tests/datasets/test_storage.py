import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hydrogens import small_contents

from fastsfes import Dataset, FastsfesError, InputError
from fastsfes.datasets.storage import FORMAT, read_contents, update_dataset, write_dataset
from fastsfes.densities import RecordError


@pytest.fixture
def copy(small_file, tmp_path):
    path = tmp_path / "copy.h5"
    shutil.copyfile(small_file, path)
    return path


def damage_bytes(path, dataset):
    """Flip one byte in the middle of the stored chunk of a dataset."""
    with h5py.File(path, "r") as file:
        info = file[dataset].id.get_chunk_info(0)
    with open(path, "r+b") as stream:
        stream.seek(info.byte_offset + info.size // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, 1)
        stream.write(bytes([byte ^ 0xFF]))


def test_contents_survive_a_round_trip_exactly(tmp_path):
    contents = small_contents()
    write_dataset(tmp_path / "plain.h5", contents)
    back = read_contents(tmp_path / "plain.h5")
    assert back.reactions == contents.reactions
    assert dict(back.missing) == dict(contents.missing)
    assert dict(back.dropped) == dict(contents.dropped)
    assert (back.name, back.provenance) == (contents.name, contents.provenance)
    assert list(back.species) == list(contents.species)
    for name, species in contents.species.items():
        assert back.species[name].coordinates.tobytes() == species.coordinates.tobytes()
        assert back.species[name].symbols == species.symbols
        assert (back.species[name].charge, back.species[name].spin) == (species.charge, species.spin)


def test_a_library_without_densities_says_so(tmp_path):
    write_dataset(tmp_path / "plain.h5", small_contents())
    dataset = Dataset.open(tmp_path / "plain.h5")
    assert dataset.available == ()
    assert len(dataset.split("test", available_only=False)) == 2
    assert dataset.info().missing["H2"] == "no density"
    with pytest.raises(InputError, match="'H2': it has no density"):
        dataset.density("H2")
    with pytest.raises(InputError, match="'He': it is not a species of the dataset"):
        dataset.density("He")
    with pytest.raises(InputError, match="split 'exam' is none of train, validation, test"):
        dataset.split("exam")


def test_identical_geometries_share_one_density(small_file):
    dataset = Dataset.open(small_file)
    assert dataset.representative("H_again") == "H"
    assert dataset.representative("H2") == "H2"
    info = dataset.info()
    assert (info.densities, info.distinct) == (4, 3)
    np.testing.assert_array_equal(dataset.density("H").mo_coeff, dataset.density("H_again").mo_coeff)


def test_splits_and_info(small_file):
    dataset = Dataset.open(small_file)
    assert [r.name for r in dataset.split("train")] == ["a"]
    assert [r.name for r in dataset.split("validation")] == ["b"]
    assert [r.name for r in dataset.split("test")] == ["c"]
    assert [r.name for r in dataset.split("test", available_only=False)] == ["c", "d"]
    info = dataset.info()
    assert dict(info.missing) == {"gone": "no file gone.xyz"}
    assert dict(info.settings) == {("pbe0", "sto-3g", "none", "(20,50)", "none"): 4}
    assert dict(info.rungs) == {"diis": 3}
    assert dataset.verify() == {}


def test_densities_are_stored_in_double_precision_bit_for_bit(small_file):
    record = Dataset.open(small_file).density("H2")
    with h5py.File(small_file) as file:
        stored = file["species/H2/mo_coeff"]
        assert stored.dtype == np.float64
        assert stored[()].tobytes() == record.mo_coeff.tobytes()
    assert record.converged
    assert record.density_matrix().shape == (2, 2)


def test_the_summary_agrees_with_the_record(small_file):
    dataset = Dataset.open(small_file)
    for name in dataset.density_names:
        assert dataset.energies(name) == dataset.density(name).energies
        assert dataset.attributes(name)["basis"] == "sto-3g"


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"not HDF5 at all", "not a readable HDF5 file"), (b"", "not a readable HDF5 file")],
)
def test_foreign_files(tmp_path, content, expected):
    path = tmp_path / "foreign.h5"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Dataset.open(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_truncated_file(copy):
    data = copy.read_bytes()
    copy.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        Dataset.open(copy)


def test_an_absent_file_names_the_packaged_datasets(tmp_path):
    with pytest.raises(InputError, match=r"none\.h5: no such file or folder, and no dataset of that name"):
        Dataset.open(tmp_path / "none.h5")


def test_another_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=f"without the attribute format = '{FORMAT}'"):
        Dataset.open(tmp_path / "other.h5")


def test_a_newer_or_senseless_version(copy):
    with h5py.File(copy, "r+") as file:
        file.attrs["version"] = 2
    with pytest.raises(InputError, match="format version 2 is newer than 1"):
        Dataset.open(copy)
    with h5py.File(copy, "r+") as file:
        file.attrs["version"] = "one"
    with pytest.raises(InputError, match="format version 'one' is not a positive integer"):
        Dataset.open(copy)


def test_flipped_bits_in_a_density_are_found_and_cost_only_that_density(tmp_path, monkeypatch):
    from fastsfes.densities import DensityRecord, Energies

    attributes = {"converged": True, "charge": 0, "spin": 0, "xc": "x", "basis": "b", "rung": "diis"}
    energies = Energies(-1.0, -0.5, -0.4, -0.1, 0.01, 0.7)
    orbitals = np.random.default_rng(1).normal(size=(40, 4))
    record = DensityRecord("{}" * 40, orbitals, np.full(4, 2.0), np.zeros(4), energies, attributes)
    path = tmp_path / "flipped.h5"
    write_dataset(path, small_contents(), [(("H2",), record), (("H2_long",), record)])
    damage_bytes(path, "species/H2/mo_coeff")
    dataset = Dataset.open(path)
    with pytest.raises(RecordError, match=r"flipped\.h5: density of 'H2' is damaged"):
        dataset.density("H2")
    assert dataset.density("H2_long").mo_coeff.tobytes() == orbitals.tobytes()
    assert "H2" in dataset.verify()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda g: g.__delitem__("mo_occ"), "is damaged"),
        (lambda g: g.attrs.__delitem__("e_nlc"), "is damaged"),
        (lambda g: g.attrs.__delitem__("converged"), "is damaged"),
    ],
)
def test_an_incomplete_density_costs_only_that_density(copy, change, expected):
    with h5py.File(copy, "r+") as file:
        change(file["species/H2"])
    dataset = Dataset.open(copy)
    with pytest.raises(RecordError, match=r"copy\.h5: density of 'H2' " + expected):
        dataset.density("H2")
    assert [r.name for r in dataset.available] == ["b"]
    assert "is damaged" in dataset.info().missing["H2"]
    assert dataset.density("H2_long").converged


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("mo_coeff", np.full((2, 1), np.nan), "mo_coeff holds NaN or infinity"),
        ("mo_coeff", np.ones((2, 1), dtype=np.float32), "mo_coeff is stored as float32, expected float64"),
        ("mo_coeff", np.ones((2, 3)), "do not belong together"),
        ("mol", np.array([0xFF, 0xFE], dtype=np.uint8), "is damaged"),
    ],
)
def test_wrong_arrays_in_a_density(copy, name, value, expected):
    with h5py.File(copy, "r+") as file:
        del file[f"species/H2/{name}"]
        file[f"species/H2/{name}"] = value
    dataset = Dataset.open(copy)
    with pytest.raises(RecordError, match=r"copy\.h5: density of 'H2'.*" + expected):
        dataset.density("H2")
    assert list(dataset.verify()) == ["H2"]


def test_an_unconverged_density_is_never_used(copy):
    with h5py.File(copy, "r+") as file:
        file["species/H2"].attrs["converged"] = False
    dataset = Dataset.open(copy)
    assert [r.name for r in dataset.available] == ["b"]
    assert dataset.info().missing["H2"] == "its SCF did not converge"
    with pytest.raises(FastsfesError, match="the SCF of 'H2' did not converge; it must not be used"):
        dataset.density("H2")
    with pytest.raises(FastsfesError, match="did not converge"):
        dataset.energies("H2")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("reactions/weight", None, "/reactions/weight is absent or damaged"),
        ("reactions/weight", np.ones(3), "/reactions/weight has 3 entries, expected 4"),
        ("reactions/reference", np.ones(4, dtype=np.float32), "/reactions/reference has type float32"),
        ("reactions/species_index", np.full(8, 99), "species_index points outside"),
        ("reactions/offset", np.array([0, 5, 3, 7, 8]), "/reactions/offset does not divide 9 entries"),
        ("geometries/coordinates", np.zeros((4, 3)), "/geometries/coordinates has shape"),
        ("geometries", None, "/geometries is absent or damaged"),
        ("species", None, "group /species is absent or damaged"),
    ],
)
def test_damaged_tables_are_named(copy, path, value, expected):
    with h5py.File(copy, "r+") as file:
        if path.endswith("species_index"):
            value = np.full(file[path].shape, 99)
        del file[path]
        if value is not None:
            file[path] = value
    with pytest.raises(InputError) as caught:
        Dataset.open(copy)
    assert expected in str(caught.value)
    assert "copy.h5" in str(caught.value)


def test_a_damaged_geometry_costs_only_its_reactions(copy):
    with h5py.File(copy, "r+") as file:
        names = list(file["geometries/name"].asstr()[()])
        start = int(file["geometries/offset"][names.index("H2_long")])
        file["geometries/coordinates"][start, 0] = np.nan
    dataset = Dataset.open(copy)
    assert "H2_long" not in dataset.species
    assert "a coordinate is NaN" in dataset.contents.missing["H2_long"]
    assert "H2" in dataset.species


def test_a_failed_write_leaves_the_old_file_whole(copy):
    before = copy.read_bytes()

    def records():
        yield ("H2",), Dataset.open(copy).density("H2")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_dataset(copy, small_contents(), records())

    def change(file):
        file.create_group("quadrature")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        update_dataset(copy, change)
    assert copy.read_bytes() == before
    assert [p.name for p in copy.parent.iterdir()] == ["copy.h5"]


def test_update_adds_a_group_and_keeps_the_rest(copy):
    update_dataset(copy, lambda file: file.create_group("quadrature").attrs.__setitem__("nodes", 7))
    with h5py.File(copy) as file:
        assert file["quadrature"].attrs["nodes"] == 7
    assert Dataset.open(copy).verify() == {}


def test_contents_are_checked():
    contents = small_contents()
    twice = (*contents.reactions, contents.reactions[0])
    with pytest.raises(InputError, match="reaction 'a' occurs twice"):
        replace(contents, reactions=twice)
    with pytest.raises(InputError, match="refers to species 'gone', which has no geometry"):
        replace(contents, missing={})
