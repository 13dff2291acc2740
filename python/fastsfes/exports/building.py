"""Shared libraries from exported C: one of its own for a path that ends in .so, and libxc from its sources."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from ..common.errors import FastsfesError, InputError

__all__ = ["build_drawing", "build_preload", "build_torch", "build_tree"]


def build_preload(source: Path, library: Path, prefix: Path | None) -> None:
    """Compile the C file of "libxc-preload" with the libxc of the system, or that below `prefix`.

    The compiler is that of the environment variable CC, else cc.

    Raises:
        InputError: when the prefix has no libxc.
        FastsfesError: when it cannot be compiled; says the command and the compiler's first error.
    """
    where: list[str] = []
    if prefix is not None:
        include = prefix / "include"
        libraries = next((prefix / d for d in ("lib", "lib64") if (prefix / d).is_dir()), None)
        if not (include / "xc.h").is_file() or libraries is None:
            raise InputError(f"{prefix}: no include/xc.h and lib there; expected the prefix of an installed libxc")
        where = [f"-I{include}", f"-L{libraries}", f"-Wl,-rpath,{libraries}"]
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    # libxc must be a dependency although only the dynamic linker is asked for it: programs may hide theirs
    options = ["-std=gnu99", "-O2", "-shared", "-fPIC", str(source), "-o", str(library), *where]
    command = [*compiler, *options, "-Wl,--no-as-needed", "-lxc", "-lm", "-ldl"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise FastsfesError(f"{source} was written but not compiled: {compiler[0]}: {error.strerror}") from None
    if done.returncode:
        lines = done.stderr.splitlines()
        first = next((line for line in lines if "error" in line), lines[0] if lines else "no message")
        raise FastsfesError(
            f"{source} was written but not compiled: {first}\nthe command was {shlex.join(command)}\nlibxc's "
            "header and library are needed (Debian: libxc-dev; elsewhere --libxc PREFIX)"
        )


def build_torch(source: Path, model: Path, libxc: Path | None) -> None:
    """Write the TorchScript of an exported Python file, by that file; it has nothing to do with libxc.

    Raises:
        FastsfesError: when it cannot be written, such as without PyTorch; says the last line of the error.
    """
    done = subprocess.run([sys.executable, str(source), str(model)], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FastsfesError(
            f"{source} was written, but not {model.name}: {last} (with PyTorch: python {source.name} {model.name})"
        )


def build_drawing(source: Path, drawing: Path, libxc: Path | None) -> None:
    """Draw a file of "dot" with Graphviz, as SVG or PDF by the ending; it has nothing to do with libxc.

    Raises:
        FastsfesError: when it cannot be drawn, such as without Graphviz.
    """
    command = ["dot", f"-T{drawing.suffix[1:].lower()}", str(source), "-o", str(drawing)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        reason = f"dot: {error.strerror}; Graphviz is needed (Debian: graphviz)"
        raise FastsfesError(f"{source} was written but not drawn: {reason}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FastsfesError(f"{source} was written but not drawn: {last}\nthe command was {shlex.join(command)}")


def build_tree(tree: Path, prefix: Path) -> Path:
    """Compile libxc's sources with CMake in `prefix`/build and install them below `prefix`; returns the library.

    First and second derivatives are compiled, which is what exported functionals have. The compiler and its flags are
    those of the environment variables CC and CFLAGS, the number of compilers at once that of
    CMAKE_BUILD_PARALLEL_LEVEL, else that of the cores.

    Raises:
        FastsfesError: when it cannot be compiled; says the command and the first error.
    """
    build = prefix / "build"
    options = {
        "CMAKE_INSTALL_PREFIX": str(prefix.resolve()),
        "CMAKE_INSTALL_LIBDIR": "lib",
        "CMAKE_POLICY_VERSION_MINIMUM": "3.5",  # CMake 4 refuses the 3.1 that libxc asks for
        "BUILD_SHARED_LIBS": "ON",
        "BUILD_TESTING": "OFF",
        "ENABLE_XHOST": "OFF",  # the library may be for another machine
        "DISABLE_KXC": "ON",
        "DISABLE_LXC": "ON",
    }
    defined = [f"-D{name}={value}" for name, value in options.items()]
    _run(["cmake", "-S", str(tree), "-B", str(build), *defined], tree)
    _run(
        [
            "cmake",
            "--build",
            str(build),
            "--parallel",
            os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count())),
        ],
        tree,
    )
    _run(["cmake", "--install", str(build)], tree)
    return prefix / "lib" / "libxc.so"


def _run(command: list[str], tree: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise FastsfesError(
            f"the functional is in {tree}, but libxc was not compiled: {command[0]}: {error.strerror} (cmake 3.15 or "
            "later is needed)"
        ) from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        where = next((k for k, line in enumerate(lines) if "rror" in line), 0)
        first = " ".join(lines[where : where + 2]) or "no message"  # CMake's reason stands below its place
        raise FastsfesError(
            f"the functional is in {tree}, but libxc was not compiled: {first}\nthe command was {shlex.join(command)}"
        )
