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


@pytest.mark.parametrize(
    ("text", "symbols", "charge", "spin", "z"),
    [
        ("1\n0, 2\nCu 0 0 0\n", ("Cu",), 0, 1, 0.0),
        ("1,\n0, 2\nCu 0 0 0\n", ("Cu",), 0, 1, 0.0),
        ("1\n-1,1 chloride\nCl 0 0 0\n", ("Cl",), -1, 0, 0.0),
        ("2\n0 1\n1 0 0 0\n17 0 0 1.27\n", ("H", "Cl"), 0, 0, 1.27),
        ("2\ncharge=0, multiplicity=1, basis=def2-QZVPPD\nH 0 0 0\nH 0 0 0.74\n", ("H", "H"), 0, 0, 0.74),
        ("1\nmult=3 charge=-1 units=Angstrom\nN 0 0 1\n", ("N",), -1, 2, 1.0),
        ("2\ncharge=0 charge_a=0 charge_b=0 selection_a=1\nHe 0 0 0\nHe 0 0 3\n", ("He", "He"), 0, 0, 3.0),
        (
            '1\nProperties=id:I:1:pos:R:3:Z:I:1 charge=1 spin_multiplicity=1 pbc="F F F"\n7 0 0 2 11\n',
            ("Na",),
            1,
            0,
            2.0,
        ),
        ("2\n0 1\nHe 0 0 0\n@He 0 0 3\n", ("He", "ghost-He"), 0, 0, 3.0),
        ("2\n0 1\nHe 0 0 0\nGh(He) 0 0 3\n", ("He", "ghost-He"), 0, 0, 3.0),
        ("2\n0 1\nHe 0 0 0\nghost-He 0 0 3\n", ("He", "ghost-He"), 0, 0, 3.0),
        ("2\n0 1\nHe 0 0 0\nHe-Bq 0 0 3\n", ("He", "ghost-He"), 0, 0, 3.0),
        ("2\n0 1\nBqH 0 0 0\nX-10 0 0 3\n", ("ghost-H", "ghost-Ne"), 0, 0, 3.0),
        ("2\n0 1\nD 0 0 0\nT 0 0 0.74\n", ("H", "H"), 0, 0, 0.74),
        ("2\n0 1\nH1 0 0 0\nCl_2 0 0 1.27\n", ("H", "Cl"), 0, 0, 1.27),
        ("2\n0 1\nH 0 0 0\nH 0 0 7.4*^-1\n", ("H", "H"), 0, 0, 0.74),
        ("2\n0 1 units=bohr\nH 0 0 0\nH 0 0 2\n", ("H", "H"), 0, 0, 2 * 0.52917721092),
        ("2\nUnits: 1 charge=0 unit=au multiplicity=3\nH 0 0 0\nH 0 0 2\n", ("H", "H"), 0, 2, 2 * 0.52917721092),
        ("2\ngdb 1\t157.7\t0.\nH 0 0 0 0.1\nH 0 0 0.74 -0.1\n4401.2\n[H][H]\nInChI=1S/H2\n", ("H", "H"), 0, 0, 0.74),
    ],
)
def test_headers_and_symbols_of_public_databases(tmp_path, text, symbols, charge, spin, z):
    species = read_xyz(save(tmp_path, text))
    assert (species.symbols, species.charge, species.spin) == (symbols, charge, spin)
    assert species.coordinates[-1, 2] == z
    write_xyz(tmp_path / "again.xyz", species)
    again = read_xyz(tmp_path / "again.xyz")
    assert (again.symbols, again.coordinates.tobytes()) == (symbols, species.coordinates.tobytes())


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
        ("1\n0 2.5\nH 0 0 0\n", "'0 2.5' holds no charge and multiplicity"),
        ("1\ncharge=0.5 multiplicity=2\nH 0 0 0\n", "charge '0.5' is not an integer"),
        ("1\ncharge=0\nC 0 0 0\n", "no multiplicity; expected multiplicity=N"),
        ("2\ncharge=1\nH 0 0 0\nH 0 0 1\n", "no multiplicity"),
        ("2\n0 1 units=nm\nH 0 0 0\nH 0 0 0.74\n", "units 'nm' are none of"),
        ("2\n0 1 (bohr)\nH 0 0 0\nH 0 0 1.4\n", "'bohr' in the header is ambiguous; write units=bohr"),
        ('1\nLattice="9 0 0 0 9 0 0 0 9" charge=0 multiplicity=2\nH 0 0 0\n', "a periodic cell"),
        ('1\npbc="T T T" charge=0 multiplicity=2\nH 0 0 0\n', "a periodic cell"),
        ("1\nProperties=pos:R:3 charge=0 multiplicity=2\n0 0 0\n", "lack species:S:1 or pos:R:3"),
        ("1\n0 2\n0 0 0 0\n", "'0' is not a chemical element"),
        ("1\n0 2\n@Xx 0 0 0\n", "'Xx' is not a chemical element"),
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
