"""Memory that a process may have."""

from __future__ import annotations

import sys

from .errors import FastsfesError

__all__ = ["LEAST", "check_memory"]

LEAST = 600 << 20
"""Bytes of address space with which NumPy and the packaged data are loaded; a search takes some more."""


def check_memory() -> None:
    """Refuse to start where a limit leaves too little: libraries would try again and again, or call data damaged.

    Raises:
        FastsfesError: when the limit on this process is below `LEAST`.
    """
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST:
        raise FastsfesError(
            f"memory is limited to {limit >> 20} MB (ulimit -v); fastsfes needs {LEAST >> 20} MB at least, a search "
            f"about 1000 MB per process: raise the limit"
        )
