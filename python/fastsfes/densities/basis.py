"""Basis sets and effective core potentials (ECPs) by name, as numbers.

PySCF's readers take a name, a file of that name, or the text of a basis set, and evaluate what they cannot read as a
number. Names come from files of strangers. So a name is looked up in PySCF's own list here, read from PySCF's own
tables, and PySCF is given numbers ever after.

A basis set made for an ECP holds no functions for the core. Such a set without its ECP gives energies that are wrong
by many hartree and look converged; `check_core` refuses it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from ..common.errors import InputError

__all__ = [
    "CUSTOM",
    "NO_ECP",
    "OWN_ECP",
    "auxiliary_tables",
    "check_core",
    "check_molecule",
    "element_of",
    "has_ecp",
    "is_ghost",
    "labels_of",
    "orbital_tables",
    "plain_symbol",
    "plain_tables",
    "shells_of",
]

#: ECPs as they are spelt in files and on the command line: those that belong to the basis set, and none at all.
OWN_ECP, NO_ECP = "default", "none"

#: Label of a basis set or ECP that is not one of PySCF's by name.
CUSTOM = "custom"

#: No file has a name as long as this, so PySCF, which ignores dashes in the names of its basis sets, follows none.
_NO_FILE = "-" * 256

#: Options that may follow a name: Pople's polarisation functions, and a shorter contraction.
_POPLE = re.compile(r"(\d-?\d{2,3}\+{0,2}g\*{0,2})(\(([1-9]?[spdf])+(,([1-9]?[spdf])+)?\))?", re.IGNORECASE)
_CONTRACTION = re.compile(r"(\d{1,2}[spdfghi])+", re.IGNORECASE)

#: Tables of one element: shells of a basis set, or the core electrons and terms of an ECP.
Table = list[Any]


def element_of(symbol: str) -> str:
    """Element of an atom's symbol; that of the basis functions for a ghost atom."""
    return re.sub(r"^(ghost|gh|x)[-_.:]", "", symbol, flags=re.IGNORECASE)


def plain_symbol(symbol: str) -> str:
    """Symbol without a label, as `fastsfes.datasets.Species` has it."""
    element = "".join(letter for letter in element_of(symbol) if letter.isalpha()).capitalize()
    return f"ghost-{element}" if is_ghost(symbol) else element


def is_ghost(symbol: str) -> bool:
    """Whether the atom has basis functions and no nucleus."""
    return element_of(symbol) != symbol


def orbital_tables(symbols: Iterable[str], basis: str, ecp: str = OWN_ECP) -> tuple[dict[str, Table], dict[str, Table]]:
    """Shells and ECPs of the atoms, by symbol, as PySCF takes them in ``basis`` and ``ecp``.

    Args:
        symbols: of the atoms; ghost atoms get the shells of their element and no ECP.
        basis: name of a basis set in PySCF.
        ecp: name of a set of ECPs, `OWN_ECP` for those that PySCF has under the name of the basis set, or `NO_ECP`.

    Raises:
        InputError: PySCF has no basis set of that name for an element, no ECP for any of them, or the shells are too
            few for the electrons that the ECP leaves.
    """
    shells: dict[str, Table] = {}
    potentials: dict[str, Table] = {}
    for symbol in sorted(set(symbols)):
        element = element_of(symbol)
        shells[symbol] = shells_of(basis, element)
        potential = _potential(basis if ecp.lower() == OWN_ECP else ecp, element) if ecp.lower() != NO_ECP else []
        if potential and not is_ghost(symbol):
            potentials[symbol] = potential
        check_core(element, shells[symbol], potential, f"basis set {basis}")
    return shells, potentials


def auxiliary_tables(mol: Any, name: str) -> dict[str, Table]:
    """Shells of a density-fitting basis for all atoms of a molecule; "autoaux" generates them."""
    if name.lower() == "autoaux":
        from pyscf.df import autoaux

        return {symbol: list(shells) for symbol, shells in autoaux(mol).items()}
    return {symbol: shells_of(name, element_of(symbol)) for symbol in {mol.atom_symbol(i) for i in range(mol.natm)}}


def has_ecp(symbols: Iterable[str], basis: str, ecp: str) -> bool:
    """Whether any of the atoms gets an ECP; a basis set that is not known has none."""
    try:
        return bool(orbital_tables(symbols, basis, ecp)[1])
    except InputError:
        return False


