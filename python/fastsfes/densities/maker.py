"""The functional that makes densities, as it is stored with them: PySCF's name, ours, or a whole functional as JSON.

A name is enough where everybody has the functional. Of any other the file says all there is to know.
"""

from __future__ import annotations

import json
from functools import lru_cache

from ..common.errors import InputError
from ..common.reading import parse_json
from ..functionals.frame import Frame
from ..functionals.functional import Functional
from ..functionals.libxc import LibxcFunctional, libxc_frame
from ..functionals.load import Comparison, load
from ..functionals.registry import get_functional, list_functionals

__all__ = ["maker", "maker_frame", "maker_name", "maker_text"]


def maker_text(given: str) -> str:
    """What is stored for a functional that PySCF knows by this text, or that `fastsfes.load` reads.

    Raises:
        InputError: it is neither.
    """
    if is_whole(given) or given.strip().lower() in list_functionals():
        return given
    try:
        LibxcFunctional(given)
    except InputError as unknown:
        if given.replace("_", "").replace("-", "").isalnum():  # a name, and libxc says best what is wrong with it
            raise unknown from None
        return json.dumps(load(given).to_dict(), separators=(",", ":"))
    return given


@lru_cache(maxsize=32)
def maker(stored: str) -> Comparison:
    """The functional of `maker_text`'s form; of a name that PySCF and we know, PySCF's.

    Raises:
        InputError: nobody knows it.
    """
    if is_whole(stored):
        return Functional.from_dict(parse_json(stored, "xc"), "xc")
    try:
        return LibxcFunctional(stored)
    except InputError as unknown:
        try:
            return get_functional(stored)
        except InputError:
            raise unknown from None


@lru_cache(maxsize=32)
def maker_frame(stored: str) -> Frame:
    """Exact exchange, nonlocal correlation and correlation constants of such a functional."""
    if is_whole(stored):
        functional = maker(stored)
        assert isinstance(functional, Functional)
        return functional.frame
    try:
        return get_functional(stored).frame
    except InputError:
        return libxc_frame(LibxcFunctional(stored).code)  # which refuses what is no functional


def maker_name(stored: str) -> str:
    """What tables call it."""
    return maker(stored).name if is_whole(stored) else stored


def is_whole(stored: str) -> bool:
    """Whether the text is a functional and no name."""
    return stored.lstrip().startswith("{")
