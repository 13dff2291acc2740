"""PySCF molecules as JSON text, read back without running anything.

PySCF's own ``Mole.loads`` passes parts of the text to ``eval``, and its readers of basis sets evaluate what is no
number; a file from a stranger must not get that far. Here the integral tables are taken from the JSON, checked, and
set on a fresh molecule, which holds numbers and the symbols of its atoms and no other text.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import numpy as np

from ..common.errors import FastsfesError
from ..common.reading import DAMAGE, parse_json, short
from .basis import plain_tables

_MAX_ANGULAR = 12
_ATM_COLUMNS, _BAS_COLUMNS = 6, 8
# Bounds that no molecule of a dataset meets; they keep a hostile file from exhausting memory or the integral code.
_MOST_ATOMS, _MOST_SHELLS, _MOST_PRIMITIVES, _MOST_CHARGE, _LONGEST_LITERAL = 2000, 50_000, 200, 200, 200

#: Symbol of an atom: an element, with a label of digits, or a ghost.
_SYMBOL = re.compile(r"((ghost|gh|x)[-_.:]?)?[A-Z][a-z]?[-_:@]?[0-9]{0,4}", re.IGNORECASE)

#: What PySCF keeps in a molecule and what is not carried by the tables that are read here.
_OTHER_PHYSICS = {"_pseudo": "pseudopotentials of the GTH kind", "a": "a periodic cell"}


class MoleError(FastsfesError):
    """The stored molecule is damaged; the message says which part."""


def dump_mole(mol: Any, basis: str = "", ecp: str = "") -> str:
    """JSON text of a PySCF molecule (``Mole.dumps``), with the names of its basis set and ECPs for their tables."""
    stored = json.loads(mol.dumps())
    stored |= {key: repr(name) for key, name in (("basis", basis), ("ecp", ecp)) if name}
    return json.dumps(stored)


def stored_names(text: str) -> tuple[str, str]:
    """Names of the basis set and of the ECPs that `dump_mole` text holds, "" for what is no name; not checked."""
    stored = parse_json(text, "stored molecule")
    return _name(stored.get("basis")), _name(stored.get("ecp"))


def load_mole(text: str, where: str = "stored molecule") -> Any:
    """Rebuild a PySCF molecule from `dump_mole` text; nothing in it is evaluated.

    Args:
        text: JSON as written by ``Mole.dumps``.
        where: file and record, for error messages.
    """
    from pyscf import gto

    try:
        stored = parse_json(text, where)
        atm = np.array(stored["_atm"], dtype=np.int32).reshape(-1, _ATM_COLUMNS)
        bas = np.array(stored["_bas"], dtype=np.int32).reshape(-1, _BAS_COLUMNS)
        env = np.array(stored["_env"], dtype=np.float64)
        ecpbas = np.array(stored.get("_ecpbas", []), dtype=np.int32).reshape(-1, _BAS_COLUMNS)
        atoms = [(str(symbol), [float(x) for x in xyz]) for symbol, xyz in stored["_atom"]]
        charge, spin = int(stored.get("charge", 0)), int(stored.get("spin") or 0)
        shells, potentials = (_tables(stored.get(key)) for key in ("_basis", "_ecp"))
        other = [what for key, what in _OTHER_PHYSICS.items() if stored.get(key)]
    except DAMAGE as error:
        raise MoleError(f"{where}: the molecule cannot be read ({type(error).__name__}: {short(error)})") from error
    if other:
        raise MoleError(f"{where}: the molecule has {' and '.join(other)}, which cannot be carried over")
    for symbol, _ in atoms:
        if not _SYMBOL.fullmatch(symbol):
            raise MoleError(f"{where}: {symbol[:40]!r} is not the symbol of an atom")
    _check(atm, bas, env, ecpbas, len(atoms), where)
    mol = gto.Mole()
    mol.verbose = 0
    mol._atm, mol._bas, mol._env, mol._ecpbas, mol._atom = atm, bas, env, ecpbas, atoms
    mol.charge, mol.spin = charge, spin
    mol.cart = bool(stored.get("cart", False))
    mol.unit = "Bohr"
    mol.atom = atoms
    mol.symmetry = False
    mol.basis = mol._basis = shells
    mol.ecp = mol._ecp = potentials
    mol.max_memory = 4000
    mol._built = True
    electrons = int(mol.atom_charges().sum()) - charge
    if electrons < 0 or spin < 0 or spin > electrons or (electrons - spin) % 2:
        raise MoleError(f"{where}: charge {charge} and spin {spin} do not fit {electrons} electrons")
    return mol


def _tables(tables: Any) -> dict[str, Any]:
    """Tables of numbers by the symbol of the atom."""
    return {str(symbol): plain_tables(table) for symbol, table in dict(tables or {}).items()}


def _name(text: Any) -> str:
    """The text that a Python literal stands for; "" when it stands for anything else."""
    if not isinstance(text, str) or len(text) > _LONGEST_LITERAL:
        return ""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""


def _check(atm: np.ndarray, bas: np.ndarray, env: np.ndarray, ecpbas: np.ndarray, natoms: int, where: str) -> None:
    """The integral code trusts these tables: a pointer out of range would read foreign memory."""
    if not 0 < natoms <= _MOST_ATOMS or len(bas) > _MOST_SHELLS or len(ecpbas) > _MOST_SHELLS:
        raise MoleError(f"{where}: {natoms} atoms with {len(bas)} shells are more than can be computed, or none")
    if len(atm) != natoms or len(bas) == 0:
        raise MoleError(f"{where}: {len(atm)} rows of atoms and {len(bas)} of shells for {natoms} atoms")
    if not np.all(np.isfinite(env)):
        raise MoleError(f"{where}: an exponent, coefficient or coordinate is NaN or infinite")
    size = len(env)
    # pointers as 64-bit numbers, so that adding to them cannot wrap around
    coordinates, nucleus, zeta, charge = (atm[:, k].astype(np.int64) for k in (1, 2, 3, 4))
    good = bool(
        np.all((atm[:, 0] >= 0) & (atm[:, 0] < _MOST_CHARGE) & (coordinates >= 0) & (coordinates + 3 <= size))
        and np.all((nucleus >= 0) & (nucleus <= 4) & (zeta >= 0) & (zeta < size) & (charge >= 0) & (charge < size))
    )
    bas, ecpbas = bas.astype(np.int64), ecpbas.astype(np.int64)
    for shells, is_ecp in ((bas, False), (ecpbas, True)):
        if not len(shells):
            continue
        primitives, contractions = shells[:, 2].astype(np.int64), np.maximum(shells[:, 3], 1).astype(np.int64)
        if is_ecp:
            contractions = np.ones_like(primitives)
        good &= bool(
            np.all((shells[:, 0] >= 0) & (shells[:, 0] < natoms))
            and np.all((shells[:, 1] >= (-1 if is_ecp else 0)) & (shells[:, 1] <= _MAX_ANGULAR))
            and np.all(
                (primitives > 0)
                & (primitives <= _MOST_PRIMITIVES)
                & (contractions <= _MOST_PRIMITIVES)
                & (is_ecp | (shells[:, 3] > 0))
                & (shells[:, 5] >= 0)
                & (shells[:, 5] + primitives <= size)
            )
            and np.all((shells[:, 6] >= 0) & (shells[:, 6] + primitives * contractions <= size))
        )
    if not good:
        raise MoleError(f"{where}: a table of atoms or shells points outside its data")
