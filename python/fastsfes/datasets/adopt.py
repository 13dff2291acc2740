"""Densities of other collections for a dataset: matched by geometry, copied, and the matches recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..common.errors import InputError
from .dataset import Dataset
from .matching import TOLERANCE, Match, match_species
from .model import HARTREE_TO_KCAL, DatasetContents
from .storage import NamedDensity, write_dataset

__all__ = ["AMBIGUOUS", "Adopted", "adopt_densities"]

AMBIGUOUS = 1.0
"""kcal/mol: two densities within the tolerance whose energies differ by more are hardly the same state."""


@dataclass(frozen=True)
class Adopted:
    """What was found.

    Attributes:
        matches: species -> the density that serves it, in words.
        ambiguous: species -> why another density might be meant.
        distinct: number of densities that were copied.
        reactions: number of reactions whose species all have densities.
    """

    matches: dict[str, str]
    ambiguous: dict[str, str]
    distinct: int
    reactions: int


def adopt_densities(
    contents: DatasetContents, libraries: Sequence[Path | str], output: Path | str, *, tolerance: float = TOLERANCE
) -> Adopted:
    """Make a dataset file whose densities come from other dataset files.

    Args:
        contents: reactions and geometries, of any reader.
        libraries: dataset files with densities; of equally near ones the first library's is taken.
        output: the dataset file to write.
        tolerance: largest difference of a pair distance, angstrom.

    Raises:
        InputError: when a library has no densities, or no reaction has all of its species.
    """
    if not tolerance >= 0.0:
        raise InputError(f"tolerance {tolerance!r} must not be negative (angstrom)")
    opened = [Dataset.open(path) for path in libraries]
    for library in opened:
        if not library.has_densities:
            raise InputError(f"{library.path or library.name}: holds no densities; expected a dataset file that does")
    needed = {name for reaction in contents.reactions for name in reaction.coefficients}
    wanted = {name: species for name, species in contents.species.items() if name in needed}
    found: dict[str, tuple[int, Match]] = {}
    for k, library in enumerate(opened):
        sources = {n: library.species[n] for n in library.density_names if library.representative(n) == n}
        for name, match in match_species(wanted, sources, tolerance).items():
            if name not in found or match.deviation < found[name][1].deviation:
                found[name] = k, match
    reactions = sum(found.keys() >= reaction.coefficients.keys() for reaction in contents.reactions)
    if not reactions:
        raise InputError(f"{contents.name}: no reaction has densities of all its species within {tolerance:g} angstrom")
    matches, ambiguous = {}, {}
    for name, (k, match) in sorted(found.items()):
        library = opened[k]
        matches[name] = f"{match.name} of {library.name}, distances within {match.deviation:.4f} angstrom"
        energy = library.energies(match.name).e_tot
        for other, distance in match.others.items():
            change = HARTREE_TO_KCAL * (library.energies(other).e_tot - energy)
            if abs(change) > AMBIGUOUS:
                ambiguous[name] = (
                    f"{other} is also within {distance:.4f} angstrom, its energy differs by {change:+.2f} kcal/mol"
                )
                matches[name] += f"; ambiguous: {ambiguous[name]}"
                break
    by_density: dict[tuple[int, str], list[str]] = defaultdict(list)
    for name, (k, match) in found.items():
        by_density[k, match.name].append(name)

    def records() -> Iterator[NamedDensity]:
        for (k, source), names in sorted(by_density.items(), key=lambda item: min(item[1])):
            record = opened[k].source(source)
            attributes = {**record.attributes, "name": min(names), "source": f"{source} of {opened[k].name}"}
            yield names, replace(record, attributes=attributes)

    write_dataset(output, replace(contents, matches=matches), records())
    return Adopted(matches, ambiguous, len(by_density), reactions)
