"""Files made to do harm: each is refused with one sentence, and neither followed, unpacked nor executed."""

from __future__ import annotations

import ast
import json
import os
import re
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from fuzz_targets import SYFES, TARGETS, _dataset, _hydrogen

import fastsfes as fs
from fastsfes.common.reading import read_text
from fastsfes.common.reading.hdf5 import attributes, check_tree, read
from fastsfes.common.reading.hdf5 import read_text as hdf5_text
from fastsfes.datasets.gmtkn55 import read_gmtkn55
from fastsfes.datasets.readers import read_folder
from fastsfes.datasets.storage import read_contents, read_density, read_summaries, update_dataset
from fastsfes.datasets.xyz import read_xyz
from fastsfes.densities.mole import MoleError, load_mole
from fastsfes.energies.quadrature.storage import list_quadratures
from fastsfes.formula.expression import Expression
from fastsfes.run.config import SearchConfig
from fastsfes.run.store import RunStore

#: Few letters, many operations, and derivatives that take minutes.
NESTED = "a0 = rho;" + "".join(f"a{k + 1} = pbe_c_spin(rho_a, a{k}, sigma, 0.06, 0.03);" for k in range(400)) + "a400"

GAS22 = fs.get_functional("gas22").to_dict()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 1_000_000, "not valid JSON"),
        ('{"a":' * 1_000_000, "not valid JSON"),
        ("9" * 10_000_000, "expected a JSON object"),
        (json.dumps(GAS22 | {"version": 1}).replace("0.862139736374172", "1" + "0" * 390), "expected a finite number"),
        (json.dumps(GAS22).replace("0.862139736374172", "9" * 100_000), "expected a finite number"),
        (json.dumps(GAS22).replace("0.862139736374172", "1e999"), "expected a finite number"),
        (json.dumps(GAS22 | {"hybrid": [1, 2]}), "expected an object or null"),
        (json.dumps(GAS22 | {"nlc": 3}), "expected an object or null"),
        (json.dumps(GAS22 | {"channels": {"x": {"expression": "(" * 500_000}}}), "nested more than 200 deep"),
        (json.dumps(GAS22 | {"channels": {"x": {"expression": "-" * 500_000 + "1"}}}), "nested more than 200 deep"),
        (json.dumps(GAS22 | {"channels": {"x": {"expression": "2**" * 300_000 + "2"}}}), "nested more than 200 deep"),
        (json.dumps(GAS22 | {"channels": {"x": {"expression": "w+" * 499_999 + "w"}}}), "more than 5000 operations"),
        (json.dumps(GAS22 | {"channels": {"x": {"expression": "w" * 2_000_000}}}), "at most 1000000 are read"),
        (json.dumps(GAS22 | {"channels": {"x": {"expression": "1\0"}}}), "this character has no meaning"),
        (
            json.dumps(GAS22 | {"channels": {"one": {"expression": NESTED}}}),
            "operations when its operators are written out",
        ),
        (json.dumps(GAS22 | {"channels": {"x": {"expression": "__import__('os')"}}}), "not an operator"),
    ],
)
def test_functional_files(text, message, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(text)
    begin = time.monotonic()
    with pytest.raises(fs.InputError, match=message) as caught:
        fs.load(path)
    assert len(str(caught.value)) < 2000
    assert time.monotonic() - begin < 20  # a hang, not a speed


def test_formulas_that_double_with_every_line(tmp_path):
    """b = a*a; c = b*b; ...: 60 lines stand for a formula of 2^60 factors; shared in memory, too long to be written."""
    text = "a0 = 1 + w;" + "".join(f"a{k + 1} = a{k}*a{k};" for k in range(60)) + "a60"
    expression = Expression.parse(text)
    assert expression.complexity < 100
    for write in (str, Expression.to_latex, lambda e: e.spell("maple", {"w": "w"})):
        with pytest.raises(fs.InputError, match=r"too long|longer than"):
            write(expression)
    assert np.isfinite(expression.evaluate({"w": np.array([1e-30])})).all()
    with pytest.raises(fs.InputError):
        fs.load(f"x = {text}")
    lines = [["MultiplicationInstruction", "v0", "v0", "v0"]] * 100
    data = json.loads(json.dumps(SYFES))
    data["f_x"]["instructions"] = [
        ["AdditionInstruction", "v0", "w", "w"],
        *lines,
        ["Power2Instruction", "enhancement_factor", "v0"],
    ]
    with pytest.raises(fs.InputError):
        fs.Functional.from_text(json.dumps(data))
    data["f_x"]["instructions"] = lines * 1000
    with pytest.raises(fs.InputError, match="more than 500 instructions"):
        fs.Functional.from_text(json.dumps(data))


def test_expressions_deeper_than_the_stack():
    """Programs can nest as deep as they like; printing says no, everything else works without recursion."""
    deep = Expression.apply("tanh", Expression.parse("w"))
    for _ in range(13):  # f(f(w)) doubles the depth
        deep = deep.substitute({"w": deep})
    assert deep.complexity == 2**13 + 1
    for write in (str, Expression.to_latex):
        with pytest.raises(fs.InputError, match="nested more than 6000"):
            write(deep)
    assert np.isfinite(deep.derivative("w").evaluate({"w": np.array([0.1])})).all()


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 100_000,
        "x = " + "9" * 10_000,
        "x = {" * 5000,
        'preset = ["quickstart"]',
        "[search]\npreset = 3",
        "seed = 1e999",
        "seed = " + "9" * 40,  # more than 128 bits
        "instruction_pool = {add = inf, mul = 1e999}",
        '"\\u0000" = 1',
    ],
)
def test_configurations(text, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(fs.InputError):
        SearchConfig.from_toml(path)


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "a/b", "a\0b", "n" * 5000])
def test_species_names_do_not_leave_the_folder(name, tmp_path):
    (tmp_path / "secret.xyz").write_text("1\n0 2\nH 0 0 0\n")
    folder = tmp_path / "a" / "b"
    for geometries in ("geometries", "Geometries"):
        (folder / geometries).mkdir(parents=True, exist_ok=True)
    (folder / "reactions.csv").write_text(f"name,reaction,reference_kcal\nr,1 {name},0\n")
    with pytest.raises(fs.InputError, match=r"is not usable|is not a line"):
        read_folder(folder, "plain")
    (folder / "DatasetEval.csv").write_text(f"my_1,1,{name},0.0\n")
    for layout in ("accdb", "mgcdb84"):
        with pytest.raises(fs.InputError, match=r"is not usable|is not a line"):
            read_folder(folder, layout)
    (folder / ".res").write_text(f"$tmer {name}/$f x 1 $w 0\n")
    with pytest.raises(fs.InputError):
        read_gmtkn55(folder)


