"""A part of a dataset, or other splits, by what follows its name: ``gscdb?types=BH,TC&splits=random:1``.

* ``types=A,B``, ``subsets=A*,B``: reactions of these data types or subsets (patterns);
* ``spin=closed`` or ``spin=open``: reactions of closed-shell species only, or with an open-shell species;
* ``number=N`` or ``number=N:SEED``: N of the reactions, drawn by the seed;
* ``splits=random:SEED``: 60 % for training, 20 % for validation, 20 % for test; ``splits=by-subset:SEED``: the same,
  whole subsets; ``splits=FILE``: a CSV file with the columns reaction and split; others are left out.
* ``weights=BH:3,NCED:0.5``: weights of data types or subsets (patterns) times a number; ``weights=FILE``: a CSV file
  with the columns reaction and weight, which replace those of the reactions that it names.

The test split of a sealed dataset stays what it is; the others are divided three to one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np

from ..common.errors import InputError
from ..common.files import user_path
from ..common.reading import csv_rows, positive, read_text
from .model import SPLITS, DatasetContents, Reaction

__all__ = ["chosen", "divided", "matching"]


def divided(text: str) -> tuple[str, str]:
    """The name or file of a dataset, and what is asked of it."""
    name, _, query = text.partition("?")
    return name, query


def chosen(contents: DatasetContents, query: str) -> DatasetContents:
    """The contents with the reactions and splits that a query asks for.

    Raises:
        InputError: names the part of the query that is not understood, or that leaves nothing.
    """
    reactions = contents.reactions
    for part in query.split("&"):
        key, equals, value = (word.strip() for word in part.partition("="))
        if key not in _KEYS or not equals or not value:
            raise InputError(f'dataset "{contents.name}?{query}": "{part}" is not understood; expected {_EXPECTED}')
        try:
            reactions = tuple(_KEYS[key](contents, reactions, value))
        except InputError as error:
            raise InputError(f'dataset "{contents.name}?{query}": {error}') from None
        if not reactions:
            raise InputError(f'dataset "{contents.name}?{query}": no reaction is left after "{part}"')
    return replace(contents, reactions=reactions)


def matching(reactions: Sequence[Reaction], pattern: str) -> list[int]:
    """Places of the reactions of a data type or subset (pattern)."""
    return [k for k, r in enumerate(reactions) if fnmatchcase(r.data_type, pattern) or fnmatchcase(r.subset, pattern)]


_Rows = Sequence[Reaction]


def _types(contents: DatasetContents, reactions: _Rows, value: str) -> Iterable[Reaction]:
    return _matching(reactions, value, lambda r: r.data_type, "types")


def _subsets(contents: DatasetContents, reactions: _Rows, value: str) -> Iterable[Reaction]:
    return _matching(reactions, value, lambda r: r.subset, "subsets")


def _matching(reactions: _Rows, value: str, name: Callable[[Reaction], str], key: str) -> Iterable[Reaction]:
    patterns = [p.strip() for p in value.split(",")]
    known = sorted({name(r) for r in reactions})
    for pattern in patterns:
        if not any(fnmatchcase(n, pattern) for n in known):
            raise InputError(f'{key}: nothing matches "{pattern}"; there are {", ".join(known)}')
    return [r for r in reactions if any(fnmatchcase(name(r), p) for p in patterns)]


def _spin(contents: DatasetContents, reactions: _Rows, value: str) -> Iterable[Reaction]:
    if value not in ("closed", "open"):
        raise InputError(f'spin is "{value}"; expected closed or open')

    def is_open(reaction: Reaction) -> bool:
        return any(contents.species[n].spin != 0 for n in reaction.coefficients if n in contents.species)

    return [r for r in reactions if is_open(r) == (value == "open")]


def _number(contents: DatasetContents, reactions: _Rows, value: str) -> Iterable[Reaction]:
    count, _, seed = value.partition(":")
    wanted = _whole(count, "number")
    if not 0 < wanted <= len(reactions):
        raise InputError(f"number is {wanted}; there are {len(reactions)} reactions")
    drawn = np.random.default_rng(_whole(seed or "0", "number")).permutation(len(reactions))[:wanted]
    return [reactions[k] for k in sorted(drawn.tolist())]


def _splits(contents: DatasetContents, reactions: _Rows, value: str) -> Iterable[Reaction]:
    how, _, seed = value.partition(":")
    if how not in ("random", "by-subset"):
        return _splits_of_file(contents, reactions, value)
    kept = [r for r in reactions if contents.sealed and r.split == "test"]
    free = [r for r in reactions if not (contents.sealed and r.split == "test")]
    groups = [r.name if how == "random" else r.subset for r in free]
    names = list(dict.fromkeys(groups))
    order = np.random.default_rng(_whole(seed or "0", "splits")).permutation(len(names))
    sizes = {name: groups.count(name) for name in names} if how == "by-subset" else dict.fromkeys(names, 1)
    bounds = (0.75, 1.0) if contents.sealed else (0.6, 0.8)
    place, seen = {}, 0
    for name in (names[k] for k in order):
        middle = (seen + 0.5 * sizes[name]) / len(free)
        place[name] = SPLITS[0] if middle < bounds[0] else SPLITS[1] if middle < bounds[1] else SPLITS[2]
        seen += sizes[name]
    new = {r.name: place[group] for r, group in zip(free, groups, strict=True)}
    return [r if r in kept else replace(r, split=new[r.name]) for r in reactions]


def _weights(contents: DatasetContents, reactions: _Rows, value: str) -> Iterable[Reaction]:
    if ":" not in value:
        new = {}
        for where, reaction, text in _of_file(value, "weight", reactions, "TYPE:FACTOR,..."):
            new[reaction.name] = replace(
                reaction, weight=positive(text, f'{where}: weight "{text}"; expected a number above 0')
            )
        return [new.get(r.name, r) for r in reactions]
    changed = list(reactions)
    for part in value.split(","):
        pattern, _, text = (word.strip() for word in part.partition(":"))
        factor = positive(text, f'weights "{part}": weight "{text}"; expected a number above 0')
        hit = matching(changed, pattern)
        if not hit:
            raise InputError(
                f'weights: nothing matches "{pattern}"; there are {", ".join(sorted({r.data_type for r in reactions}))}'
            )
        for k in hit:
            changed[k] = replace(changed[k], weight=changed[k].weight * factor)
    return changed


def _of_file(value: str, column: str, reactions: _Rows, other: str) -> Iterable[tuple[str, Reaction, str]]:
    """Place, reaction and text of every line of a CSV file with the columns reaction and `column`."""
    path = user_path(value)
    text = read_text(path, f"{other} or a CSV file with the columns reaction and {column}")
    rows = [(number, [c.strip() for c in cells]) for number, cells in csv_rows(text, str(path)) if any(cells)]
    header = rows[0][1] if len(rows) > 1 else []
    if not {"reaction", column} <= set(header):
        raise InputError(f"{path}: expected a CSV file with the columns reaction and {column}")
    known = {r.name: r for r in reactions}
    for number, cells in rows[1:]:
        row = dict(zip(header, cells, strict=False))
        name, where = row.get("reaction", ""), f"{path}, line {number}"
        if name not in known:
            raise InputError(f'{where}: there is no reaction "{name}"')
        yield where, known[name], row.get(column, "")


def _splits_of_file(contents: DatasetContents, reactions: _Rows, value: str) -> Iterable[Reaction]:
    found = []
    for where, reaction, split in _of_file(value, "split", reactions, "random:SEED, by-subset:SEED"):
        if split not in SPLITS:
            raise InputError(f'{where}: split "{split}" is unknown; expected any of {", ".join(SPLITS)}')
        if contents.sealed and reaction.split == "test" != split:
            raise InputError(f'{where}: reaction "{reaction.name}" is of the sealed test split and stays there')
        found.append(replace(reaction, split=split))
    return found


def _whole(text: str, key: str) -> int:
    if not text.isdecimal():
        raise InputError(f'{key}: "{text}" is no whole number')
    return int(text)


_KEYS = {"types": _types, "subsets": _subsets, "spin": _spin, "number": _number, "splits": _splits, "weights": _weights}
_EXPECTED = ", ".join(f"{key}=..." for key in _KEYS) + " joined by &"
