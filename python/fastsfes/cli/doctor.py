"""``fastsfes doctor``: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .._core import __version__, build_info
from ..common.errors import FastsfesError, InputError
from ..datasets.packaged import PACKAGED
from ..datasets.places import user_folder
from ..executors.threads import THREAD_VARIABLES, available_cores
from ..formula.expression import Expression
from ..functionals import kernels

OPTIONAL = (
    ("matplotlib", "plot", "pictures of fastsfes analyse"),
    ("ase", "dataset", "building the dataset builtin anew"),
    ("distributed", "dask", "--executor dask:..."),
    ("pyscf-dispersion", "", "D3 and D4 corrections in PySCF"),
    ("pandas", "", "Run.to_dataframe()"),
)
"""Package, the extra of fastsfes that brings it, what it is for."""

COMMANDS = (
    ("mpiexec", "an MPI library (Debian: openmpi-bin libopenmpi-dev)", "--executor mpi"),
    ("sbatch", "a Slurm cluster", "the scripts of jobs/"),
)
"""Command, where it comes from, what it is for."""

_SECONDS = 60
"""For a child that asks a library for its version; one that hangs is a fault to report."""


@dataclass(frozen=True)
class Finding:
    """One line of the answer."""

    topic: str
    state: str
    """"ok", "absent" (optional, and not there) or "broken" (needed, or there and out of order)."""
    text: str
    remedy: str = ""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser(
        "doctor",
        description="Tries what fastsfes needs and what it can use. Exit status 1 when something is broken; "
        "what is optional may be absent.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    findings = []
    for check in _CHECKS:
        findings += list(check())
    if arguments.json:
        print(json.dumps([asdict(f) for f in findings], indent=1))
    else:
        print(format_findings(findings))
    return int(any(f.state == "broken" for f in findings))


def format_findings(findings: list[Finding]) -> str:
    """One line per finding, and one for each remedy."""
    width = max(len(f.topic) for f in findings)
    lines = []
    for f in findings:
        lines.append(f"{f.state:6}  {f.topic:{width}}  {f.text}")
        if f.remedy:
            lines.append(f"{'':6}  {'':{width}}  -> {f.remedy}")
    broken = sum(f.state == "broken" for f in findings)
    lines += ["", f"{broken} of {len(findings)} broken" if broken else "nothing is broken"]
    return "\n".join(lines)


def _program() -> Iterator[Finding]:
    info = build_info()
    yield Finding("fastsfes", "ok", f"{__version__} in {Path(__file__).parents[1]}, Python {platform.python_version()}")
    yield Finding("core", "ok", f"{info['compiler']}, {info['flags']}; kernels for {info['isa']}")
    if info["openmp"]:
        yield Finding("OpenMP", "ok", f"version {info['openmp']}")
    else:
        yield Finding(
            "OpenMP", "broken", "the core was built without it and uses one thread",
            "install OpenMP for the compiler (macOS: brew install libomp), then pip install again",
        )  # fmt: skip


def _compiler() -> Iterator[Finding]:
    before = kernels.backend()
    kernels.set_backend("compiled")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            made = kernels.compile_expressions([Expression.parse("c0 + c1*u(x2, g) + c2*w")])
    except InputError as error:  # of FASTSFES_CACHE_DIR, CXX, ...
        yield Finding("run-time compiler", "broken", str(error), "correct the variable, or unset it")
        return
    finally:
        kernels.set_backend(before)
    info = build_info()["jit"]
    if made:
        yield Finding("run-time compiler", "ok", info["compiler"])
    else:
        yield Finding(
            "run-time compiler", "absent", "kernels cannot be compiled; the interpreter gives the same bits, slower",
            "install g++ or clang++, or name one in CXX; or fill the cache elsewhere: fastsfes precompile --help",
        )  # fmt: skip
    if info["cache_problem"]:
        yield Finding(
            "kernel cache", "broken", f"{info['cache']}: {info['cache_problem']}",
            "FASTSFES_CACHE_DIR names a folder that you alone can write",
        )  # fmt: skip
    else:
        yield Finding("kernel cache", "ok", str(info["cache"]))


def _libraries() -> Iterator[Finding]:
    yield Finding("libraries", "ok", ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "h5py")))
    try:
        from ..functionals.pyscf import check_version

        check_version()
    except (ImportError, OSError) as error:
        yield Finding("PySCF", "broken", f"cannot be imported: {error}", "pip install --force-reinstall pyscf")
    except FastsfesError as error:
        yield Finding("PySCF", "broken", str(error), 'pip install "pyscf>=2.11"')
    else:
        yield Finding("PySCF", "ok", version("pyscf"))


def _optional() -> Iterator[Finding]:
    for name, extra, purpose in OPTIONAL:
        try:
            yield Finding(name, "ok", f"{version(name)}: {purpose}")
        except PackageNotFoundError:
            yield Finding(
                name, "absent", f"for {purpose}", f'pip install "fastsfes[{extra}]"' if extra else f"pip install {name}"
            )
    yield _mpi4py()
    for name, source, purpose in COMMANDS:
        found = shutil.which(name)
        if found:
            yield Finding(name, "ok", f"{found}: {purpose}")
        else:
            yield Finding(name, "absent", f"for {purpose}", f"comes with {source}")


def _mpi4py() -> Finding:
    purpose = "--executor mpi"
    try:
        found = version("mpi4py")
    except PackageNotFoundError:
        return Finding("mpi4py", "absent", f"for {purpose}", 'pip install "fastsfes[mpi]", and an MPI library')
    # in a process of its own: a library that does not fit ends the process that loads it
    code = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"
    try:
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=_SECONDS)
        said, failed = (asked.stdout or asked.stderr).strip().splitlines(), asked.returncode != 0
    except subprocess.TimeoutExpired:
        said, failed = [f"no answer in {_SECONDS} s"], True
    if failed:
        last = said[-1] if said else "ended without a word"
        return Finding(
            "mpi4py", "absent", f"{found} finds no MPI library: {last}",
            f"for {purpose}: install {COMMANDS[0][1]}, or load the cluster's module",
        )  # fmt: skip
    return Finding("mpi4py", "ok", f"{found} with {said[0].partition(',')[0] if said else 'MPI'}: {purpose}")


def _machine() -> Iterator[Finding]:
    given = {name: os.environ[name] for name in (*THREAD_VARIABLES, "SLURM_CPUS_PER_TASK") if name in os.environ}
    text = f"{available_cores()} of {os.cpu_count()} cores may be used"
    yield Finding("threads", "ok", ", ".join([text, *(f"{name}={value}" for name, value in given.items())]))
    total = memory()
    if total is not None:
        few = total < 2 * 2**30
        yield Finding(
            "memory", "broken" if few else "ok", f"{total / 2**30:.1f} GiB may be used",
            "a search needs about 1 GiB; ask the batch system for more" if few else "",
        )  # fmt: skip
    scratch = Path(os.environ.get("PYSCF_TMPDIR") or tempfile.gettempdir())
    yield _folder("scratch", scratch, "PYSCF_TMPDIR or TMPDIR names another folder")


def memory() -> int | None:
    """Bytes that this process may use: those of the machine, or of its control group where that is less."""
    found = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found.append(int(Path(name).read_text()))
        except (OSError, ValueError):  # there is none, or it is "max"
            continue
    return min(found, default=None)


def _data() -> Iterator[Finding]:
    lost = [name for name, path in PACKAGED.items() if not path.is_file()]
    if lost:
        yield Finding("datasets", "broken", f"{', '.join(lost)}: the file is absent", "pip install fastsfes again")
    else:
        yield Finding("datasets", "ok", f"{', '.join(PACKAGED)} are packaged")
    remedy = "FASTSFES_DATA names another folder"
    try:
        yield _folder("own datasets", user_folder(), remedy)
    except InputError as error:  # there is no home
        yield Finding("own datasets", "broken", str(error), remedy)


def _folder(topic: str, folder: Path, remedy: str) -> Finding:
    """Whether a file can be made in a folder, or in what is there of the path to it."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(topic, "broken", f"{folder}: {error.strerror}", remedy)
    return Finding(topic, "ok", f"{folder}, {free / 1e9:.0f} GB free")


_CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (_program, _compiler, _libraries, _optional, _machine, _data)
