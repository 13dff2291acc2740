import numpy as np
import pytest

from fastsfes import Dataset, InputError
from fastsfes.datasets import HARTREE_TO_KCAL, DatasetContents, Reaction, Species
from fastsfes.datasets.accdb import read_accdb
from fastsfes.datasets.gmtkn55 import read_gmtkn55, read_res
from fastsfes.datasets.plain import parse_stoichiometry, read_plain, write_plain
from fastsfes.datasets.readers import detect_layout, read_folder

HYDROGEN = "1\n0 2\nH 0 0 0\n"
DIHYDROGEN = "2\n0 1\nH 0 0 0\nH 0 0 0.74\n"


@pytest.fixture
def plain(tmp_path):
    (tmp_path / "geometries").mkdir()
    (tmp_path / "geometries" / "H.xyz").write_text(HYDROGEN)
    (tmp_path / "geometries" / "H2.xyz").write_text(DIHYDROGEN)

    def write(table):
        (tmp_path / "reactions.csv").write_text(table)
        return tmp_path

    return write


def test_the_plain_layout(plain):
    folder = plain(
        "# my own molecules\n"
        "name, split, reaction, reference_kcal, weight, subset, data_type\r\n"
        'bond, test, "-1 H2; 2 H", 109.49, 2.5, bonds, TCE\n'
        "\n"
        "half,,-0.5 H2; 1 H;,54.745,,,\n"
    )
    (folder / "provenance.txt").write_text("measured at home\n")
    contents = read_plain(folder)
    bond, half = contents.reactions
    assert (bond.split, bond.weight, bond.subset, bond.data_type) == ("test", 2.5, "bonds", "TCE")
    assert dict(bond.coefficients) == {"H2": -1.0, "H": 2.0}
    assert (half.split, half.weight, half.subset, half.data_type) == ("train", 1.0, "all", "all")
    assert half.reference == 54.745
    assert contents.provenance == "measured at home"
    assert detect_layout(folder) == "plain"
    assert set(Dataset.open(folder).species) == {"H", "H2"}


def test_references_in_hartree(plain):
    contents = read_plain(plain("name,reaction,reference_hartree\nbond,-1 H2; 2 H,0.1745\n"))
    assert contents.reactions[0].reference == 0.1745 * HARTREE_TO_KCAL


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", "is empty"),
        ("name,reaction\nx,1 H\n", "needs exactly one of reference_kcal and reference_hartree"),
        ("name,reaction,reference_kcal,reference_hartree\n", "needs exactly one of"),
        ("reaction,reference_kcal\n1 H,1\n", "column 'name' is missing"),
        ("name,reaction,reference_kcal,colour\n", "unknown column 'colour'"),
        ("name,name,reaction,reference_kcal\n", "stands twice in the header"),
        ("name,reaction,reference_kcal\nx,1 H\n", "line 2: 2 cells; the header has 3 columns"),
        ("name,reaction,reference_kcal\nx,1 H,much\n", "line 2: 'much' is not a number"),
        ("name,reaction,reference_kcal\nx,1 H,nan\n", "line 2: 'nan' is not finite"),
        ("name,reaction,reference_kcal\nx,H,1\n", "'H' is not a coefficient and a species"),
        ("name,reaction,reference_kcal\nx,1 H; 2 H,1\n", "species 'H' stands twice"),
        ("name,reaction,reference_kcal\nx,;,1\n", "the reaction is empty"),
        ("name,reaction,reference_kcal\n,1 H,1\n", "the reaction has no name"),
        ("name,reaction,reference_kcal\nx,1 H,1\nx,1 H,2\n", "reaction 'x' occurs twice"),
        ("name,reaction,reference_kcal\nx,1 He,1\n", "He.xyz: no such file"),
        ("name,reaction,reference_kcal,split\nx,1 H,1,learn\n", "split 'learn' is none of"),
        ("name,reaction,reference_kcal,weight\nx,1 H,1,-2\n", "weight '-2' must not be negative"),
    ],
)
def test_bad_plain_tables(plain, table, expected):
    with pytest.raises(InputError) as caught:
        read_plain(plain(table))
    assert expected in str(caught.value)


def test_the_plain_layout_is_written_and_read_back_exactly(tmp_path):
    random = np.random.default_rng(5)
    species = {name: Species(name, ("C", "O"), random.normal(size=(2, 3)) * 3.0, 0, 0) for name in ("a", "b=c")}
    reactions = (
        Reaction("r1", "s", "TCE", "validation", 1 / 3, {"a": -1.0, "b=c": 0.1 + 0.2}, 100 / 7),
        Reaction("r2", "t", "BH", "test", 10.0, {"a": 2.0}, -1e-17),
    )
    contents = DatasetContents("own", species, reactions, provenance="tests")
    write_plain(tmp_path / "own", contents)
    back = read_plain(tmp_path / "own")
    assert back.reactions == reactions
    assert back.provenance == "tests"
    for name in species:
        assert back.species[name].coordinates.tobytes() == species[name].coordinates.tobytes()


