"""What a newcomer sees first: the start page, the help, completion, the doctor; and nothing heavy is loaded for it."""

from __future__ import annotations

import ast
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastsfes as fs
from fastsfes import _core
from fastsfes.cli import build_parser, doctor, main
from fastsfes.cli.commands import COMMANDS, Command

HEAVY = ("numpy", "scipy", "h5py", "pyscf", "sympy", "rich")


def loaded(code: str) -> set[str]:
    """Those of the heavy packages that a new process has loaded after this code."""
    code += f"; import sys; print('loaded', *[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "code",
    [
        "import fastsfes",
        "from fastsfes.cli import main; main([])",
        "from fastsfes.cli import main; main(['--help'])",
        "from fastsfes.cli import main; main(['--version'])",
        "from fastsfes.cli import main; main(['serch'])",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code: str) -> None:
    assert loaded(code) == set()


def test_what_is_loaded_is_seen() -> None:
    assert loaded("import fastsfes as fs; fs.Expression").issuperset({"numpy"})


def test_names_of_the_package() -> None:
    stub = ast.parse(Path(fs.__file__).with_suffix(".pyi").read_text())
    (written,) = [ast.literal_eval(n.value) for n in stub.body if isinstance(n, ast.Assign)]
    assert sorted(written) == fs.__all__
    assert all(getattr(fs, name) is not None for name in written)
    assert set(written) <= set(dir(fs))
    assert fs.analysis.score.score is fs.score  # rooms are there without an import of their own
    with pytest.raises(AttributeError, match="has no attribute 'serch'"):
        _ = fs.serch


def test_start_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= 120
    shown = [line.split()[1] for line in out.splitlines() if line.startswith("  fastsfes ")]
    assert shown == ["search", "show", "report", "health", "validate", "export"]


def test_help_has_every_command_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in COMMANDS:
        group = out[out.index(f"\n{command.group}:\n") + 1 :].partition("\n\n")[0]
        assert f"\n  {command.name} " in group


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_examples_are_accepted_and_shown(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    for example in command.examples:
        words = shlex.split(example.partition(" > ")[0].removeprefix('eval "$(').removesuffix(')"'))
        assert words[:2] == ["fastsfes", command.name]
        assert callable(build_parser(words[1:2]).parse_args(words[1:]).handler)
    assert main([command.name, "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {example}\n" in out for example in command.examples)


def test_prose_of_a_help_page_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["search", "--help"]) == 0
    page = capsys.readouterr().out
    prose = page[page.index("Evolve exchange") : page.index("options:")]
    assert max(map(len, prose.splitlines())) <= 58
    assert "\n\nWithout arguments it runs" in prose  # paragraphs stay apart
    assert page.endswith("\n  fastsfes search --resume mine\n")  # and examples one on a line


@pytest.mark.parametrize(
    ("given", "same"),
    [(["help"], ["--help"]), (["help", "export"], ["export", "--help"]), (["version"], ["--version"])],
)
def test_help_and_version_are_words_too(given: list[str], same: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 0
    first = capsys.readouterr().out
    assert main(same) == 0
    assert first == capsys.readouterr().out != ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["completion"], "shell is one of bash, zsh, fish"),
        (["dataset"], "ACTION is one of info, build, import"),
        (["export", "gas22"], "--format, --output"),
        (["health", "gas23"], 'did you mean "gas22"?'),
    ],
)
def test_what_is_lacking_is_said(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 2
    assert said in capsys.readouterr().err


def test_one_command_is_parsed_like_all_together() -> None:
    words = ["search", "--seed", "3", "--islands", "2"]
    one, every = build_parser(words[:1]).parse_args(words), build_parser().parse_args(words)
    assert vars(one) == vars(every)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "constraints" in script
    assert all(command.name in script for command in COMMANDS)
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "offered"), [("fastsfes sea", "search"), ("fastsfes search --isl", "--islands"), ("fastsfes ex", "export")]
)
def test_bash_completes(line: str, offered: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    words = line.split()
    ask = f"""
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}
registered=$(complete -p fastsfes); function=${{registered#*-F }}; ${{function%% *}} fastsfes {words[-1]} {words[-2]}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    script = capsys.readouterr().out + ask
    done = subprocess.run(["bash", "--norc"], input=script, capture_output=True, text=True, check=True)
    assert offered in [word.strip() for word in done.stdout.splitlines()]


def test_doctor_finds_nothing_broken_here(capsys: pytest.CaptureFixture[str], own_cache: None) -> None:
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("nothing is broken\n")
    assert main(["doctor", "--json"]) == 0
    found = {f["topic"]: f for f in json.loads(capsys.readouterr().out)}
    assert {f["state"] for f in found.values()} <= {"ok", "absent"}
    assert found["libraries"]["text"].startswith("numpy ")
    assert all(f["remedy"] for f in found.values() if f["state"] == "absent")


@pytest.mark.parametrize(("compiler", "state"), [("false", "absent"), ("no-such-compiler", "broken")])
def test_doctor_without_a_compiler(compiler: str, state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setenv("FASTSFES_CACHE_DIR", str(tmp_path))
    _core.jit_reset()
    try:
        found = {f.topic: f for f in doctor._compiler()}
    finally:
        monkeypatch.undo()
        _core.jit_reset()
    assert found["run-time compiler"].state == state
    assert found["run-time compiler"].remedy


def test_doctor_of_folders_and_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("FASTSFES_DATA", str(blocked / "folder"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with monkeypatch.context() as patch:
        patch.setenv("FASTSFES_DATA", "~nobody-of-that-name")
        assert [f.state for f in doctor._data()] == ["ok", "broken"]
    assert [f.state for f in doctor._data()] == ["ok", "broken"]
    assert {f.state for f in doctor._optional() if f.topic in ("mpiexec", "sbatch")} == {"absent"}
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "FASTSFES_DATA names another folder" in out
    assert out.endswith("broken\n")


def test_memory_is_that_of_the_control_group_where_it_is_less(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = doctor.memory()
    monkeypatch.setattr(Path, "read_text", lambda path: "1048576\n")
    assert doctor.memory() == 2**20
    monkeypatch.setattr(Path, "read_text", lambda path: "max\n")
    assert doctor.memory() is not None
    assert machine is None or machine <= doctor.memory()