def test_braces_do_not_multiply(tmp_path):
    (tmp_path / ".res").write_text("$tmer " + "{a,b}" * 60 + "/$f x 1 $w 0\n")
    with pytest.raises(fs.InputError, match="more than 1000 systems"):
        read_gmtkn55(tmp_path)
    (tmp_path / ".res").write_text("$tmer a " + "x " * 500_000 + "\n")
    with pytest.raises(fs.InputError, match="characters; expected at most"):
        read_gmtkn55(tmp_path)


@pytest.mark.parametrize("count", ["99999999999", "²", "2001", "1" * 5000, "-1"])
def test_numbers_of_atoms(count, tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(f"{count}\n0 1\nH 0 0 0\n")
    with pytest.raises(fs.InputError, match="is not a number of atoms"):
        read_xyz(path)


def test_hdf5_tables_of_names_that_are_damaged(tmp_path):
    """HDF5 notices when it is asked whether a name is there: every reader says that the file is damaged."""
    path = tmp_path / "whole.h5"
    _dataset(path)
    content = path.read_bytes()
    said = dict.fromkeys((read_contents, read_summaries, list_quadratures), "")
    for number, place in enumerate(m.start() for m in re.finditer(b"SNOD", content)):
        damaged = tmp_path / f"{number}.h5"
        damaged.write_bytes(content[:place] + b"snod" + content[place + 4 :])
        for reader in said:
            try:
                reader(damaged)
            except fs.InputError as error:
                said[reader] += str(error)
    assert all(said.values())
    assert "is damaged" in said[read_summaries]


def test_pipes_devices_and_huge_files_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(200 * 2**30)  # sparse: takes no space
    for name, message in (
        ("pipe", "not a regular file"),
        ("zero", "not a regular file"),
        ("huge", "is larger than 64 MB"),
    ):
        with pytest.raises(fs.InputError, match=message):
            fs.load(tmp_path / f"{name}.json")
    with pytest.raises(fs.InputError, match="is not the name of a file"):
        read_text("a\0b", "a text")


@pytest.fixture
def damaged(tmp_path):
    path = tmp_path / "d.h5"
    _dataset(path)
    return path


def _replace(path, name, make):
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file)


