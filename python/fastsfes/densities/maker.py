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
from ..functionals.registry import get_functional

__all__ = ["is_whole", "maker", "maker_frame", "maker_name", "maker_text", "own_maker"]


def maker_text(given: str) -> str:
    """What is stored for a functional that PySCF knows by this text, or that `fastsfes.load` reads.

    Raises:
        InputError: it is neither.
    """
    if is_whole(given) or _registered(given):
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
    return own_maker(stored) or LibxcFunctional(stored)


@lru_cache(maxsize=32)
def own_maker(stored: str) -> Functional | None:
    """The functional where PySCF has none of this name and we have; None where PySCF's name is meant."""
    if is_whole(stored):
        return Functional.from_dict(parse_json(stored, "xc"), "xc")
    try:
        LibxcFunctional(stored)
    except InputError:
        return _registered(stored)
    return None


@lru_cache(maxsize=32)
def maker_frame(stored: str) -> Frame:
    """Exact exchange, nonlocal correlation and correlation constants of such a functional."""
    own = own_maker(stored) or _registered(stored)  # PySCF may have it too; ours knows the constants of correlation
    return own.frame if own is not None else libxc_frame(LibxcFunctional(stored).code)


def maker_name(stored: str) -> str:
    """What tables call it."""
    return maker(stored).name if is_whole(stored) else stored


def is_whole(stored: str) -> bool:
    """Whether the text is a functional and no name."""
    return stored.lstrip().startswith("{")


def _registered(name: str) -> Functional | None:
    try:
        return get_functional(name)
    except InputError:
        return None
