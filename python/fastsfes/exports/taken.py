"""Names that the programs have for functionals of their own: an exported one must not overwrite or shadow them.

Asked of the libraries that PySCF brings, not of a list that would age.
"""

from __future__ import annotations

import ctypes
import re
from functools import lru_cache
from itertools import count, takewhile

from ..common.errors import InputError

__all__ = ["check_name"]

_PROGRAMS = {"libxc": "libxc", "xcfun": "XCFun"}


@lru_cache
def _libxc_names() -> frozenset[str]:
    """Names of libxc's functionals, as pbe of gga_x_pbe."""
    from pyscf.dft import libxc

    heads = re.compile(r"(hyb_)?(lda|gga|mgga|hgga)_(x|c|xc|k)_")
    return frozenset(heads.sub("", name.lower(), count=1) for name in libxc.available_libxc_functionals())


@lru_cache
def _xcfun_names() -> frozenset[str]:
    """Names of XCFun's functionals, parameters and aliases."""
    from pyscf.dft import xcfun

    names = set[str]()
    for function in ("xcfun_enumerate_parameters", "xcfun_enumerate_aliases"):
        enumerate_ = getattr(xcfun._itrf, function)
        enumerate_.restype = ctypes.c_char_p
        names |= {name.decode().lower() for name in takewhile(bool, map(enumerate_, count()))}
    return frozenset(names)


def check_name(name: str, program: str) -> None:
    """Refuse a name that a program ("libxc", "xcfun") has already; underscores do not tell names apart.

    Raises:
        InputError: says which name it is and what to do.
    """
    taken = {"libxc": _libxc_names, "xcfun": _xcfun_names}[program]()
    for other in sorted(taken):
        if re.sub(r"\W|_", "", other) == name.replace("_", ""):
            raise InputError(
                f'{_PROGRAMS[program]} has a functional of its own called "{other}", which files and names of the '
                f"exported one would overwrite or shadow; choose another name, for example --name my_{name}"
            )