def test_hdf5_links_are_not_followed(damaged, tmp_path):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.zeros(5)
        file.create_group("g")["mol"] = b"secret"
    links = {
        "external": h5py.ExternalLink(str(other), "/x"),
        "soft": h5py.SoftLink("/geometries/charge"),
    }
    for link in links.values():
        _replace(damaged, "geometries/spin", lambda file, link=link: file["geometries"].__setitem__("spin", link))
        with pytest.raises(fs.InputError, match="link to another place, which is not followed"):
            read_contents(damaged)
    _dataset(damaged)
    _replace(damaged, "species/H", lambda file: file["species"].__setitem__("H", h5py.ExternalLink(str(other), "/g")))
    assert "link to another place" in read_summaries(damaged)[1]["H"]
    with pytest.raises(fs.FastsfesError):
        read_density(damaged, "H")


def test_hdf5_data_outside_the_file_are_not_read(damaged, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(8))

    def external(file):
        file["species/H"].create_dataset("mo_energy", (1,), "f8", external=[(str(tmp_path / "secret"), 0, 8)])

    _replace(damaged, "species/H/mo_energy", external)
    with pytest.raises(fs.FastsfesError, match="stored in another file"):
        read_density(damaged, "H")

    def virtual(file):
        layout = h5py.VirtualLayout((1,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "o.h5"), "x", shape=(1,))
        file["species/H"].create_virtual_dataset("mo_energy", layout)

    _replace(damaged, "species/H/mo_energy", virtual)
    with pytest.raises(fs.FastsfesError, match="stored in another file"):
        read_density(damaged, "H")


def test_hdf5_bombs_are_not_unpacked(damaged):
    def bomb(file):
        made = file["species/H"].create_dataset(
            "mo_coeff", (2**20, 2**14), "f8", chunks=(2**10, 2**10), compression="gzip"
        )
        made[: 2**10, : 2**10] = 0.0

    _replace(damaged, "species/H/mo_coeff", bomb)
    with pytest.raises(fs.FastsfesError, match="unpacks to 137438953472 bytes"):
        read_density(damaged, "H")
    _replace(
        damaged,
        "species/H/mo_coeff",
        lambda f: f["species/H"].create_dataset("mo_coeff", (2**40,), "f8", chunks=(1024,)),
    )
    with pytest.raises(fs.FastsfesError, match="unpacks to"):
        read_density(damaged, "H")
    _replace(damaged, "geometries/name", lambda f: f["geometries"].create_dataset("name", data=["a" * 10] * 100))
    with pytest.raises(fs.InputError, match="not a column of texts"):  # many references to one text multiply it
        read_contents(damaged)


def test_hdf5_chunks_without_bytes(damaged):
    """HDF5 dies of unpacking them (input 83104 of the campaign on datasets)."""

    def several(file):
        file["species/H"].create_dataset("mol", data=np.arange(200, dtype="u1"), chunks=(100,), compression="gzip")

    data = damaged.read_bytes()
    (node,) = (found.start() for found in re.finditer(rb"TREE\x01\x00\x01\x00", data))  # of chunks, with one entry
    damaged.write_bytes(data[: node + 24] + bytes(4) + data[node + 28 :])
    with pytest.raises(fs.FastsfesError, match="mol has a chunk without bytes"):
        read_density(damaged, "H")
    damaged.write_bytes(data)
    _replace(damaged, "species/H/mol", several)
    data = damaged.read_bytes()
    (node,) = (found.start() for found in re.finditer(rb"TREE\x01\x00\x02\x00", data))
    damaged.write_bytes(data[: node + 24] + bytes(4) + data[node + 28 :])
    with pytest.raises(fs.FastsfesError, match="mol has a chunk without bytes"):
        read_density(damaged, "H")


