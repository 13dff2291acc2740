"""Processes: forked children, exits while a kernel is compiled, interrupts, and settings that do not exist."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes import _core
from fastsfes.cli import main

pytestmark = pytest.mark.usefixtures("own_cache")

TEXT = "exp(-x2)*p + log1p(w**2)/(1 + x2)"

FORKED = """
import multiprocessing as mp, sys, time, threading
import numpy as np
import fastsfes as fs
from fastsfes import _core

rho = np.random.default_rng(0).random(60_000) + 0.01
functional = fs.get_functional("gas22")
expressions = [_core.Expression.parse(t) for t in ("c0 + c1*u(x2, g)", "1 + w*a")]
nodes = {"x2": np.linspace(0, 9, 50), "w": np.linspace(-1, 1, 50)}
rng = np.random.default_rng(1)
channels = [(k, nodes, rng.normal(size=(40, 50))) for k in ("x", "cos")]
problem = _core.FitProblem(channels, rng.normal(size=40), np.ones(40))


def energies(deriv):
    return functional.energy_density(rho, rho, rho, deriv=deriv, threads=2).exc.tobytes()


def fits(_):
    return [f.objective for f in _core.fit_batch(problem, [expressions] * 6, [np.full(4, 0.1)] * 6, threads=2)]


def job(k):
    return energies(k), fits(k)


if __name__ == "__main__":
    expected = job(1)  # two threads; a kernel is begun in the background
    if sys.argv[1] == "busy":  # other threads are at work, and hold locks, while the process forks
        done = threading.Event()
        work = [threading.Thread(target=lambda: [job(0) for _ in iter(done.is_set, True)]) for _ in range(2)]
        for thread in work:
            thread.start()
    for _ in range(6):
        with mp.get_context("fork").Pool(2) as pool:
            assert pool.map_async(job, [1, 1, 1]).get(timeout=60) == [expected] * 3
    if sys.argv[1] == "busy":
        done.set()
        for thread in work:
            thread.join()
    print("same", flush=True)
"""


@pytest.mark.parametrize("parent", ["quiet", "busy"])
def test_forked_children_compute_the_same_in_one_thread(parent: str, tmp_path: Path) -> None:
    script = tmp_path / "forked.py"
    script.write_text(FORKED)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), parent],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )
    assert done.stdout == "same\n", done.stderr


def slow_compiler(folder: Path) -> Path:
    """One that works for a minute, and makes the file `started` when it begins."""
    compiler = folder / "slow-c++"
    real = fs.build_info()["jit"]["compiler"]
    compiler.write_text(f'#!/bin/sh\ntouch {folder}/started\nsleep 60\nexec {real} "$@"\n')
    compiler.chmod(0o755)
    return compiler


def test_a_process_that_ends_while_it_compiles_leaves_nothing(tmp_path: Path) -> None:
    compiler = slow_compiler(tmp_path)
    code = (
        "import pathlib, time\n"
        "from fastsfes import _core\n"
        f"_core.jit_compile_in_background([_core.Program([_core.Expression.parse({TEXT!r})])])\n"
        f"while not pathlib.Path({str(tmp_path / 'started')!r}).exists(): time.sleep(0.01)\n"
        "print(_core.Program([_core.Expression.parse('w*2')]).evaluate([[2.0]], [], n=1)[0, 0])\n"
    )
    environment = {**os.environ, "CXX": str(compiler), "FASTSFES_CACHE_DIR": str(tmp_path / "cache")}
    # the compiler would last for a minute: a process that waited for it would not be back in time
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4.0\n", "")
    assert not list((tmp_path / "cache" / "kernels").iterdir())


def test_the_compiler_keeps_no_file_of_ours_open_nor_its_lock(tmp_path: Path) -> None:
    compiler, locked = slow_compiler(tmp_path), tmp_path / "locked"
    code = (
        "import fcntl, os, pathlib, time\n"
        "from fastsfes import _core\n"
        "def lock():\n"
        f"    file = os.open({str(locked)!r}, os.O_RDWR | os.O_CREAT)\n"
        "    os.set_inheritable(file, True)\n"  # as HDF5 opens its files
        "    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "    return file\n"
        "file = lock()\n"
        f"_core.jit_compile_in_background([_core.Program([_core.Expression.parse({TEXT!r})])])\n"
        f"while not pathlib.Path({str(tmp_path / 'started')!r}).exists(): time.sleep(0.01)\n"
        "os.close(file)\n"
        "lock()\n"
    )
    environment = {**os.environ, "CXX": str(compiler), "FASTSFES_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")


def test_functionals_get_their_kernel_in_the_background_and_candidates_do_not() -> None:
    n = 200_000
    rho = np.random.default_rng(0).random(n) + 0.01
    functional = fs.Functional.from_dict(fs.get_functional("b97").to_dict() | {"name": "as-b97"})
    first = functional.energy_density(rho, rho, rho)
    _core.jit_wait()
    before = _core.jit_statistics()
    assert before["compiled"] + before["from_disk"] >= 1
    np.testing.assert_array_equal(functional.energy_density(rho, rho, rho).exc, first.exc)
    candidate = _core.Program([_core.Expression.parse(TEXT)])
    cost, compile_cost = _core.jit_costs(candidate)
    for _ in range(5):
        candidate.evaluate([rho, rho], [0.7], n=n)
    assert 2e6 < 5 * cost * n < 2 * compile_cost  # enough for a functional, not for a candidate (tiers.cpp)
    _core.jit_wait()
    assert _core.jit_statistics()["compiled"] == before["compiled"]
    assert not _core.jit_is_compiled(candidate)


LONG = """
import sys
import numpy as np
import fastsfes as fs
from fastsfes import _core
rng = np.random.default_rng(0)
nodes = {"x2": rng.uniform(0, 9, 2000), "w": rng.uniform(-1, 1, 2000)}
kind = sys.argv[1]
if kind == "starts":
    problem = _core.FitProblem([("x", nodes, rng.normal(size=(40, 2000)))], rng.normal(size=40), np.ones(40))
    e = [_core.Expression.parse("c0 + exp(-a*x2)*tanh(b*w) + c1*u(x2, g)")]
    work = lambda: _core.fit_batch(problem, [e], [np.ones(5)], _core.FitOptions(starts=10_000_000), threads=2)
