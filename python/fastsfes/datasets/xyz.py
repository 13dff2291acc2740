"""Reading XYZ geometry files whose second line holds charge and multiplicity."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..common.errors import InputError
from ..common.reading import read_text
from .model import Species

MAX_ATOMS = 2000
"""Atoms of one species that are read at most."""

_LARGEST_XYZ = 2**20


def element(token: str, where: str) -> str:
    """Chemical symbol in its usual spelling; raises InputError for anything else."""
    from pyscf.data.elements import ELEMENTS

    symbol = token[:1].upper() + token[1:].lower()
    if symbol not in ELEMENTS[1:]:
        raise InputError(f"{where}: {token[:40]!r} is not a chemical element")
    return symbol


def read_xyz(path: Path | str, name: str | None = None) -> Species:
    """Read one species from an XYZ file (angstrom).

    The layout is: number of atoms; charge and multiplicity (words may follow); one line per
    atom with symbol, x, y, z. Carriage returns and trailing blank lines are accepted.

    Raises
    ------
    InputError: names file, line and token.
    """
    path = Path(path)
    lines = read_text(path, "an XYZ geometry", _LARGEST_XYZ).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) < 2:
        raise InputError(f"{path}: has {len(lines)} lines; expected the number of atoms, then charge and multiplicity")
    first = lines[0].split()
    count = atom_count(first[0] if len(first) == 1 else lines[0].strip(), f"{path}, line 1")
    charge, spin = _charge_and_spin(path, lines[1])
    body = lines[2:]
    if len(body) != count:
        raise InputError(f"{path}: line 1 announces {count} atoms but {len(body)} atom lines follow")
    symbols: list[str] = []
    coordinates = np.empty((count, 3))
    for index, line in enumerate(body):
        where = f"{path}, line {index + 3}"
        words = line.split()
        if len(words) < 4:
            raise InputError(f"{where}: {line.strip()[:80]!r} is not an atom; expected symbol x y z in angstrom")
        symbols.append(element(words[0], where))
        for axis, word in enumerate(words[1:4]):
            coordinates[index, axis] = parse_number(word, where, "a coordinate in angstrom")
    _check_distances(path, coordinates)
    return Species(name or path.stem, tuple(symbols), coordinates, charge, spin)


def atom_count(token: str, where: str) -> int:
    """A number of atoms; raises InputError for anything else, and for more than `MAX_ATOMS`."""
    if not (token.isascii() and token.isdigit()) or len(token) > 9 or not 1 <= int(token) <= MAX_ATOMS:
        raise InputError(f"{where}: {token[:40]!r} is not a number of atoms from 1 to {MAX_ATOMS}")
    return int(token)


def parse_number(token: str, where: str, what: str) -> float:
    """Parse a finite decimal number; errors say where it stands and what it should be."""
    try:
        value = float(token.replace("D", "E").replace("d", "e"))
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
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _charge_and_spin(path: Path, line: str) -> tuple[int, int]:
    words = line.split()
    try:
        charge, multiplicity = (int(word[:12]) if len(word) <= 12 else int("") for word in words[:2])
    except (IndexError, ValueError) as error:
        raise InputError(
            f"{path}, line 2: {line.strip()[:80]!r} holds no charge and multiplicity; expected two integers such as "
            f"'0 1'"
        ) from error
    if multiplicity < 1:
        raise InputError(f"{path}, line 2: multiplicity {multiplicity} must be at least 1")
    return charge, multiplicity - 1


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
