"""PySCF molecules as JSON text, read back without running anything.

PySCF's own ``Mole.loads`` passes parts of the text to ``eval``; a file from a stranger must not get
that far. Here the integral tables are taken from the JSON, checked, and set on a fresh molecule.
"""

from __future__ import annotations

import ast
import json
from typing import Any

import numpy as np

from ..errors import FastsfesError

_MAX_ANGULAR = 12
_ATM_COLUMNS, _BAS_COLUMNS = 6, 8


class MoleError(FastsfesError):
    """The stored molecule is damaged; the message says which part."""


def dump_mole(mol: Any) -> str:
    """JSON text of a PySCF molecule (``Mole.dumps``)."""
    return str(mol.dumps())


def load_mole(text: str, where: str = "stored molecule") -> Any:
    """Rebuild a PySCF molecule from `dump_mole` text; nothing in it is evaluated.

    Parameters
    ----------
    text: JSON as written by ``Mole.dumps``.
    where: file and record, for error messages.
    """
    from pyscf import gto

    try:
        stored = json.loads(text)
        atm = np.array(stored["_atm"], dtype=np.int32).reshape(-1, _ATM_COLUMNS)
        bas = np.array(stored["_bas"], dtype=np.int32).reshape(-1, _BAS_COLUMNS)
        env = np.array(stored["_env"], dtype=np.float64)
        ecpbas = np.array(stored.get("_ecpbas", []), dtype=np.int32).reshape(-1, _BAS_COLUMNS)
        atoms = [(str(symbol), [float(x) for x in xyz]) for symbol, xyz in stored["_atom"]]
        charge, spin = int(stored.get("charge", 0)), int(stored.get("spin") or 0)
    except (ValueError, KeyError, TypeError) as error:
        raise MoleError(f"{where}: the molecule cannot be read ({type(error).__name__}: {error})") from error
    _check(atm, bas, env, ecpbas, len(atoms), where)
    mol = gto.Mole()
    mol.verbose = 0
    mol._atm, mol._bas, mol._env, mol._ecpbas, mol._atom = atm, bas, env, ecpbas, atoms
    mol.charge, mol.spin = charge, spin
    mol.cart = bool(stored.get("cart", False))
    mol.unit = "Bohr"
    mol.atom = atoms
    mol.symmetry = False
    mol.basis = _literal(stored.get("basis"), {})
    mol.ecp = _literal(stored.get("ecp"), {})
    mol._basis = stored.get("_basis") if isinstance(stored.get("_basis"), dict) else {}
    mol._ecp = stored.get("_ecp") if isinstance(stored.get("_ecp"), dict) else {}
    mol.max_memory = 4000
    mol._built = True
    electrons = int(mol.atom_charges().sum()) - charge
    if electrons < 0 or spin < 0 or spin > electrons or (electrons - spin) % 2:
        raise MoleError(f"{where}: charge {charge} and spin {spin} do not fit {electrons} electrons")
    return mol


def _literal(text: Any, default: Any) -> Any:
    """Parse a Python literal (a basis name or dictionary); anything else gives the default."""
    if not isinstance(text, str):
        return default
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return default


def _check(atm: np.ndarray, bas: np.ndarray, env: np.ndarray, ecpbas: np.ndarray, natoms: int, where: str) -> None:
    """The integral code trusts these tables: a pointer out of range would read foreign memory."""
    if len(atm) != natoms or natoms == 0 or len(bas) == 0:
        raise MoleError(f"{where}: {len(atm)} rows of atoms and {len(bas)} of shells for {natoms} atoms")
    if not np.all(np.isfinite(env)):
        raise MoleError(f"{where}: an exponent, coefficient or coordinate is NaN or infinite")
    size = len(env)
    coordinates, zeta = atm[:, 1], atm[:, 3]
    good = bool(np.all((coordinates >= 0) & (coordinates + 3 <= size) & (zeta >= 0) & (zeta < size)))
    for shells, is_ecp in ((bas, False), (ecpbas, True)):
        if not len(shells):
            continue
        primitives, contractions = shells[:, 2].astype(np.int64), np.maximum(shells[:, 3], 1).astype(np.int64)
        if is_ecp:
            contractions = np.ones_like(primitives)
        good &= bool(
            np.all((shells[:, 0] >= 0) & (shells[:, 0] < natoms))
            and np.all((shells[:, 1] >= (-1 if is_ecp else 0)) & (shells[:, 1] <= _MAX_ANGULAR))
            and np.all((primitives > 0) & (shells[:, 5] >= 0) & (shells[:, 5] + primitives <= size))
            and np.all((shells[:, 6] >= 0) & (shells[:, 6] + primitives * contractions <= size))
        )
    if not good:
        raise MoleError(f"{where}: a table of atoms or shells points outside its data")