elif kind == "parameters":
    problem = _core.FitProblem([("x", nodes, rng.normal(size=(1200, 2000)))], rng.normal(size=1200), np.ones(1200))
    e = [_core.Expression.parse(" + ".join(f"c{k}*exp(-a{k}*x2)*w**{k % 6}" for k in range(400)))]
    options = _core.FitOptions(starts=1000)
    work = lambda: _core.fit_batch(problem, [e], [rng.uniform(0.1, 1, 800)], options, threads=1)
elif kind == "losses":
    problem = _core.FitProblem([("x", nodes, rng.normal(size=(40, 2000)))], rng.normal(size=40), np.ones(40))
    values = rng.uniform(0.1, 1, (3_000_000, 2))
    work = lambda: problem.losses([_core.Expression.parse("exp(-a*x2) + b*w")], values, threads=2)
elif kind == "points":
    x = rng.random(3_000_000)
    e = _core.Program([_core.Expression.parse("+".join(f"erf(x2*{k} + w)**0.37" for k in range(1, 400)))])
    work = lambda: e.evaluate([x, x], [], n=len(x), threads=2)
else:
    axes = [("log1p", 1e-3, 0.0, 24.0, 128, 9), ("linear", 1.0, -1.0, 1.0, 64, 9)]
    points = np.tile(np.c_[nodes["x2"], nodes["w"]], (1500, 1))
    weights = np.ones((40, len(points)))
    work = lambda: _core.TensorNodes(axes).scatter(points, weights)
print("begin", flush=True)
try:
    work()
    print("finished")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("kind", ["starts", "parameters", "losses", "points", "scatter"])
def test_ctrl_c_ends_long_work_of_the_core(kind: str) -> None:
    command = [sys.executable, "-c", LONG, kind]
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "FASTSFES_BACKEND": "interpreter"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        # without an answer to the signal each of these lasts for minutes
        out, _ = process.communicate(timeout=30)
    assert out == "interrupted\n"


def test_a_handler_that_does_not_raise_lets_the_work_go_on() -> None:
    code = (
        "import os, signal, numpy as np\n"
        "from fastsfes import _core\n"
        "seen = []\n"
        "signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))\n"
        "p = _core.Program([_core.Expression.parse('exp(x2)**0.3')])\n"
        "x = np.random.default_rng(0).random(3_000_000)\n"
        "os.kill(os.getpid(), signal.SIGUSR2)\n"
        "assert np.isfinite(p.evaluate([x], [], n=len(x), backend=1)).all()\n"
        "assert seen == [signal.SIGUSR2]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("variable", "value", "known"),
    [
        ("FASTSFES_ISA", "avx9", "generic, avx2 or avx512"),
        ("FASTSFES_BACKEND", "complied", "auto, interpreter or compiled"),
        ("CXX", "/nonexistent/c++", 'no program "/nonexistent/c++"'),
    ],
)
def test_settings_that_do_not_exist_are_errors(variable: str, value: str, known: str) -> None:
    environment = {**os.environ, variable: value}
    command = [sys.executable, "-m", "fastsfes", "health", "pbe"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"fastsfes: error: {variable}: ")
    assert known in done.stderr
    assert done.stderr.count("\n") == 1
    code = "import fastsfes as fs; fs.get_functional('pbe').energy_density([0.3] * 99999, [0.1] * 99999)"
    code += "; fs.kernels.compile_functional(fs.get_functional('pbe'))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "InputError" in done.stderr
    assert known in done.stderr


def test_settings_may_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FASTSFES_ISA", "FASTSFES_BACKEND", "CXX"):
        monkeypatch.setenv(variable, "")
    _core.check_environment()
    assert main(["--version"]) == 0


def test_a_limit_on_the_instruction_set_is_kept_everywhere() -> None:
    code = "import fastsfes as fs; print(fs.build_info()['isa'], fs.build_info()['jit']['flags'])"
    for isa in ("generic", "avx2"):
        environment = {**os.environ, "FASTSFES_ISA": isa}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert "avx512" not in done.stdout
        assert isa == "avx2" or "avx" not in done.stdout
