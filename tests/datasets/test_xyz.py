import numpy as np
import pytest

from fastsfes import InputError
from fastsfes.datasets import Species
from fastsfes.datasets.xyz import read_xyz, write_xyz

WATER = "3\n0 1\nO 0.0 0.0 0.117\nH 0.0 0.757 -0.469\nH 0.0 -0.757 -0.469\n"


def save(tmp_path, text, name="water.xyz"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_reads_charge_multiplicity_and_angstrom(tmp_path):
    species = read_xyz(save(tmp_path, "2\n-1 1\nh 0 0 0\nHE 0 0 1.5D0\n"))
    assert species.symbols == ("H", "He")
    assert (species.charge, species.spin, species.multiplicity) == (-1, 0, 1)
    np.testing.assert_array_equal(species.coordinates, [[0, 0, 0], [0, 0, 1.5]])


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n\n   \n", "\n"])
def test_line_endings_and_blank_tails_do_not_matter(tmp_path, ending):
    plain = read_xyz(save(tmp_path, WATER))
    text = WATER.rstrip("\n").replace("\n", ending if ending.startswith("\r") else "\n") + ending
    other = read_xyz(save(tmp_path, text))
    assert other.symbols == plain.symbols
    np.testing.assert_array_equal(other.coordinates, plain.coordinates)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "0 lines"),
        ("three\n0 1\nH 0 0 0\n", "'three' is not a number of atoms"),
        ("1\n\nH 0 0 0\n", "line 2: '' holds no charge and multiplicity"),
        ("1\nwater molecule\nH 0 0 0\n", "'water molecule' holds no charge"),
        ("1\n0\nH 0 0 0\n", "expected two integers such as '0 1'"),
        ("1\n0 0\nH 0 0 0\n", "multiplicity 0 must be at least 1"),
        ("2\n0 1\nH 0 0 0\n", "announces 2 atoms but 1 atom lines follow"),
        ("1\n0 2\nH 0 0 0\nH 0 0 1\n", "announces 1 atoms but 2 atom lines follow"),
        ("1\n0 2\nH 0 0\n", "line 3: 'H 0 0' is not an atom"),
        ("1\n0 2\nXx 0 0 0\n", "line 3: 'Xx' is not a chemical element"),
        ("1\n0 2\nH 0 nan 0\n", "line 3: 'nan' is not finite"),
        ("1\n0 2\nH 0 0 inf\n", "line 3: 'inf' is not finite"),
        ("1\n0 2\nH 0 0 1.0.0\n", "line 3: '1.0.0' is not a number"),
        ("2\n0 1\nH 0 0 0\nH 0 0 0.05\n", "atoms 1 and 2 are 0.050 angstrom apart"),
        ("1\n0 1\nH 0 0 0\n", "leaves 1 electrons, which cannot have 0 unpaired"),
        ("1\n2 1\nH 0 0 0\n", "leaves -1 electrons"),
    ],
)
def test_bad_files_get_one_clear_sentence(tmp_path, text, expected):
    path = save(tmp_path, text, "bad.xyz")
    with pytest.raises(InputError) as caught:
        read_xyz(path)
    message = str(caught.value)
    assert expected in message
    assert "bad" in message
    assert "\n" not in message


def test_absent_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_xyz(tmp_path / "none.xyz")
    (tmp_path / "binary.xyz").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="it is not UTF-8 text"):
        read_xyz(tmp_path / "binary.xyz")


def test_written_geometries_are_read_back_bit_for_bit(tmp_path):
    random = np.random.default_rng(3)
    species = Species("CH2", ("C", "H", "H"), random.normal(size=(3, 3)) * 3, 0, 2)
    write_xyz(tmp_path / "CH2.xyz", species)
    back = read_xyz(tmp_path / "CH2.xyz")
    assert back.coordinates.tobytes() == species.coordinates.tobytes()
    assert (back.name, back.symbols, back.charge, back.spin) == ("CH2", species.symbols, 0, 2)


def test_coordinates_are_read_only():
    species = Species("H", ("H",), np.zeros((1, 3)), 0, 1)
    with pytest.raises(ValueError, match="read-only"):
        species.coordinates[0, 0] = 1.0


@pytest.mark.parametrize("name", ["", "a/b", "..", "two\nlines"])
def test_names_that_cannot_be_stored_are_refused(name):
    with pytest.raises(InputError, match="not usable"):
        Species(name, ("H",), np.zeros((1, 3)), 0, 1)
