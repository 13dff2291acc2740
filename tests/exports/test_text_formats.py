"""JSON with its schema, LaTeX, and what is never allowed to reach an exported file."""

from __future__ import annotations

import json
import math
import re
import shutil
import struct
import subprocess

import jsonschema
import numpy as np
import pytest
from export_points import NAMES, functional
from matplotlib.mathtext import MathTextParser

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.exports import FORMATS, latex
from fastsfes.exports.describe import identifier, plain
from fastsfes.exports.json_file import schema
from fastsfes.exports.tex_lines import COLUMN, broken, width
from fastsfes.formula.expression import operators


@pytest.mark.parametrize("name", [*NAMES, *fs.list_functionals()])
def test_json_is_valid_and_comes_back(name, tmp_path):
    f = functional(name)
    (path,) = fs.export(f, "json", tmp_path / "made.json")
    jsonschema.validate(json.loads(path.read_text()), schema(), cls=jsonschema.Draft202012Validator)
    again = fs.load(path)
    assert again == f
    assert again.parameters == f.parameters


def test_json_keeps_every_double(tmp_path):
    rng = np.random.default_rng(7)
    values = [struct.unpack("<d", rng.bytes(8))[0] for _ in range(1000)]
    values = [v for v in values if math.isfinite(v)]
    names = [f"p{k}" for k in range(len(values))]
    f = fs.Functional(
        "many", {"x": fs.Channel(fs.Expression.parse(" + ".join(names)), dict(zip(names, values, strict=True)))}
    )
    (path,) = fs.export(f, "json", tmp_path / "many.json")
    assert list(fs.load(path).parameters.values()) == values


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"channels": {}},
        {"channels": {"q": {"expression": "1"}}},
        {"channels": {"x": {}}},
        {"channels": {"x": {"expression": "c", "parameters": {"c": "1"}}}},
        {"channels": {"x": {"expression": 1}}},
        {"nlc": {"b": 6}},
        {"hybrid": {"omega": "large"}},
        {"correlation": "vwn"},
        {"Hybrid": {"omega": 0.3}},
        {"vv10": {"b": 6.0, "C": 0.01}},
        {"libxc": "pbe"},
        {"hybrid": {"Omega": 0.3}},
        {"hybrid": {"omega": -0.3, "long_range": 1.0}},
        {"hybrid": []},
        {"nlc": {"b": 6.0, "C": 0.01, "D": 1.0}},
        {"nlc": {"b": 6.0, "C": 0.0}},
        {"channels": {"x": {"expression": "1", "parameter": {}}}},
        {"name": 3},
        {"citation": None},
    ],
)
def test_schema_and_reader_refuse_the_same(change, tmp_path):
    data = fs.get_functional("gas22").to_dict() | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema(), cls=jsonschema.Draft202012Validator)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    with pytest.raises(fs.InputError):
        fs.load(path)


#: The one construct that matplotlib's subset lacks.
CASES = r"\\begin\{cases\}(.*?)& (.*?)\\\\(.*?)& \\text\{otherwise\}\\end\{cases\}"


def equations(text):
    """The lines of a document's equations, without what aligns them."""
    bodies = re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", text, re.DOTALL)
    lines = [line for body in bodies for line in body.split(" \\\\\n")]
    return [line.replace("&\\quad{}", "").replace("={}&", "=").replace("&=", "=").removeprefix("&") for line in lines]


def typeset(path):
    """What LaTeX says of a document; nothing where there is no LaTeX."""
    if not shutil.which("pdflatex"):
        return ""
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", path.name], cwd=path.parent, capture_output=True)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("name", NAMES)
def test_latex_typesets(name, tmp_path):
    """Every line is parsed by matplotlib's TeX parser, and the document by LaTeX where there is one."""
    f = functional(name)
    (path,) = fs.export(f, "latex", tmp_path / "made.tex")
    text = path.read_text()
    parser = MathTextParser("path")
    lines = equations(text)
    assert len(lines) > len(f.channels)
    for line in lines:
        flat = re.sub(r"\\(left|right|bigl|bigr|tfrac)\b", lambda m: "\\frac" if m[1] == "tfrac" else "", line)
        flat = re.sub(CASES, r"[\1, \2, \3]", flat)
        parser.parse(f"${flat}$")
    for value in f.parameters.values():
        assert latex._number(repr(value)) in text
    for opening, closing in ("{}", ("\\left", "\\right"), ("\\begin{", "\\end{")):
        body = text[text.index("\\documentclass") :]
        assert body.count(opening) - body.count("\\" + opening) == body.count(closing) - body.count("\\" + closing)
    typeset(path)


