"""Compiled kernels: who evaluates expressions, the kernel cache, and compiling ahead of time.

Every expression can be evaluated at once by the interpreter. Where the work pays for it, it is lowered to C++,
compiled by the system's compiler, and kept in memory and on disk; interpreter and kernel give the same bits, so the
choice is one of speed only. Without a compiler one `RuntimeWarning` is given and the interpreter goes on.
Compilers run in the background while the interpreter serves, and are ended with the process; forked children start
none there.

Environment: FASTSFES_BACKEND ("auto", "interpreter", "compiled"), FASTSFES_CACHE_DIR (kernels are kept in its folder
``kernels``; by default in the node's temporary space), FASTSFES_ISA, CXX. What they may not hold is an `InputError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

from .. import _core
from ..common.errors import InputError
from ..formula.expression import Expression
from .functional import Functional, _compiled

__all__ = [
    "Backend",
    "backend",
    "clear_cache",
    "compile_expressions",
    "compile_functional",
    "compile_in_background",
    "interpreted",
    "precompile",
    "set_backend",
    "statistics",
    "wait",
]

Backend = Literal["auto", "interpreter", "compiled"]
_BACKENDS: tuple[Backend, ...] = get_args(Backend)
Isa = Literal["generic", "avx2", "avx512"]


def backend() -> Backend:
    """Who evaluates expressions in this process."""
    return _BACKENDS[_core.jit_backend()]


def set_backend(name: Backend) -> None:
    """Choose who evaluates expressions in this process.

    "auto": the interpreter; a kernel is compiled in the background from the first use of a functional on, and for other
    expressions once the work pays for it. "interpreter": never compile. "compiled": compile before the first
    evaluation.
    """
    if name not in _BACKENDS:
        raise InputError(f"backend {name!r} is unknown; expected one of {', '.join(_BACKENDS)}")
    _core.jit_set_backend(_BACKENDS.index(name))


@contextmanager
def interpreted() -> Iterator[None]:
    """Compile nothing on the way: for many functionals that are evaluated a few times each."""
    before = backend()
    set_backend("interpreter")
    try:
        yield
    finally:
        set_backend(before)


def compile_expressions(expressions: Iterable[Expression]) -> int:
    """Compile many expressions together, which costs a fraction of one at a time; returns how many have a kernel."""
    return _core.jit_compile([e.program for e in expressions])


def compile_functional(functional: Functional, *, deriv: int = 1, polarised: bool = False) -> bool:
    """Compile the energy density of a functional with its derivatives; False without a working compiler."""
    return _core.jit_compile([_compiled(functional, polarised, deriv).program]) == 1


def compile_in_background(functional: Functional, *, deriv: int = 1, polarised: bool = False) -> None:
    """Begin to compile what `compile_functional` does and return at once; the interpreter serves meanwhile."""
    _core.jit_compile_in_background([_compiled(functional, polarised, deriv).program])


def wait() -> None:
    """Wait until all kernels that are being compiled in the background are made, or have failed."""
    _core.jit_wait()


def precompile(functionals: Iterable[Functional], isa: Isa | None = None) -> tuple[int, int]:
    """Fill the disk cache with all that evaluating and validating these functionals needs.

    For nodes without a compiler: run it where there is one, with FASTSFES_CACHE_DIR on a file system that both see.

    Args:
        functionals: energy densities of derivative order 0 to 2, unpolarised and polarised, and every channel's
            enhancement factor are compiled.
        isa: instruction set of the nodes that will run them; by default this processor's.

    Returns:
        How many kernels are in the cache now, and how many were wanted.
    """
    programs = [
        program
        for f in functionals
        for program in (
            *(_compiled(f, polarised, deriv).program for polarised in (False, True) for deriv in (0, 1, 2)),
            *(channel.expression.program for channel in f.channels.values()),
        )
    ]
    return _core.jit_precompile(programs, isa or ""), len(programs)


def statistics() -> dict[str, Any]:
    """Kernels compiled, loaded from disk and found in memory so far, compiler runs and their seconds."""
    return _core.jit_statistics()


def clear_cache() -> int:
    """Remove all kernels from the disk cache and forget those in memory; returns how many files went."""
    _core.jit_reset()
    return _core.jit_clear_disk()
