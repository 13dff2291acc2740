import json
import shutil
from collections import Counter

import h5py
import numpy as np
import pytest

from fastsfes import Dataset, InputError
from fastsfes.datasets import HARTREE_TO_KCAL
from fastsfes.datasets.mgcdb84 import read_mgcdb84
from fastsfes.datasets.readers import detect_layout, read_folder
from fastsfes.datasets.weights import compress
from fastsfes.densities import read_chkfile


@pytest.fixture(scope="module")
def contents(mgcdb84):
    return read_mgcdb84(mgcdb84)


@pytest.fixture(scope="module")
def reference(mgcdb84):
    return json.loads((mgcdb84 / "reference.json").read_text())


@pytest.fixture(scope="module")
def frozen(mgcdb84):
    index = json.loads((mgcdb84 / "densities" / "index.json").read_text())
    energies = {}
    for name, file in index.items():
        with h5py.File(mgcdb84 / "densities" / file) as chk:
            energies[name] = chk["energies/e_tot"][()] - chk["energies/e_xc_semilocal"][()]
    return energies


def test_every_reaction_and_geometry_is_read(contents, mgcdb84):
    # 4,986 published reactions, one of which is dropped.
    assert len(contents.reactions) == 4985
    assert list(contents.dropped) == ["XB51_15"]
    assert contents.missing == {}
    assert len(contents.species) == 5930
    assert detect_layout(mgcdb84) == "mgcdb84"


def test_every_subset_of_the_table_has_reactions_in_its_split(contents, mgcdb84):
    types = json.loads((mgcdb84 / "subsets.json").read_text())["types"]
    expected = {
        (subset, data_type, split)
        for data_type, splits in types.items()
        for split, subsets in splits.items()
        for subset in subsets
    }
    assert {(r.subset, r.data_type, r.split) for r in contents.reactions} == expected
    sizes = Counter(r.subset for r in contents.reactions)
    assert sizes["TAE140MR"] + sizes["TAE140nonMR"] == 140
    assert sizes["TAE140MR"] == 16
    assert sizes["XB51"] == 19


def test_names_with_equals_signs_and_dots_find_their_files(contents):
    assert contents.species["45_MeCH=NBr_HNBrBDE18"].symbols.count("Br") == 1
    assert "3.3.3-1_SW49" in contents.species


@pytest.mark.parametrize("split", ["train", "validation"])
def test_available_reactions_per_subset(contents, reference, frozen, split):
    rows = [r for r in contents.reactions if r.split == split and set(frozen).issuperset(r.coefficients)]
    assert dict(Counter(r.subset for r in rows)) == reference["reactions"][split]


@pytest.mark.parametrize("functional", ["wb97m_v", "gas22"])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_wrmsd_and_rmsd_agree_with_the_reference(contents, reference, frozen, functional, split):
    energies = {
        name: (value + reference["species"][name][functional]) * HARTREE_TO_KCAL for name, value in frozen.items()
    }
    rows = [r for r in contents.reactions if r.split == split and set(frozen).issuperset(r.coefficients)]
    errors = np.array([r.energy(energies) - r.reference for r in rows])
    weights = np.array([r.weight for r in rows])
    # Both sides sum the same doubles (total energies of 1e6 kcal/mol), so only round-off remains.
    assert np.sqrt(np.mean(weights * errors**2)) == pytest.approx(reference["wrmsd"][functional][split], abs=1e-8)
    for data_type, value in reference["rmsd_by_type"][functional][split].items():
        chosen = np.array([r.data_type == data_type for r in rows])
        assert np.sqrt(np.mean(errors[chosen] ** 2)) == pytest.approx(value, abs=1e-8)


def test_weights_of_a_group_lie_between_its_factor_and_twice_that(contents):
    weights = {r.subset: r.weight for r in contents.reactions if r.split != "validation"}
    barriers = [w for r, w in weights.items() if r in ("BHPERI26", "CRBH20", "DBH24", "PX13", "WCPT27")]
    assert all(10.0 <= w <= 20.0 for w in barriers)
    doubled = [r.weight for r in contents.reactions if r.subset == "HTBH38"]
    assert len(set(doubled)) == 1
    assert 20.0 <= doubled[0] <= 40.0


def test_repulsive_rare_gas_points_hardly_count(contents):
    points = [r for r in contents.reactions if r.subset == "RG10"]
    attractive = {r.weight for r in points if r.reference <= 0}
    repulsive = {r.weight for r in points if r.reference > 0}
    assert attractive == {2.0e4}
    assert repulsive == {2.0}


def test_compress_maps_the_largest_to_two():
    scaled = compress({"a": 3.0, "b": 12.0, "c": 6.0})
    assert scaled == pytest.approx({"a": 1.0, "b": 2.0, "c": 2.0**0.5}, rel=1e-14)
    assert compress({"only": 7.0}) == {"only": 1.0}
    assert compress({}) == {}