LONG = (
    "x = c0 + w*(c1 + c2*u(x2, g) + w*(c3 + c4*u(x2, g) + w*(c5 + c6*u(x2, g)**2 + c7*w**4*u(x2, g)**3)))"
    " + (c0 + c1*u(x2, g) + c2*w + c3*u(x2, g)*w + c4*w**2)**2; css = c0 + c1*u(x2, g); cos = c0*exp(-c1*x2**2)"
)


@pytest.mark.parametrize("name", ["gas22", "wb97m_v", "pbe", "b88", LONG])
def test_latex_fits_a_column(name, tmp_path):
    """Lines are short enough for a column of 229 pt, as estimated and, where there is LaTeX, as set."""
    (path,) = fs.export(fs.load(name, default=1.0), "latex", tmp_path / "made.tex")
    assert all(width(line.partition(" = ")[2]) <= COLUMN for line in equations(path.read_text()) if "int" not in line)
    assert "Overfull" not in typeset(path)


def test_latex_tells_parameters_of_factors_apart(tmp_path):
    """c0 of exchange and c0 of correlation are two numbers, and so have two symbols."""
    f = fs.load("x = c0 + c1*u(x2, g); cos = c0 + c1*u(x2, g)", default=1.0)
    text = fs.export(f, "latex", tmp_path / "a.tex")[0].read_text()
    rows = re.findall(r"^\$(.*?)\$ & \\texttt\{(.*?)\}", text, re.MULTILINE)
    assert rows == [
        ("c_{1}", "x.c0"), ("c_{2}", "x.c1"), ("\\gamma_{1}", "x.g"),
        ("c_{3}", "cos.c0"), ("c_{4}", "cos.c1"), ("\\gamma_{2}", "cos.g"),
    ]  # fmt: skip
    assert "f_x ={}& c_{1} + c_{2}\\,u_{1}" in text
    assert "f_{c,\\alpha\\beta} ={}& c_{3} + c_{4}\\,u_{2}" in text


def test_latex_has_uncertainties(tmp_path):
    f = fs.load("x = c0 + w; x.c0 = 0.85")
    (path,) = fs.export(f, "latex", tmp_path / "a.tex", printed={"x.c0": "0.85 ± 1.2e-7"})
    assert "$0.85 \\pm 1.2 \\times 10^{-7}$" in path.read_text()
    typeset(path)
    with pytest.raises(fs.InputError, match="digits are for latex"):
        fs.export(f, "c", tmp_path / "a.c", printed={})


def test_lines_break_in_front_of_signs():
    assert broken("a + b - c", 3.0) == ["a + b", " - c"]
    inside = broken(r"a \left(b + c + d\right)", 3.5)
    assert "".join(inside) == r"a \bigl(b + c + d\bigr)"
    assert len(inside) > 1
    assert broken(r"\frac{a + b}{c}", 0.1) == [r"\frac{a + b}{c}"]  # never inside braces


def test_latex_of_every_operator():
    """Each operator's spelling alone, with its arguments."""
    parser = MathTextParser("path")
    for row in operators():
        if row["kind"] == "leaf":
            continue
        text = fs.Expression.apply(
            row["name"], *(fs.Expression.parse(v) for v in ("x2", "w", "c0", "c1", "c2")[: row["arity"]])
        ).to_latex()
        assert "$" not in text
        flat = re.sub(CASES, r"[\1, \2, \3]", text)
        parser.parse(f"${flat}$")


def test_latex_digits(tmp_path):
    (path,) = fs.export("gas22", "latex", tmp_path / "made.tex", digits=6)
    table = path.read_text().split("\\begin{document}")[1]
    assert "$0.86214$" in table
    assert "0.862139736374172" not in table
    with pytest.raises(fs.InputError, match="digits is 0"):
        fs.export("gas22", "latex", tmp_path / "made.tex", digits=0)
    with pytest.raises(fs.InputError, match="digits are for latex"):
        fs.export("gas22", "c", tmp_path / "made.c", digits=3)


HOSTILE = (
    'x*/ int main(void){system("id");} /* (*) *) \\" """ \'\'\' '
    "\n#include <evil>\n%\\input{/etc/passwd} ${x} `id` \\\r\n"
    "import os; os.system('id')\u2028\u2029\x0c\x00\x85??/\n$end$ \U0001f600"
)


FILES = [name for name, (_, _, writer) in FORMATS.items() if writer is not None]
"""Formats that are files; libxc's sources are written by the same functions as "libxc" is."""