def test_stoichiometry_keeps_signs_and_fractions():
    assert parse_stoichiometry(" -1 CH4 ;0.5 H2; +2e0 C-2", "x") == {"CH4": -1.0, "H2": 0.5, "C-2": 2.0}


def test_the_accdb_tree_keeps_geometries_at_its_root(tmp_path):
    database = tmp_path / "ACCDB" / "Databases" / "Own"
    database.mkdir(parents=True)
    (tmp_path / "ACCDB" / "Geometries").mkdir()
    (tmp_path / "ACCDB" / "Geometries" / "H_a.xyz").write_text(HYDROGEN)
    (tmp_path / "ACCDB" / "Geometries" / "H2.xyz").write_text(DIHYDROGEN)
    (database / "DatasetEval.csv").write_text("New3_1,1,H2,-2,H=a,-0.17\nNew3_2,1,gone,0.5\n")
    assert detect_layout(database) == "accdb"
    contents = read_accdb(database)
    assert [(r.subset, r.data_type, r.split, r.weight) for r in contents.reactions] == [
        ("New3", "New3", "test", 1.0)
    ] * 2
    assert set(contents.species) == {"H2", "H=a"}
    assert list(contents.missing) == ["gone"]
    (database / "subsets.json").write_text('{"types": {"TCE": {"train": ["New3"]}}}')
    assert {(r.data_type, r.split) for r in read_folder(database, "accdb").reactions} == {("TCE", "train")}


def accdb(tmp_path, name, table, file="DatasetEval.csv"):
    database = tmp_path / "ACCDB" / "Databases" / name
    database.mkdir(parents=True)
    geometries = tmp_path / "ACCDB" / "Geometries"
    geometries.mkdir(exist_ok=True)
    for species, text in {
        "H": HYDROGEN,
        "H2": DIHYDROGEN,
        "proton": "1\n1 1\nH 0 0 0\n",
        "H2+": DIHYDROGEN.replace("0 1", "1 2"),
        "H3+": "3\n1 1\nH 0 0 0\nH 0 0 0.9\nH 0 0 1.8\n",
        "HF": "2\n0 1\nH 0 0 0\nF 0 0 0.92\n",
        "half": "2\n0 2\nH 0 0 0\n@H 0 0 0.74\n",
    }.items():
        (geometries / f"{species}.xyz").write_text(text)
    (database / file).write_text(table)
    return database


def test_mgcdb84_within_the_tree_of_accdb(tmp_path):
    folder = accdb(tmp_path, "MGCDB84", "AE18_1,1,H,-0.5\nAE18_2,1,H2,-1.17\n")
    contents = read_folder(folder)
    assert contents.name == "mgcdb84"
    assert set(contents.species) == {"H", "H2"}


def test_tables_named_after_their_database(tmp_path):
    folder = accdb(tmp_path, "W4-17", "W4_1,-1,H2,2,H,0.1745\n", "DatasetEval.W4-17.csv")
    assert detect_layout(folder) == "accdb"
    assert [r.name for r in read_folder(folder).reactions] == ["W4_1"]


def test_properties_that_are_no_energies_are_refused(tmp_path):
    folder = accdb(tmp_path, "DP284", "dip_1,1,HF,0.70\n")
    with pytest.raises(InputError, match=r"'dip_1' has one species, 'HF', and the reference 0\.7, which is no total"):
        read_folder(folder)
    for number, row in enumerate(("1,H,-0.5", "1,H2+,-0.6", "1,proton,0", "1,HF,-100.4", "-1,HF,0.7")):
        assert read_folder(accdb(tmp_path, f"own{number}", f"a_1,{row}\n")).reactions


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("-1,H2,2,H,0.17", ""),
        ("-1,H2,1,H,0.17", "-1 H"),
        ("-1,HF,1,H2,0.04", "-1 F, +1 H"),
        ("1,H,-0.5", ""),
        ("-1,H2,1,H2+,0.6", ""),  # an electron leaves
        ("-1,H2,1,H3+,-0.17", ""),  # a proton of zero energy comes
        ("-1,HF,1,H3+,0.1", "-1 F, +2 H, charge +1"),
        ("1,HF,-100.4", "+1 F, +1 H"),
        ("-1,H,1,half,0", ""),  # ghost atoms do not count
        ("-0.5,H2,1,H,0.08", ""),
    ],
)
def test_unbalanced_reactions_are_named(tmp_path, capsys, row, expected):
    from fastsfes.cli import main

    folder = accdb(tmp_path, "Own", f"one_1,{row}\n")
    assert main(["dataset", "info", str(folder)]) == 0
    text = capsys.readouterr().out
    assert ("warning: one_1: the reaction is not balanced: " + expected in text) == bool(expected)
    assert ("warning" in text) == bool(expected)