@pytest.mark.parametrize("species", ["42_H2_BH76", "11_H_AE18", "17_O2+_IP13"])
def test_energies_that_a_chkfile_lacks_are_computed(mgcdb84, tmp_path, species):
    """Both spins, with and without density fitting, against the energies that were stored with the orbitals."""
    name = json.loads((mgcdb84 / "densities" / "index.json").read_text())[species]
    path = tmp_path / name
    shutil.copyfile(mgcdb84 / "densities" / name, path)
    stored = read_chkfile(path, species)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        del file["energies"]
    computed = read_chkfile(path, species)
    assert computed.converged
    for part in ("e_xc_semilocal", "e_xx", "e_xx_lr", "e_nuc"):
        # The same integrals of the same orbitals, their sums in another order.
        assert getattr(computed.energies, part) == pytest.approx(getattr(stored.energies, part), abs=1e-12), part
    # VV10 was stored on another nonlocal grid; its energy of 1e-2 hartree depends on it by 2e-5 kcal/mol.
    nlc = computed.energies.e_nlc - stored.energies.e_nlc
    assert abs(nlc) < 5e-8
    assert computed.energies.e_tot - stored.energies.e_tot == pytest.approx(nlc, abs=1e-12)


def write_folder(folder, table, geometries=("H2", "H")):
    (folder / "Geometries").mkdir(parents=True, exist_ok=True)
    (folder / "DatasetEval.csv").write_bytes(table.encode())
    if "H2" in geometries:
        (folder / "Geometries" / "H2.xyz").write_text("2\r\n0 1\r\nH 0 0 0\r\nH 0 0 0.74\r\n")
    if "H" in geometries:
        (folder / "Geometries" / "H.xyz").write_text("1\n0 2\nH 0 0 0\n")


def test_carriage_returns_blank_tails_and_a_missing_species(tmp_path):
    write_folder(tmp_path, "TAE140_1,1,H2,-2,H,-0.17\r\n\r\nTAE140_2,1,X,-2,H,-0.2,,\r\n")
    contents = read_mgcdb84(tmp_path)
    assert [r.name for r in contents.reactions] == ["TAE140_1", "TAE140_2"]
    assert contents.missing == {"X": "no file X.xyz in Geometries"}
    assert contents.reactions[0].reference == -0.17 * HARTREE_TO_KCAL
    dataset = Dataset.open(tmp_path)
    assert dataset.info().missing["X"] == "no file X.xyz in Geometries"
    assert dataset.available == ()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("TAE140_1,1,H2,-2,H\n", "line 1: 5 cells"),
        ("TAE140_1,one,H2,-2,H,0.1\n", "line 1: 'one' is not a number; expected the coefficient of 'H2'"),
        ("TAE140_1,1,H2,-2,H,nan\n", "line 1: 'nan' is not finite"),
        ("TAE140_1,1,H2,-2,H,0.1\nTAE140_1,1,H2,-2,H,0.1\n", "already stands on line 1"),
        (",1,H2,-2,H,0.1\n", "has no name"),
        ("TAE140_1,1,,-2,H,0.1\n", "species name '' is not usable"),
        ("NEW1_1,1,H2,-2,H,0.1\n", "subset 'NEW1' of reaction 'NEW1_1' is not in the table"),
        ("\n\n", "holds no reactions"),
    ],
)
def test_bad_tables_get_one_clear_sentence(tmp_path, table, expected):
    write_folder(tmp_path, table)
    with pytest.raises(InputError) as caught:
        read_mgcdb84(tmp_path)
    assert expected in str(caught.value)
    assert "DatasetEval.csv" in str(caught.value)


def test_a_damaged_geometry_costs_only_its_reactions(tmp_path):
    write_folder(tmp_path, "TAE140_1,1,H2,-2,H,-0.17\nTAE140_2,1,H,0.1\n")
    (tmp_path / "Geometries" / "H2.xyz").write_text("2\n0 1\nH 0 0 0\nH 0 0 nan\n")
    contents = read_mgcdb84(tmp_path)
    assert list(contents.missing) == ["H2"]
    assert "line 4: 'nan' is not finite" in contents.missing["H2"]
    assert list(contents.species) == ["H"]


def test_a_damaged_table_of_subsets_is_named(tmp_path):
    write_folder(tmp_path, "TAE140_1,1,H2,-2,H,-0.17\n")
    (tmp_path / "subsets.json").write_text('{"types": {"TCE": {"learn": ["TAE140nonMR"]}}}')
    with pytest.raises(InputError, match="split 'learn' of type 'TCE' is none of train, validation, test"):
        read_folder(tmp_path)
    (tmp_path / "subsets.json").write_text('{"types"')
    with pytest.raises(InputError, match=r"subsets\.json: not valid JSON"):
        read_folder(tmp_path)