def test_hdf5_filters_of_others_are_not_loaded(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("x", data=np.arange(100), compression="lzf")
        with pytest.raises(RuntimeError, match="a filter that is not used here"):
            read(file, "x")


@pytest.mark.parametrize("attribute", [False, True])
def test_hdf5_types_that_do_not_exist_are_not_read(attribute, tmp_path):
    """Neither a sequence nor a string of variable length: HDF5 takes it for one of them, and dies of it."""
    path = tmp_path / "t.h5"
    with h5py.File(path, "w") as file:
        if attribute:
            file.attrs["x"] = "text"
        else:
            file["x"] = "text"
    data = bytearray(path.read_bytes())
    at = data.find(bytes.fromhex("19 01 01 00 10 00 00 00"))  # a string of variable length, UTF-8
    assert at > 0
    data[at + 1] = 0xAC
    path.write_bytes(data)
    with h5py.File(path, "r") as file, pytest.raises(RuntimeError, match="type that is not used here"):
        attributes(file) if attribute else read(file, "x")


def _with_texts(path, libver="earliest"):
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs["a"], file.attrs["empty"], file.attrs["some"] = "A" * 60_000, "", ["x", "yz", ""]
        file["d"], file["e"] = "B" * 60_000, ""
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_hdf5_texts_of_variable_length(libver, tmp_path):
    _with_texts(tmp_path / "t.h5", libver)
    with h5py.File(tmp_path / "t.h5", "r") as file:
        found = attributes(file)
        assert found["a"] == "A" * 60_000
        assert found["empty"] == ""
        assert list(found["some"]) == ["x", "yz", ""]
        assert hdf5_text(file, "d") == "B" * 60_000
        assert hdf5_text(file, "e") == ""


@pytest.mark.parametrize(("libver", "letter"), [("earliest", b"A"), ("earliest", b"B"), ("latest", b"B")])
@pytest.mark.parametrize("place", range(4))
def test_hdf5_texts_whose_length_or_place_is_wrong(place, letter, libver, tmp_path):
    """HDF5 would take 4 GB for the first, before 2.0 overwrite foreign memory for the second, go to an object that is
    not there for the third, and before 2.0 never come back from the fourth. None of them gets that far.
    """
    path = tmp_path / "t.h5"
    data = _with_texts(path, libver)
    text = data.find(letter * 60_000)
    heap = data.rfind(b"GCOL", 0, text)
    (number,) = struct.unpack_from("<H", data, text - 16)
    reference = data.find(struct.pack("<IQI", 60_000, heap, number))
    assert min(text, heap, reference) > 0
    at, value = [
        (reference, struct.pack("<I", 2**32 - 1)),
        (reference, struct.pack("<I", 1)),
        (reference + 12, struct.pack("<I", 60_000)),
        (text - 8, struct.pack("<Q", 2**64 - 16)),
    ][place]
    data[at : at + len(value)] = value
    path.write_bytes(data)
    with h5py.File(path, "r") as file, pytest.raises(OSError, match="damaged"):
        attributes(file) if letter == b"A" else hdf5_text(file, "d")


def test_hdf5_heaps_within_heaps(tmp_path):
    """Every text in a heap of its own, which reaches to the end of the file: work would grow with the square of its
    size."""
    path, count = tmp_path / "t.h5", 3
    with h5py.File(path, "w") as file:
        for k in range(count):
            file.create_group(f"g{k}").attrs["a"] = "x"
    data = bytearray(path.read_bytes())
    heap = data.find(b"GCOL")
    places = [m.start() for m in re.finditer(re.escape(struct.pack("<IQ", 1, heap)), bytes(data))]
    assert len(places) == count
    end = len(data) + 4096 + 32 * count
    for place in places:
        at = len(data)
        data += b"GCOL\x01\0\0\0" + struct.pack("<QHHIQ", end - at, 1, 1, 0, end - at - 32)
        struct.pack_into("<IQI", data, place, end - at - 32, at, 1)
    data += bytes(end - len(data))
    struct.pack_into("<Q", data, 40, end)  # where the file ends
    path.write_bytes(data)
    with h5py.File(path, "r") as file:
        assert attributes(file["g0"])["a"].startswith("GCOL")
        with pytest.raises(OSError, match="heap at byte"):
            check_tree(file)


def test_a_link_is_not_written_to(damaged, tmp_path):
    """Storing a quadrature in a stranger's dataset: its group leads to another file of the user."""
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file.create_group("g")
    before = other.read_bytes()
    with h5py.File(damaged, "r+") as file:
        file["quadrature"] = h5py.ExternalLink(str(other), "/g")
    with pytest.raises(fs.InputError, match="link to another place"):
        update_dataset(damaged, lambda file: file.require_group("quadrature").create_group("x"))
    assert other.read_bytes() == before


def test_hdf5_attributes_that_are_too_large(tmp_path):
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs.create("x", np.zeros(2**18))
        with pytest.raises(RuntimeError, match="too large"):
            attributes(file)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("_atm", [[1, 2**31 - 1, 1, 23, 0, 0]]),
        ("_atm", [[1, 20, 9, 23, 0, 0]]),
        ("_atm", [[1, 20, 4, 23, 10**6, 0]]),
        ("_atm", [[10**30, 20, 1, 23, 0, 0]]),
        ("_bas", [[0, 0, 3, 1, 0, 2**31 - 1, 27, 0]]),
        ("_bas", [[0, 0, 2**31 - 1, 1, 0, 24, 27, 0]]),
        ("_bas", [[0, 0, 3, -5, 0, 24, 27, 0]]),
        ("_bas", [[0, 99, 3, 1, 0, 24, 27, 0]]),
        ("_bas", [[0, 0, 3, 1, 0, 24, 27, 0]] * 60_000),
        ("_env", [float("nan")] * 40),
        ("_atom", [["H", [0, 0]]] * 3000),
        ("charge", "1e999"),
        ("spin", -(10**40)),
    ],
)
def test_molecules_do_not_point_into_foreign_memory(change, value):
    data = json.loads(_hydrogen()) | {change: value}
    with pytest.raises(MoleError):
        load_mole(json.dumps(data))


