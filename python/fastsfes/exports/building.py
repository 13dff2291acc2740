"""Shared libraries from exported C, for formats that are one: a path that ends in .so is compiled."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from ..common.errors import FastsfesError, InputError

__all__ = ["build_preload"]


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