def check_core(element: str, shells: Table, potential: Table, what: str) -> None:
    """Whether a basis set has functions for every shell of electrons that the ECP leaves.

    Raises:
        InputError: says how many functions are there and how many are needed.
    """
    from pyscf.data.elements import CONFIGURATION, charge
    from pyscf.gto.ecp import core_configuration

    functions = np.zeros(20, dtype=int)
    for shell in shells:
        functions[shell[0]] += len(shell[-1]) - 1
    replaced = core_configuration(potential[0], atom_symbol=element) if potential else [0] * 4
    for angular, electrons in enumerate(CONFIGURATION[charge(element)]):
        needed = -(-electrons // (4 * angular + 2)) - replaced[angular]
        if functions[angular] < needed:
            core = f"an ECP of {potential[0]} electrons" if potential else "no ECP"
            raise InputError(
                f"{what} has {functions[angular]} {'spdf'[angular]} functions for {element}, whose atom with {core} "
                f"needs {needed}: it belongs to an ECP that is not there; give the name of its ECP"
            )


def check_molecule(mol: Any) -> None:
    """`check_core` for all atoms of a PySCF molecule."""
    for symbol in {mol.atom_symbol(i) for i in range(mol.natm)}:
        if not is_ghost(symbol) and symbol in mol._basis:
            check_core(element_of(symbol), mol._basis[symbol], mol._ecp.get(symbol, []), "its basis set")


def labels_of(mol: Any, basis: str, ecp: str) -> tuple[str, str]:
    """Names of the basis set and of the ECPs of a molecule: those given where their numbers are the molecule's.

    A name is what somebody wrote; the tables are what is computed with. Where they differ, the label is `CUSTOM`.
    """
    symbols = [mol.atom_symbol(i) for i in range(mol.natm)]
    labels = []
    for name, kind in ((basis, 0), (ecp, 1)):
        own = (mol._basis, mol._ecp)[kind]
        try:
            tables = _named(symbols, name, kind)
        except InputError:
            tables = None
        labels.append(name.lower() if tables is not None and _same(tables, own, symbols) else CUSTOM)
    if not mol._ecp:
        labels[1] = NO_ECP
    return labels[0], labels[1]


def _named(symbols: list[str], name: str, kind: int) -> dict[str, Table]:
    load = (shells_of, _potential)[kind]
    found = {symbol: load(name, element_of(symbol)) for symbol in set(symbols) if not (kind and is_ghost(symbol))}
    return {symbol: table for symbol, table in found.items() if table}


def _same(a: Mapping[str, Table], b: Mapping[str, Table], symbols: list[str]) -> bool:
    """Whether the tables of all atoms hold the same numbers."""

    def of(tables: Mapping[str, Table], symbol: str) -> Any:
        table = tables.get(symbol)
        if table is None and not is_ghost(symbol):
            table = tables.get("".join(c for c in symbol if c.isalpha()))
        return plain_tables(table) if table is not None else None

    return all(of(a, symbol) == of(b, symbol) for symbol in symbols)


def plain_tables(tables: Any) -> Any:
    """Nested lists of numbers, as they are; anything else in them is refused.

    Raises:
        TypeError: for text, or whatever else is no number.
    """
    if isinstance(tables, (bool, str, bytes)) or not isinstance(tables, (int, float, list, tuple, np.ndarray)):
        raise TypeError(f"{type(tables).__name__} in a table of numbers")
    return [plain_tables(entry) for entry in tables] if isinstance(tables, (list, tuple, np.ndarray)) else tables


@lru_cache(maxsize=4096)
def shells_of(name: str, element: str) -> Table:
    """Shells of an element in a basis set of PySCF's list.

    Raises:
        InputError: there is none of that name, or the element is not in it.
    """
    from pyscf import gto

    plain, uncontracted = name.strip(), name.strip().lower().startswith("unc")
    if uncontracted:
        plain = plain[3:].lstrip("-")
    _on_the_list(plain, name)
    base, _, contraction = plain.partition("@")
    try:
        with warnings.catch_warnings():
            # The exception below says it better than PySCF's advice to install another package.
            warnings.filterwarnings("ignore", message="Basis may be available")
            shells = gto.basis.load(base + _NO_FILE + ("@" + contraction if contraction else ""), element)
    except (KeyError, RuntimeError, ValueError, AssertionError, OSError) as error:
        raise InputError(f"PySCF has no basis set {name!r} for {element}") from error
    if not shells:
        raise InputError(f"PySCF has no basis set {name!r} for {element}")
    return list(gto.uncontract(shells) if uncontracted else shells)


@lru_cache(maxsize=4096)
def _potential(name: str, element: str) -> Table:
    """Core electrons and terms of an element in a set of ECPs of PySCF's list; empty when it has none there."""
    from pyscf import gto

    plain = name.strip().partition("@")[0]
    plain = plain[3:].lstrip("-") if plain.lower().startswith("unc") else plain
    if not _listed(plain):
        _on_the_list(plain, name)
        return []  # a basis set of Pople's with its options
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="ECP may be available")
            return list(gto.basis.load_ecp(plain + _NO_FILE, element) or [])
    except (KeyError, RuntimeError, ValueError, OSError):
        return []


def _listed(name: str) -> bool:
    from pyscf.gto import basis

    key = basis._format_basis_name(name)
    return bool(key) and isinstance(basis.ALIAS.get(key), (str, tuple, list))


def _on_the_list(name: str, given: str) -> None:
    from pyscf.gto import basis

    base, at, contraction = name.partition("@")
    if at and not _CONTRACTION.fullmatch(contraction):
        raise InputError(f"basis set {given[:80]!r}: {contraction[:40]!r} is no contraction such as 3s2p1d")
    if _listed(base):
        return
    pople = _POPLE.fullmatch(base)
    if pople is None or basis._format_basis_name(pople[1]) not in basis.ALIAS:
        raise InputError(
            f"PySCF has no basis set {given[:80]!r}; expected a name on its list, such as def2-tzvp, cc-pvtz or lanl2dz"
        )