def _history(path, script):
    RunStore.create(path).close()
    with sqlite3.connect(path) as db:
        db.executescript(script)
    db.close()


@pytest.mark.parametrize(
    "script",
    [
        # a view that computes for ever, in place of each table
        "DROP TABLE states; CREATE VIEW states AS WITH RECURSIVE n(state, island) AS (SELECT '{}', 0 UNION ALL "
        "SELECT state, island + 1 FROM n) SELECT * FROM n;",
        "DROP TABLE meta; CREATE VIEW meta AS WITH RECURSIVE n(key, value) AS (SELECT 'version', '3' UNION ALL "
        "SELECT key, value FROM n) SELECT * FROM n;",
        "CREATE TRIGGER t AFTER INSERT ON states BEGIN DELETE FROM epochs; END;",
        "ALTER TABLE epochs ADD COLUMN more GENERATED ALWAYS AS (zeroblob(1000000000));",
    ],
)
def test_histories_with_a_mind_of_their_own(script, tmp_path):
    path = tmp_path / "history.sqlite"
    _history(path, script)
    with pytest.raises(fs.InputError, match=r"its tables are not those of a search|cannot be read as the history"):
        RunStore.open(path, read_only=True)


def test_histories_with_absurd_values(tmp_path):
    path = tmp_path / "history.sqlite"
    good = [0, 0, 0, 0, -1, "base", "f", 0, 3.0, 1.0, 1.0, None, 1.0, 1.0, 5, None, None]

    def packed(rows):
        return "x'" + zlib.compress(json.dumps(rows).encode()).hex() + "'"

    for number, (round_, candidates) in enumerate(
        (
            ("9223372036854775807", packed([good])),
            ("'x'", packed([good])),
            ("-5", packed([good])),
            ("0", packed([[*good[:11], "[1", *good[12:]]])),
            ("0", packed([good[:9]])),
            ("0", packed([good, good])),
            ("0", packed({"a": 1})),
            ("0", packed([good]).replace("'", "", 1)[:21].replace("x", "x'") + "'"),
            ("0", "'text'"),
            ("0", packed([" " * (65 * 2**20)])),  # a bomb
        )
    ):
        file = path.with_name(f"h{number}.sqlite")
        _history(file, f"INSERT INTO epochs VALUES (0, {round_}, 0, 1, 1, {candidates});")
        with RunStore.open(file, read_only=True) as store, pytest.raises(fs.FastsfesError):
            store.news()
    for change in ({1: 2**70}, {3: None}, {5: [1]}, {6: "\ud800"}):  # of the wrong kind for the table
        file = path.with_name(f"c{number}.sqlite")
        number += 1
        row = [change.get(k, v) for k, v in enumerate(good)]
        _history(file, f"INSERT INTO epochs VALUES (0, 0, 0, 1, 1, {packed([row])});")
        with RunStore.open(file, read_only=True) as store, pytest.raises(fs.FastsfesError):
            list(store.fitted())
    file = path.with_name("count.sqlite")
    _history(file, f"INSERT INTO epochs VALUES (0, 0, 0, 9e999, 1, {packed([good])});")
    with RunStore.open(file, read_only=True) as store, pytest.raises(fs.FastsfesError):
        store.counts()
    _history(path, f"INSERT INTO states VALUES (0, 0, '{'[' * 100000}'); INSERT INTO archive VALUES (1, '{{}}');")
    with RunStore.open(path, read_only=True) as store:
        for read_ in (store.states, store.archive, store.pareto):
            with pytest.raises(fs.FastsfesError):
                read_()


