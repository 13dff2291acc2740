"""The kernel cache: what is kept, what is refused, and what happens without a compiler."""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes import Expression, _core
from fastsfes.cli import main
from fastsfes.functionals import kernels

INTERPRETER, COMPILED = 1, 2
TEXT = "exp(-x2)*p + log1p(w**2)/(1 + x2)"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FASTSFES_CACHE_DIR", str(tmp_path))
    _core.jit_reset()
    yield tmp_path / "kernels"
    _core.jit_reset()


def fresh() -> _core.Program:
    return _core.Program([_core.Expression.parse(TEXT)])


def values(program: _core.Program, backend: int, n: int = 1003) -> np.ndarray:
    rng = np.random.default_rng(0)
    return program.evaluate([rng.random(n), rng.random(n)], [0.7], n=n, backend=backend)[0]


def entries(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.so"))


def test_second_use_comes_from_disk(cache: Path) -> None:
    expected = values(fresh(), INTERPRETER)
    np.testing.assert_array_equal(values(fresh(), COMPILED), expected)
    assert kernels.statistics()["compiled"] == 1
    assert len(entries(cache)) == 1
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert not list(cache.glob("tmp-*"))
    np.testing.assert_array_equal(values(fresh(), COMPILED), expected)
    assert kernels.statistics()["from_memory"] >= 1
    _core.jit_reset()
    np.testing.assert_array_equal(values(fresh(), COMPILED), expected)
    assert kernels.statistics()["compiled"] == 0
    assert kernels.statistics()["from_disk"] == 1


def test_what_killed_compilers_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "kernels"
    folder.mkdir(mode=0o700)
    old, new, other = folder / "tmp-1-2-3.o", folder / "tmp-4-5-6.o", folder / "notes"
    for path in (old, new, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (0, 0))
    code = f"from fastsfes import _core; p = _core.Program([_core.Expression.parse({TEXT!r})]); "
    code += "p.evaluate([[1.0], [0.5]], [0.7], n=1, backend=2)"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "FASTSFES_CACHE_DIR": str(tmp_path)}
    )  # fmt: skip
    assert not old.exists()
    assert new.exists()
    assert other.exists()


