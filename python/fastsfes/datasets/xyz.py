"""Reading XYZ geometry files whose second line says charge and multiplicity, as public databases write them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..common.errors import InputError
from ..common.files import write_text
from ..common.reading import read_text
from .model import Species

MAX_ATOMS = 2000
"""Atoms of one species that are read at most."""

BOHR = 0.52917721092
"""Bohr radius in angstrom, PySCF's value."""

_LARGEST_XYZ = 2**20

#: Units of length by the names that headers give them, in angstrom.
_UNITS = {
    **dict.fromkeys(("angstrom", "angstroms", "ang", "a", "å"), 1.0),
    **dict.fromkeys(("bohr", "bohrs", "au", "a.u.", "atomic"), BOHR),
}

#: Ghost atoms (basis functions without a nucleus) as Psi4, Q-Chem, ORCA, PySCF, NWChem and Gaussian write them.
_GHOST = re.compile(r"@(\w+)|gh\((\w+)\)|(?:ghost|gh|bq|x)[-_.](\w+)|bq([A-Z][a-z]?\d*)|(\w+)-bq", re.IGNORECASE)

#: An element with a label, such as H1, C_a or Fe(2).
_LABELLED = re.compile(r"([A-Za-z]{1,2})(?=[\d_:(*'-])[\w:()*'-]*")

_ISOTOPES = {"D": "H", "T": "H"}

_PAIR = re.compile(r"\s*([+-]?\d{1,9})(?:\s*[,;]\s*|\s+)(\d{1,9})(?=[\s,;]|$)")
_KEY = re.compile(r"([A-Za-z_][\w-]*)\s*=\s*(\"[^\"]*\"|'[^']*'|\{[^}]*\}|[^\s,;]+)")
_MULTIPLICITY = ("multiplicity", "spin_multiplicity", "mult")
_BARE_BOHR = re.compile(r"(?<![\w=:])(bohrs?|a\.u\.|atomic units)(?!\w)", re.IGNORECASE)


def element(token: str, where: str) -> str:
    """Chemical symbol in its usual spelling, ``ghost-X`` for a ghost atom.

    Atomic numbers, labels (H1), isotopes of hydrogen (D) and the usual spellings of ghost atoms are understood.

    Raises:
        InputError: for anything else.
    """
    from pyscf.data.elements import ELEMENTS

    ghost = _GHOST.fullmatch(token)
    if ghost:
        return f"ghost-{element(next(filter(None, ghost.groups())), where)}"
    if token.isascii() and token.isdigit() and 0 < int(token[:4]) < len(ELEMENTS):
        return str(ELEMENTS[int(token)])
    labelled = _LABELLED.fullmatch(token)
    symbol = (labelled[1] if labelled else token).capitalize()
    symbol = _ISOTOPES.get(symbol, symbol)
    if symbol not in ELEMENTS[1:]:
        raise InputError(f"{where}: {token[:40]!r} is not a chemical element")
    return symbol


def read_xyz(path: Path | str, name: str | None = None) -> Species:
    """Read one species from an XYZ file.

    The layout is: number of atoms; a header that says charge and multiplicity; one line per atom with symbol, x, y, z.
    Carriage returns and trailing blank lines are accepted. Headers are two integers ("0 1", "0, 1", words may follow),
    pairs such as ``charge=0 multiplicity=1`` (a molecule of an even number of electrons without a multiplicity is a
    singlet), the same in extended XYZ with ``Properties=``, or QM9's. Coordinates are in angstrom unless the header
    says ``units=bohr``.

    Raises:
        InputError: names file, line and token; periodic cells are refused.
    """
    path = Path(path)
    lines = read_text(path, "an XYZ geometry", _LARGEST_XYZ).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) < 2:
        raise InputError(f"{path}: has {len(lines)} lines; expected the number of atoms, then charge and multiplicity")
    count = atom_count(lines[0].strip().removesuffix(","), f"{path}, line 1")
    header, where = lines[1], f"{path}, line 2"
    keys = {key.lower(): value.strip("\"'{}") for key, value in _KEY.findall(header)}
    scale = _scale(keys, header, where)
    symbol_at, place_at = _columns(keys, where)
    body = lines[2:]
    from_qm9 = header.split()[:1] == ["gdb"]
    if from_qm9:  # frequencies, SMILES and InChI follow
        body = body[:count]
    if len(body) != count:
        raise InputError(f"{path}: line 1 announces {count} atoms but {len(body)} atom lines follow")
    symbols: list[str] = []
    coordinates = np.empty((count, 3))
    for index, line in enumerate(body):
        at = f"{path}, line {index + 3}"
        words = line.split()
        if len(words) < max(symbol_at + 1, place_at + 3):
            raise InputError(f"{at}: {line.strip()[:80]!r} is not an atom; expected symbol x y z in angstrom")
        symbols.append(element(words[symbol_at], at))
        for axis, word in enumerate(words[place_at : place_at + 3]):
            coordinates[index, axis] = scale * parse_number(word, at, "a coordinate in angstrom")
    charge, spin = (0, 0) if from_qm9 else _charge_and_spin(keys, header, symbols, where)
    _check_distances(path, coordinates)
    return Species(name or path.stem, tuple(symbols), coordinates, charge, spin)


