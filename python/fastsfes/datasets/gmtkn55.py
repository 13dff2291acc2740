"""Reader of GMTKN55-style folders (10.1039/C7CP04913G).

Each subset is a folder with a file ``.res`` and one folder per species:

    SUBSET/.res                      lines such as  $tmer {ch4,c,h}/$f x -1 1 4 $w 420.420
    SUBSET/.resRC                    reaction energies of the same species, the subset SUBSETRC
    SUBSET/SPECIES/struc.xyz         or ``coord`` (Turbomole, bohr)
    SUBSET/SPECIES/.CHRG, .UHF       charge and unpaired electrons; absent means 0

References are in kcal/mol. A species is called SUBSET_SPECIES, a reaction SUBSET_n.
"""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np

from ..common.errors import InputError
from ..common.reading import read_text
from .model import DatasetContents, Reaction, Species, check_name
from .xyz import BOHR, MAX_ATOMS, atom_count, element, parse_number

#: Bounds that no honest file meets.
_LARGEST, _LONGEST_LINE, _MOST_SYSTEMS = 2**20, 10_000, 1000

_CALL = re.compile(r"^\s*\$?\{?tmer\S*\s+(?P<systems>.+?)\s+x\s+(?P<numbers>.+?)\s*$")


def read_gmtkn55(folder: Path | str) -> DatasetContents:
    """Read all subsets of a folder (or one subset, when the folder itself holds ``.res``).

    Every subset is its own data type, all reactions are "test" with weight 1: the benchmark defines no
    training. Species without a readable geometry are listed in ``missing``, lines that are no reaction in
    ``dropped``.
    """
    folder = Path(folder)
    subsets = [folder] if (folder / ".res").exists() else sorted(p.parent for p in folder.glob("*/.res"))
    if not subsets:
        raise InputError(f"{folder}: holds no .res file; expected one per subset folder")
    reactions: list[Reaction] = []
    species: dict[str, Species] = {}
    missing: dict[str, str] = {}
    dropped: dict[str, str] = {}
    for directory in subsets:
        home = directory.resolve().name
        for suffix in ("", "RC"):
            subset, table = home + suffix, directory / f".res{suffix}"
            if suffix and not table.exists():
                continue
            for number, row in enumerate(read_res(table), start=1):
                if isinstance(row, str):
                    dropped[f"{subset}_{number}"] = row
                    continue
                named = {f"{home}_{name}": value for name, value in row[0].items()}
                reactions.append(Reaction(f"{subset}_{number}", subset, subset, "test", 1.0, named, row[1]))
                for name in row[0]:
                    full = f"{home}_{name}"
                    if full in species or full in missing:
                        continue
                    try:
                        species[full] = read_species(directory / name, full)
                    except InputError as error:
                        missing[full] = str(error)
    if not reactions:
        raise InputError(next(iter(dropped.values())))
    return DatasetContents(
        name=folder.resolve().name.lower(),
        species=species,
        reactions=tuple(reactions),
        missing=missing,
        dropped=dropped,
        provenance="GMTKN55: Goerigk et al., Phys. Chem. Chem. Phys. 19, 32184 (2017), 10.1039/C7CP04913G",
    )


def read_res(path: Path) -> list[tuple[dict[str, float], float] | str]:
    """Parse a ``.res`` script as text (it is never run).

    Returns:
        For every line that calls tmer: (coefficients, reference in kcal/mol), or why the line is no reaction. Words
        after the reference, and comments, are ignored.

    Raises:
        InputError: the file cannot be read, or holds no such line.
    """
    found: list[tuple[dict[str, float], float] | str] = []
    for number, line in enumerate(read_text(path, "a GMTKN55 .res file", _LARGEST).splitlines(), start=1):
        if len(line) > _LONGEST_LINE:
            raise InputError(f"{path}, line {number}: has {len(line)} characters; expected at most {_LONGEST_LINE}")
        match = _CALL.match(line.partition("#")[0])
        if match is None:
            continue
        try:
            found.append(_reaction(match, f"{path}, line {number}"))
        except InputError as error:
            found.append(str(error))
    if not found:
        raise InputError(f"{path}: holds no line of the form '$tmer systems x coefficients $w reference'")
    return found