@pytest.fixture
def gmtkn(tmp_path):
    subset = tmp_path / "W4-11"
    for name in ("h2", "h", "oh-"):
        (subset / name).mkdir(parents=True)
    (subset / "h2" / "struc.xyz").write_text("2\na comment\nH 0 0 0\nH 0 0 0.74\n")
    (subset / "h" / "coord").write_text("$coord\n 0.0 0.0 1.0 h\n$end\n")
    (subset / "h" / ".UHF").write_text("1\n")
    (subset / "oh-" / "coord").write_text("$coord\n 0 0 0 o\n 0 0 1.8 h\n$user-defined bonds\n$end\n")
    (subset / "oh-" / ".CHRG").write_text("-1\n")
    (subset / ".res").write_text(
        'if [ "$TMER" == "" ]\nthen\n  tmer=tmer2++\nfi\nf=$1\nw=$2\n# $tmer {x,y}/$f x -1 1 $w 3\n'
        "$tmer {h2,h}/$f  x -1 2 $w 109.493\n"
        "$tmer oh-/$f h/$f x 1 -1 $w -10.5\n"
        "$tmer {h2,gone}/$f x -1 1 $w 7\n"
    )
    (subset / ".resRC").write_text("f=$1\nw=$2\ntmer2++\th/$f\th2/$f\tx\t2\t-1\t$w\t-109.49 # W1-F12\n")
    return tmp_path


def test_the_gmtkn55_layout(gmtkn):
    contents = read_gmtkn55(gmtkn)
    assert detect_layout(gmtkn) == "gmtkn55"
    first, second, _, reaction = contents.reactions
    assert (reaction.name, reaction.subset, reaction.reference) == ("W4-11RC_1", "W4-11RC", -109.49)
    assert dict(reaction.coefficients) == {"W4-11_h": 2.0, "W4-11_h2": -1.0}
    assert dict(first.coefficients) == {"W4-11_h2": -1.0, "W4-11_h": 2.0}
    assert (first.name, first.subset, first.split, first.reference) == ("W4-11_1", "W4-11", "test", 109.493)
    assert dict(second.coefficients) == {"W4-11_oh-": 1.0, "W4-11_h": -1.0}
    hydroxide = contents.species["W4-11_oh-"]
    assert (hydroxide.charge, hydroxide.spin, hydroxide.symbols) == (-1, 0, ("O", "H"))
    assert hydroxide.coordinates[1, 2] == pytest.approx(1.8 * 0.52917721092, rel=1e-15)
    assert contents.species["W4-11_h"].spin == 1
    assert list(contents.missing) == ["W4-11_gone"]
    assert "holds neither struc.xyz nor coord" in contents.missing["W4-11_gone"]


@pytest.mark.parametrize("tail", ["# W1-F12", " 0 1.0", " dodeca", "\t# a $w 3", ""])
def test_words_after_a_reference_are_comments(tmp_path, tail):
    (tmp_path / ".res").write_text(f"$tmer {{h2,h}}/$f x -1 2 $w 109.49 {tail}\n")
    assert read_res(tmp_path / ".res") == [({"h2": -1.0, "h": 2.0}, 109.49)]


def test_a_bad_line_costs_one_reaction(gmtkn, capsys):
    from fastsfes.cli import main

    with (gmtkn / "W4-11" / ".res").open("a") as file:
        file.write("$tmer {h2,h}/$f x -1 two $w 1\n$tmer h/$f x 1 $w -313.7\n")
    contents = read_gmtkn55(gmtkn)
    assert [r.name for r in contents.reactions] == ["W4-11_1", "W4-11_2", "W4-11_3", "W4-11_5", "W4-11RC_1"]
    assert "line 11: 'two' is not a number" in contents.dropped["W4-11_4"]
    assert main(["dataset", "info", str(gmtkn)]) == 0
    assert "dropped: W4-11_4: " in capsys.readouterr().out


def test_braces_inside_a_name_are_expanded_as_a_shell_does(tmp_path):
    (tmp_path / ".res").write_text("$tmer B_{T,G}/$f x -1 1 $w 0.598\n")
    assert read_res(tmp_path / ".res") == [({"B_T": -1.0, "B_G": 1.0}, 0.598)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("$tmer {a,b}/$f x -1 $w 3\n", "line 1: 2 systems need as many coefficients"),
        ("$tmer {a,b}/$f x -1 one $w 3\n", "'one' is not a number"),
        ("$tmer {a,b}/$f x -1 1 $w nan\n", "'nan' is not finite"),
        ("$tmer ../../etc/$f b/$f x -1 1 $w 3\n", "'../../etc' is not usable"),
        ("echo nothing\n", "holds no line of the form"),
    ],
)
def test_bad_res_files(tmp_path, line, expected):
    (tmp_path / ".res").write_text(line)
    with pytest.raises(InputError) as caught:
        read_gmtkn55(tmp_path)
    assert expected in str(caught.value)


def test_unknown_layouts(tmp_path):
    with pytest.raises(InputError, match="no known layout"):
        read_folder(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_folder(tmp_path / "none")
    with pytest.raises(InputError, match="layout 'csv' is none of plain, mgcdb84, accdb, gmtkn55"):
        read_folder(tmp_path, "csv")
