"""What commands do when their output is full, closed or a terminal, when memory ends, and on signals at any time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fastsfes as fs
from fastsfes.cli import dataset, main
from fastsfes.common.signals import STOPPING
from fastsfes.common.terminal import visible

COMMAND = [sys.executable, "-m", "fastsfes"]
EXPORT = [*COMMAND, "export", "gas22", "--format", "json", "--output"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["dataset", "info", "builtin"]])
def test_a_full_disk_behind_the_output(arguments: list[str], unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "fastsfes: error: standard output: No space left on device\n"


def test_closed_streams(tmp_path: Path) -> None:
    """A service without standard streams: nothing is printed into the files that it opens."""
    target = tmp_path / "g.json"
    command = " ".join([*EXPORT, str(target), "<&-", ">&-", "2>&-"])
    assert subprocess.run(["sh", "-c", command]).returncode == 0
    assert fs.Functional.from_json(target) == fs.get_functional("gas22")


def test_who_reads_has_seen_enough() -> None:
    command = f"{' '.join(COMMAND)} dataset info gscdb --json | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_memory_that_ends_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def greedy(*_: object) -> int:
        bytearray(2**62)
        return 0

    monkeypatch.setattr(dataset, "run_info", greedy)
    assert main(["dataset", "info"]) == 1
    assert capsys.readouterr().err == "fastsfes: error: there is not enough memory\n"


FULL = """
import json, resource, sys
from fastsfes.cli import main
limit, *commands = map(json.loads, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
for command in commands:
    print("status", main(command), file=sys.stderr)
"""


@pytest.mark.parametrize("kind", ["limit", "disk", "read-only"])
def test_a_full_disk_behind_the_files(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Or a folder that nobody can write to, in every command that computes: a sentence, and nothing half written."""
    folder, limit, reason = tmp_path / "out", 600, "File too large"
    folder.mkdir()
    if kind == "disk":
        folder, limit, reason = request.getfixturevalue("small_disk")("size=8k"), -1, "No space left on device"
        with contextlib.suppress(OSError):
            (folder / "filling").write_bytes(bytes(8192))
    elif kind == "read-only":
        mount = request.getfixturevalue("small_disk")
        mount("size=1m")
        folder, limit, reason = mount("ro"), -1, "Read-only file system"
    own = tmp_path / "own"
    (own / "geometries").mkdir(parents=True)
    for i in range(2):
        (own / "geometries" / f"H2_{i}.xyz").write_text(f"2\n0 1\nH 0 0 0\nH 0 0 0.7{i}\n")
    (own / "reactions.csv").write_text("name,reaction,reference_kcal\nr,-1 H2_0; 1 H2_1,0\n")
    small = ["--basis", "sto-3g", "--grid", "(10,14)"]
    commands = [
        ["search", "--candidates", "50", "--dataset", "builtin", "--no-report", "--output", str(folder / "run")],
        ["fit", "b97", "--output", str(folder / "f.json")],
        ["dataset", "build", str(own), "--output", str(folder / "o.h5"), "--xc", "lda", "--quiet", *small],
        ["validate", "b97", "--dataset", str(own), "--species", "H2_0,H2_1", "--baselines", "none", "--quiet",
         "--start", "atoms", "--work", str(folder / "work"), *small],
    ]  # fmt: skip
    script = [sys.executable, "-c", FULL, str(limit), *map(json.dumps, commands)]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for said in done.stderr.split("status 1\n")[:-1]:
        assert said.count("fastsfes: error: ") == 1
        assert reason in said or "disk I/O error" in said or "full" in said, said
    assert done.stderr.count("status 1\n") == len(commands)
    left = {path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_size}
    assert left <= {"filling", "history.sqlite", "config.toml", "run.lock", "log.txt", "events.jsonl"}


def test_names_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = fs.get_functional("b97").to_dict() | {
        "channels": {"q\x1b[2J\u202e": {}},
    }
    (tmp_path / "bad.json").write_text(json.dumps(data))
    assert main(["fit", str(tmp_path / "bad.json")]) == 2
    err = capsys.readouterr().err
    assert err.count("\x1b") == 0
    assert "q\\x1b[2J\\u202e" in err
    folder = tmp_path / "own"
    (folder / "geometries").mkdir(parents=True)
    for name in "HD":
        (folder / "geometries" / f"{name}.xyz").write_text("1\n0 2\nH 0 0 0\n")
    (folder / "reactions.csv").write_text("name,reaction,reference_kcal\nr,-1 H; 1 D,0\n")
    (folder / "provenance.txt").write_text("from\x1b[2Jnowhere\u202e")
    main(["dataset", "info", str(folder)])
    out = capsys.readouterr().out
    assert "from\\x1b[2Jnowhere\\u202e" in out
    assert out == visible(out)
    assert visible("tab\tline\nä ½ \U0001f600") == "tab\tline\nä ½ \U0001f600"
    assert visible("\ud800\r") == "\\ud800\\r"


@pytest.mark.parametrize("number", STOPPING)
@pytest.mark.parametrize("moment", ["fastsfes.common.errors", "numpy", "fastsfes.datasets.storage", ""])
def test_signals_from_the_first_line_on(number: signal.Signals, moment: str) -> None:
    """While a command is imported or at work, when it says that it was stopped, and when Python ends: one line."""
    code = f"""
import atexit, os, sys
sys.argv = ["fastsfes", "dataset", "info", "builtin"]
again = lambda *_: os.kill(os.getpid(), {int(number)})
sys.addaudithook(lambda event, given: again() if event == "import" and given[0] == {moment!r} else None)

class Errors:
    def __init__(self, stream): self.stream = stream
    def write(self, text): again(); return self.stream.write(text)
    def __getattr__(self, name): return getattr(self.stream, name)

from fastsfes import cli
from fastsfes.cli import dataset
atexit.register(again)
sys.stderr = Errors(sys.stderr)
if not {moment!r}:
    dataset.run_info = again
sys.exit(cli.main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    status, what = {
        signal.SIGINT: (130, "interrupted"),
        signal.SIGTERM: (143, "stopped by SIGTERM"),
        signal.SIGUSR1: (75, "stopped by SIGUSR1"),
    }[number]
    assert (done.returncode, done.stderr) == (status, f"fastsfes: {what}; what is finished is kept\n")


def test_signals_end_a_benchmark() -> None:
    code = (
        "import os, sys; sys.argv = ['fastsfes-bench', 'fit'];"
        "from fastsfes import bench; bench.fit.run = lambda _: os.kill(os.getpid(), 2); sys.exit(bench.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "fastsfes-bench: interrupted\n")


def test_a_background_job_goes_on_ignoring_the_interrupt(tmp_path: Path) -> None:
    """A shell lets what it starts with & ignore Ctrl-C."""
    code = (
        "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from fastsfes import cli;"
        "from fastsfes.cli import dataset; dataset.run_info = lambda _: os.kill(os.getpid(), signal.SIGINT) or 0;"
        "raise SystemExit(cli.main(['dataset', 'info']))"
    )
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}).returncode == 0


def test_programs_that_import_the_package_keep_their_signals() -> None:
    code = "import signal, fastsfes; assert not signal.pthread_sigmask(signal.SIG_BLOCK, []); print('fine')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "fine\n"