@pytest.mark.parametrize("format", FILES)
def test_nothing_of_a_strangers_text_reaches_code(format, tmp_path):
    """A name and a citation that try to break out: only letters of the name and comments are left of them."""
    base = fs.get_functional("gas22")
    hostile = fs.Functional(HOSTILE, base.channels, base.hybrid, base.nlc, HOSTILE)
    files = fs.export(hostile, format, tmp_path / "made")
    tame = fs.Functional(identifier(HOSTILE), base.channels, base.hybrid, base.nlc, "tame")
    (tmp_path / "tame").mkdir()
    expected = fs.export(tame, format, tmp_path / "tame" / "made")
    assert [p.name for p in files] == [p.name for p in expected]
    if format == "json":
        assert fs.load(files[0]) == hostile
        return
    comments = {
        ".py": r"^#.*$",
        ".txt": r"^#.*$",
        ".tex": r"^%.*$|\\section\*\{.*|^Source:.*$",
        ".mpl": r"\(\*.*?\*\)",
        ".md": r"(?s).*",
    }
    for path, other in zip(files, expected, strict=True):
        text = path.read_text()
        assert all(c.isascii() and (c.isprintable() or c == "\n") for c in text), path
        pattern = comments.get(path.suffix, r"/\*.*?\*/|^ *\"(?:[^\"\\\n]|\\.)*\"(?=,?$)|(?<=XC_FAMILY)")
        flags = re.MULTILINE | (re.DOTALL if path.suffix not in (".py", ".tex", ".txt") else 0)
        # without comments (and, in C, the record's description string) both files are the same
        stripped = [re.sub(r"fastsfes:\d+", "", re.sub(pattern, "", t, flags=flags)) for t in (text, other.read_text())]
        assert stripped[0] == stripped[1], path


@pytest.mark.parametrize("text", ["", "9", "a b", "for", "Class", "çé", "_", "x" * 500, HOSTILE, "int", "GAS22"])
def test_identifiers(text):
    name = identifier(text)
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name)
    compile(f"{name} = 1", "name", "exec")


def test_plain_text_is_one_line():
    line = plain(HOSTILE)
    assert "\n" not in line
    assert line.isascii()
    assert len(plain("x" * 10000)) == 500


def test_long_parameter_names(tmp_path):
    long = "q" * 5000
    f = fs.Functional("long", {"x": fs.Channel(fs.Expression.parse(f"1 + {long}*w"), {long: 0.5})})
    for format in set(FILES) - {"libxc-parameters"}:  # which is for forms of libxc
        (tmp_path / format).mkdir()
        for path in fs.export(f, format, tmp_path / format / "made"):
            if format not in ("json", "latex"):
                assert "q" * 3000 not in path.read_text(), path


def test_command(tmp_path, capsys):
    assert main(["export", "gas22", "--format", "c", "--output", str(tmp_path / "gas22.c")]) == 0
    assert capsys.readouterr().out == f"written: {tmp_path / 'gas22.c'}\nwritten: {tmp_path / 'gas22.h'}\n"
    assert main(["export", "x = 1 + a*w; x.a = 0.3", "--format", "json", "--output", str(tmp_path / "own")]) == 0
    assert fs.load(tmp_path / "own.json").parameters == {"x.a": 0.3}
    capsys.readouterr()
    (tmp_path / "file").write_text("")
    for arguments, message in (
        (["nope", "--format", "c", "--output", str(tmp_path / "a.c")], "not registered"),
        (["libxc:pbe", "--format", "c", "--output", str(tmp_path / "a.c")], "can be compared with"),
        (["pbe", "--format", "c", "--output", str(tmp_path / "file" / "a.c")], "file does not exist"),
        (
            ["pbe", "--format", "libxc", "--output", str(tmp_path / "a")],
            'libxc has a functional of its own called "pbe"',
        ),
        (["pbe", "--format", "libxc", "--name", "my", "--output", str(tmp_path / "file")], "is a file; format"),
        (["pbe", "--format", "c", "--name", " ", "--output", str(tmp_path / "a.c")], "the name is empty"),
        (["pbe", "--format", "c", "--output", str(tmp_path / "absent" / "a.c")], "absent does not exist; make it"),
        (["pbe", "--format", "c", "--output", str(tmp_path / "a.py")], 'format "c" is written to a file whose name'),
        (["pbe", "--format", "json", "--output", str(tmp_path)], "is a folder"),
        (["pbe", "--format", "fortran", "--output", "a"], "invalid choice"),
    ):
        assert main(["export", *arguments]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(fs.InputError, match='format "fortran" is unknown'):
        fs.export("pbe", "fortran", tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "gas22.c", "gas22.h", "own.json"]