def _reaction(match: re.Match[str], where: str) -> tuple[dict[str, float], float]:
    systems = [name for word in match["systems"].split() for name in _expand(word, where)]
    names = [re.sub(r"/(\$\{?f\}?).*$", "", name) for name in systems]
    words = match["numbers"].split()
    if len(words) < len(names) + 2 or not words[len(names)].startswith("$"):
        raise InputError(f"{where}: {len(names)} systems need as many coefficients, $w and a reference; got {words}")
    coefficients: dict[str, float] = {}
    for name, word in zip(names, words, strict=False):
        check_name(name, f"{where}: species")
        value = parse_number(word, where, f"the coefficient of {name!r}")
        coefficients[name] = coefficients.get(name, 0.0) + value
    return coefficients, parse_number(words[len(names) + 1], where, "a reference in kcal/mol")


def read_species(directory: Path, name: str) -> Species:
    """Read one species folder."""
    charge = _integer(directory / ".CHRG")
    spin = _integer(directory / ".UHF")
    for file, reader in (("struc.xyz", _read_plain_xyz), ("coord", _read_coord)):
        if (directory / file).exists():
            symbols, coordinates = reader(directory / file)
            return Species(name, symbols, coordinates, charge, spin)
    raise InputError(f"{directory}: holds neither struc.xyz nor coord")


def _expand(word: str, where: str) -> list[str]:
    """Expand the shell's braces: B_{T,G}/$f becomes B_T/$f and B_G/$f."""
    parts = re.split(r"(?<!\$)\{([^{}]*)\}", word)
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    if math.prod(map(len, choices)) > _MOST_SYSTEMS:
        raise InputError(f"{where}: {word[:80]!r} stands for more than {_MOST_SYSTEMS} systems")
    return ["".join(choice) for choice in itertools.product(*choices)]


def _integer(path: Path) -> int:
    if not path.exists():
        return 0
    words = read_text(path, "an integer", _LARGEST).split()
    try:
        return int(words[0]) if len(words[0]) <= 12 else int("")
    except (IndexError, ValueError) as error:
        raise InputError(f"{path}: {' '.join(words)[:40]!r} is not an integer") from error


def _read_plain_xyz(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    lines = [line.strip() for line in read_text(path, "an XYZ geometry", _LARGEST).splitlines()]
    count = atom_count(lines[0] if lines else "", f"{path}, line 1")
    body = [line for line in lines[2:] if line]
    if len(body) != count:
        raise InputError(f"{path}: line 1 announces {count} atoms but {len(body)} atom lines follow")
    return _atoms(path, [line.split() for line in body], symbol_first=True, scale=1.0)


def _read_coord(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    rows: list[list[str]] = []
    inside = False
    for line in read_text(path, "a Turbomole coord file", _LARGEST).splitlines():
        if line.strip().startswith("$"):
            inside = line.strip().startswith("$coord")
        elif inside and line.strip():
            rows.append(line.split())
    if not 1 <= len(rows) <= MAX_ATOMS:
        raise InputError(f"{path}: holds a $coord block of {len(rows)} atoms; expected 1 to {MAX_ATOMS}")
    return _atoms(path, rows, symbol_first=False, scale=BOHR)


def _atoms(
    path: Path, rows: list[list[str]], *, symbol_first: bool, scale: float
) -> tuple[tuple[str, ...], np.ndarray]:
    symbols: list[str] = []
    coordinates = np.empty((len(rows), 3))
    for index, words in enumerate(rows):
        where = f"{path}, atom {index + 1}"
        if len(words) < 4:
            raise InputError(f"{where}: {' '.join(words)!r} lacks a symbol or a coordinate")
        symbol, numbers = (words[0], words[1:4]) if symbol_first else (words[3], words[:3])
        symbols.append(element(symbol, where))
        coordinates[index] = [scale * parse_number(word, where, "a coordinate") for word in numbers]
    return tuple(symbols), coordinates