@pytest.mark.parametrize("damage", ["truncated", "garbage", "flipped", "empty", "writable", "link"])
def test_damaged_or_foreign_entries_are_rebuilt(cache: Path, tmp_path: Path, damage: str) -> None:
    expected = values(fresh(), COMPILED)
    (entry,) = entries(cache)
    content = entry.read_bytes()
    if damage == "truncated":
        entry.write_bytes(content[: len(content) // 2])
    elif damage == "garbage":
        entry.write_bytes(b"not a shared object")
    elif damage == "flipped":
        entry.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    elif damage == "empty":
        entry.write_bytes(b"")
    elif damage == "writable":
        entry.chmod(0o777)
    else:
        other = tmp_path / "elsewhere.so"
        entry.rename(other)
        entry.symlink_to(other)
    _core.jit_reset()
    np.testing.assert_array_equal(values(fresh(), COMPILED), expected)
    assert kernels.statistics()["compiled"] == 1
    assert entries(cache) == [entry]
    assert not entry.is_symlink()
    assert stat.S_IMODE(entry.stat().st_mode) == 0o700


def test_folder_open_to_others_is_not_used(cache: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o770)
    expected = values(fresh(), INTERPRETER)
    program = fresh()
    with pytest.warns(RuntimeWarning, match="open to other users; run chmod 700"):
        np.testing.assert_array_equal(values(program, COMPILED), expected)
    assert _core.jit_is_compiled(program)  # compiled in a private place all the same
    assert not entries(cache)


def test_folder_of_another_user_is_not_used(cache: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    cache.mkdir(parents=True, mode=0o700)
    os.chown(cache, 12345, 12345)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        values(fresh(), COMPILED)
    assert not entries(cache)


def test_unusable_disk_gives_one_warning(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("FASTSFES_CACHE_DIR", str(blocked))
    monkeypatch.setenv("TMPDIR", str(blocked))
    expected = values(fresh(), INTERPRETER)
    with pytest.warns(RuntimeWarning, match="expressions are interpreted, with the same numbers"):
        np.testing.assert_array_equal(values(fresh(), COMPILED), expected)
    np.testing.assert_array_equal(values(fresh(), COMPILED), expected)  # no second warning: warnings are errors here


def test_read_only_folder_serves_and_is_not_written(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = values(fresh(), COMPILED)
    folder = tmp_path / "read-only"
    folder.mkdir()
    mount = ["mount", "--bind", "-o", "ro", str(tmp_path), str(folder)]
    code = (
        "import sys, warnings; warnings.simplefilter('error', RuntimeWarning)\n"
        "from fastsfes import _core\n"
        "p = lambda t: _core.Program([_core.Expression.parse(t)])\n"
        f"known = p({TEXT!r})\n"
        "known.evaluate([[0.5], [0.25]], [0.7], n=1, backend=2)\n"
        "assert _core.jit_statistics()['from_disk'] == 1\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    new = p('exp(x2) - w')\n"
        "    a = [new.evaluate([[0.5], [0.25]], [], n=1, backend=b)[0, 0] for b in (1, 2, 2)]\n"
        "    other = p('exp(x2) + w**3')\n"
        "    other.evaluate([[0.5], [0.25]], [], n=1, backend=2)\n"
        "assert a[0] == a[1] == a[2] and len(caught) == 1, caught\n"
        "print(caught[0].message)\n"
    )
    script = f"{shlex.join(mount)} && exec {shlex.join([sys.executable, '-c', code])}"
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "FASTSFES_CACHE_DIR": str(folder)},
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no mount namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "Read-only file system" in done.stdout or "cannot be written" in done.stdout
    np.testing.assert_array_equal(values(fresh(), INTERPRETER), expected)


@pytest.mark.parametrize("kind", ["absent", "failing", "crashing"])
def test_without_a_working_compiler(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    if kind != "absent":
        script = folder / "c++"
        script.write_text(
            "#!/bin/sh\necho 'this compiler is broken' >&2\n" + ("exit 3\n" if kind == "failing" else "kill -9 $$\n")
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)
    expected = values(fresh(), INTERPRETER)
    message = {"absent": "no C\\+\\+ compiler found", "failing": "exit status 3", "crashing": "signal 9"}[kind]
    with pytest.warns(RuntimeWarning, match=message):
        np.testing.assert_array_equal(values(fresh(), COMPILED), expected)
    program = fresh()
    np.testing.assert_array_equal(values(program, COMPILED), expected)
    assert not _core.jit_is_compiled(program)


def test_precompiled_kernels_serve_without_a_compiler(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _core.jit_precompile([fresh()]) == 1
    assert _core.jit_precompile([fresh()]) == 1
    assert kernels.statistics()["compiled"] == 1
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    _core.jit_reset()
    program = fresh()
    np.testing.assert_array_equal(values(program, COMPILED), values(program, INTERPRETER))
    assert _core.jit_is_compiled(program)
    assert kernels.statistics()["from_disk"] == 1


def test_other_compilers_have_entries_of_their_own(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values(fresh(), COMPILED)
    wrapper = tmp_path / "mycxx"
    compiler = fs.build_info()["jit"]["compiler"]
    wrapper.write_text(f'#!/bin/sh\nexec {compiler} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", str(wrapper))
    _core.jit_reset()
    assert fs.build_info()["jit"]["compiler"] == str(wrapper)
    values(fresh(), COMPILED)
    assert kernels.statistics()["compiled"] == 1
    assert len(entries(cache)) == 2


def test_constants_and_names_are_no_part_of_the_code(cache: Path) -> None:
    texts = ["3.5*exp(x2) + kappa", "-0.25*exp(w) + __import__os", "1e-9*exp(rho) + system"]
    programs = [_core.Program([_core.Expression.parse(t)]) for t in texts]
    assert len({_core.jit_key(p) for p in programs}) == 1
    source = _core.jit_source(programs[1])
    for word in ("import", "0.25", "kappa", "rho", "x2["):
        assert word not in source
    assert _core.jit_compile(programs) == 3
    assert kernels.statistics()["compiled"] == 1
    for t, p in zip(texts, programs, strict=True):
        assert p.evaluate([[0.3]], [2.0], n=1, backend=COMPILED) == p.evaluate(
            [[0.3]], [2.0], n=1, backend=INTERPRETER
        ), t


@pytest.mark.skipif(shutil.which("objdump") is None, reason="there is no objdump")
def test_kernels_leave_clean_registers(cache: Path) -> None:
    # what stays in the upper halves of vector registers slows down all code without AVX that follows
    if fs.build_info()["isa"] == "generic":
        pytest.skip("the registers have no upper halves")
    values(fresh(), COMPILED)
    (entry,) = entries(cache)
    code = subprocess.run(["objdump", "-d", str(entry)], capture_output=True, text=True, check=True).stdout
    assert "vzeroupper" in code


def test_many_share_a_translation_unit(cache: Path) -> None:
    programs = [Expression.parse(f"{'exp(' * k}-x2{')' * k} + c0*w**{k + 2}").program for k in range(12)]
    assert _core.jit_compile(programs) == 12
    units = kernels.statistics()["units"]
    assert 1 <= units <= 3  # one for each thread, with four kernels at least
    assert len(entries(cache)) == 12
    assert len({e.stat().st_ino for e in entries(cache)}) == units


def test_racing_processes_share_a_folder(cache: Path) -> None:
    code = (
        "from fastsfes import _core\n"
        f"p = _core.Program([_core.Expression.parse({TEXT!r})])\n"
        "out = p.evaluate([[0.5], [0.25]], [0.7], n=1, backend=2)\n"
        "assert _core.jit_is_compiled(p)\n"
        "print(float(out[0, 0]).hex())\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    results = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert len(results) == 1
    assert len(entries(cache)) == 1
    assert not list(cache.glob("tmp-*"))


@pytest.mark.slow
def test_memory_holds_the_most_recently_used(cache: Path) -> None:
    limit = 2048
    texts = [f"w**{a}*x2**{b}" for a in range(2, 48) for b in range(2, 50)]
    programs = [Expression.parse(text).program for text in texts]
    assert len(programs) > limit
    assert _core.jit_compile(programs) == len(programs)
    assert kernels.statistics()["in_memory"] == limit
    before = kernels.statistics()
    assert _core.jit_compile([Expression.parse(texts[-1]).program]) == 1  # recent: in memory
    assert _core.jit_compile([Expression.parse(texts[0]).program]) == 1  # left memory, still on disk
    after = kernels.statistics()
    assert after["from_memory"] == before["from_memory"] + 1
    assert after["from_disk"] == before["from_disk"] + 1
    assert after["compiled"] == before["compiled"]


def test_automatic_compiles_when_the_work_pays(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fresh()
    cost, compile_cost = _core.jit_costs(program)
    n = 100_000
    rng = np.random.default_rng(1)
    arrays = [rng.random(n), rng.random(n)]
    rounds = int(2.0 * compile_cost / (cost * n))  # the break-even of tiers.cpp
    assert rounds > 3
    first = program.evaluate(arrays, [0.7], n=n, backend=0)
    for _ in range(rounds - 2):
        program.evaluate(arrays, [0.7], n=n, backend=0)
    _core.jit_wait()
    assert not _core.jit_is_compiled(program)
    for _ in range(4):
        program.evaluate(arrays, [0.7], n=n, backend=0)
    _core.jit_wait()
    assert _core.jit_is_compiled(program)
    last = program.evaluate(arrays, [0.7], n=n, backend=0)
    np.testing.assert_array_equal(first, last)


def test_results_do_not_depend_on_threads(cache: Path) -> None:
    rng = np.random.default_rng(3)
    n = 50_021
    arrays = [rng.random(n), rng.random(n)]
    weights = rng.normal(size=n)
    weights[::7] = 0.0
    offsets = [0, 1, 300, 300, 17_001, n]
    program = fresh()
    sums = [
        program.segment_sums(arrays, [0.7], weights, offsets, threads=t, backend=b)
        for t in (1, 2, 5)
        for b in (INTERPRETER, COMPILED)
    ]
    for other in sums[1:]:
        np.testing.assert_array_equal(sums[0], other)
    whole = program.evaluate(arrays, [0.7], n=n)[0] * weights
    exact = [np.sum(whole[a:b]) for a, b in itertools.pairwise(offsets)]
    # sums of up to 33,000 terms of size 1, added in different orders
    np.testing.assert_allclose(sums[0][0], exact, rtol=0, atol=1e-10)
    # a row of weights for every output
    two = _core.Program([_core.Expression.parse(t) for t in (TEXT, "x2*p*w")])
    both = two.segment_sums(arrays, [0.7], np.stack([weights, weights[::-1]]), offsets)
    np.testing.assert_array_equal(both[0], sums[0][0])


def test_backend_is_chosen_by_name() -> None:
    before = kernels.backend()
    try:
        for name in ("interpreter", "compiled", "auto"):
            kernels.set_backend(name)
            assert kernels.backend() == name
            assert fs.build_info()["jit"]["backend"] == name
        with pytest.raises(fs.InputError, match="expected one of auto, interpreter, compiled"):
            kernels.set_backend("gpu")
    finally:
        kernels.set_backend(before)


def test_precompile_command(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.json"
    one = fs.Channel(Expression.parse("-0.7*rho**(4/3) - p*rho"), {"p": 0.1})
    fs.Functional("tiny", {"one": one}).to_json(path)
    assert main(["precompile", str(path), "--cache-dir", str(tmp_path / "out")]) == 0
    output = capsys.readouterr().out
    assert "7 kernels for" in output
    assert f"export FASTSFES_CACHE_DIR={tmp_path / 'out'}" in output
    assert list((tmp_path / "out" / "kernels").glob("*.so"))
    assert main(["precompile", "no such thing"]) == 2
    assert '"no such thing" is not registered' in capsys.readouterr().err