def atom_count(token: str, where: str) -> int:
    """A number of atoms; raises InputError for anything else, and for more than `MAX_ATOMS`."""
    if not (token.isascii() and token.isdigit()) or len(token) > 9 or not 1 <= int(token) <= MAX_ATOMS:
        raise InputError(f"{where}: {token[:40]!r} is not a number of atoms from 1 to {MAX_ATOMS}")
    return int(token)


def parse_number(token: str, where: str, what: str) -> float:
    """Parse a finite decimal number; errors say where it stands and what it should be.

    Exponents may be Fortran's (1D-3) or those of QM9 (1*^-3).
    """
    try:
        value = float(token.replace("*^", "E").replace("D", "E").replace("d", "e"))
    except ValueError as error:
        raise InputError(f"{where}: {token[:80]!r} is not a number; expected {what}") from error
    if not np.isfinite(value):
        raise InputError(f"{where}: {token!r} is not finite; expected {what}")
    return value


def write_xyz(path: Path | str, species: Species) -> None:
    """Write a species as XYZ with charge and multiplicity on line two; `read_xyz` reads it back."""
    lines = [str(len(species.symbols)), f"{species.charge} {species.multiplicity}"]
    for symbol, (x, y, z) in zip(species.symbols, species.coordinates, strict=True):
        lines.append(f"{symbol:2s} {float(x)!r} {float(y)!r} {float(z)!r}")
    write_text(Path(path), "\n".join(lines) + "\n")


def _scale(keys: dict[str, str], header: str, where: str) -> float:
    """Angstrom per unit of length of the header; periodic cells are refused."""
    if "lattice" in keys or "T" in keys.get("pbc", "").upper().replace("TRUE", "T"):
        raise InputError(f"{where}: a periodic cell (Lattice, pbc); expected a molecule")
    unit = keys.get("units", keys.get("unit", keys.get("length_unit", "")))
    if not unit:
        word = _BARE_BOHR.search(header)
        if word:
            raise InputError(f"{where}: {word[0]!r} in the header is ambiguous; write units=bohr or units=angstrom")
        return 1.0
    if unit.lower() not in _UNITS:
        raise InputError(f"{where}: units {unit[:40]!r} are none of {', '.join(_UNITS)}")
    return _UNITS[unit.lower()]


def _columns(keys: dict[str, str], where: str) -> tuple[int, int]:
    """Columns where the symbol and the first coordinate stand, from the Properties of extended XYZ."""
    if "properties" not in keys:
        return 0, 1
    fields = keys["properties"].split(":")
    found: dict[str, int] = {}
    column = 0
    for name, kind, width in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        found[f"{name.lower()}:{kind.upper()}:{width}"] = column
        column += int(width) if width.isascii() and width.isdigit() and len(width) < 4 else 0
    symbol = found.get("species:S:1", found.get("z:I:1"))
    place = found.get("pos:R:3", found.get("positions:R:3"))
    if symbol is None or place is None:
        raise InputError(f"{where}: Properties {keys['properties'][:80]!r} lack species:S:1 or pos:R:3")
    return symbol, place


def _charge_and_spin(keys: dict[str, str], header: str, symbols: list[str], where: str) -> tuple[int, int]:
    """Charge and unpaired electrons that the header says."""
    pair = _PAIR.match(header)
    given = next((keys[key] for key in _MULTIPLICITY if key in keys), None)
    if pair:
        charge, multiplicity = int(pair[1]), int(pair[2])
    elif "charge" in keys:
        charge = _integer(keys["charge"], "charge", where)
        if given is not None:
            multiplicity = _integer(given, "multiplicity", where)
        else:
            multiplicity = _closed_shell(symbols, charge, where)
    else:
        raise InputError(
            f"{where}: {header.strip()[:80]!r} holds no charge and multiplicity; expected two integers such as "
            f"'0 1', or charge=0 multiplicity=1"
        )
    if multiplicity < 1:
        raise InputError(f"{where}: multiplicity {multiplicity} must be at least 1")
    return charge, multiplicity - 1


def _integer(text: str, what: str, where: str) -> int:
    value = parse_number(text, where, f"a {what}")
    if value != round(value) or abs(value) > 1e6:
        raise InputError(f"{where}: {what} {text[:40]!r} is not an integer")
    return round(value)


def _closed_shell(symbols: list[str], charge: int, where: str) -> int:
    """Multiplicity of a molecule whose header says only its charge."""
    from pyscf.data.elements import charge as nuclear_charge

    electrons = sum(int(nuclear_charge(symbol)) for symbol in symbols) - charge
    if electrons % 2 or len(symbols) == 1:
        raise InputError(
            f"{where}: no multiplicity; expected multiplicity=N, as {electrons} electrons of {len(symbols)} atoms can "
            f"have several"
        )
    return 1


def _check_distances(path: Path, coordinates: np.ndarray) -> None:
    if len(coordinates) < 2:
        return
    delta = coordinates[:, None, :] - coordinates[None, :, :]
    with np.errstate(over="ignore"):
        distance = np.sqrt((delta**2).sum(axis=-1)) + 1e9 * np.eye(len(coordinates))
    if distance.min() < 0.2:
        i, j = np.unravel_index(int(np.argmin(distance)), distance.shape)
        raise InputError(
            f"{path}: atoms {i + 1} and {j + 1} are {distance[i, j]:.3f} angstrom apart; is the geometry in angstrom?"
        )
