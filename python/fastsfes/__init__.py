"""fastsfes: symbolic search for exchange-correlation functionals.

The names of the package, and the modules that make them, stand in ``__init__.pyi``. A name is imported when it is first
used: a command that prints a help text need not wait for SciPy.
"""

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import common as common  # first of all: it holds signals until commands can answer them
from ._core import __version__ as __version__


def _homes() -> dict[str, str]:
    """Public name -> the module that it is imported from."""
    stub = ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    return {
        alias.name: "." * node.level + (node.module or "")
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


_HOMES = _homes()
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = __name__
    if name in _HOMES:
        made = import_module(_HOMES[name], __name__)
        if hasattr(made, name):
            globals()[name] = value = getattr(made, name)
            return value
        home = made.__name__
    if find_spec(f"{home}.{name}") is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = import_module(f"{home}.{name}")
    return value


def __dir__() -> list[str]:
    return list(__all__)