def test_the_package_neither_evaluates_nor_unpickles_files():
    """No eval, exec, pickle or shell in the package, but for two things that no file has a part in.

    Pickles pass between a process and its own workers; the spellings that are executed for SymPy are those of the
    package's own table of operators, and numbers.
    """
    allowed = {"executors/worker.py", "run/travel.py"}
    executed = {"formula/symbolic.py"}
    root = Path(fs.__file__).parent
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                bad = node.func.id in ("eval", "exec", "compile", "__import__")
                assert not bad or where in executed, f"{where}:{node.lineno}"
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [a.name for a in node.names] + [getattr(node, "module", None) or ""]
                bad = {"pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"} & {
                    n.split(".")[0] for n in names
                }
                assert not bad or where in allowed, f"{where}:{node.lineno}"
            if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
                assert getattr(node.value, "value", None) is False, f"{where}:{node.value.lineno}"


def test_campaign(tmp_path):
    """A short campaign over every reader in processes of their own: no error but ours, no signal, no hang."""
    report = tmp_path / "report.json"
    command = [sys.executable, str(Path(__file__).with_name("campaign.py")), "--inputs", "400", "--seed", "5"]
    done = subprocess.run(
        [*command, "--json", str(report), "--findings", str(tmp_path / "findings")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(report.read_text())
    assert [r["target"] for r in rows] == list(TARGETS)
    assert all(r["inputs"] == 400 for r in rows)
    # some inputs are still honest after a change: the readers are reached, not only their first check
    assert all(r["accepted"] > 0 for r in rows if r["target"] != "kernel")


@pytest.mark.parametrize("reference", ["0.0", "1e300", "-0"])
def test_references_that_give_no_weights(reference, tmp_path):
    (tmp_path / "Geometries").mkdir()
    (tmp_path / "DatasetEval.csv").write_text(f"TAE140_1,-1,H2,2,H,{reference}\n")
    with pytest.raises(fs.InputError, match="give no weight"):
        read_folder(tmp_path)
