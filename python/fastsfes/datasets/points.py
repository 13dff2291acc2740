"""Values on points: a table with a column per feature, and the values of factors or of an energy density there.

Columns: features by their names (x2, w, s2, alpha, ...) or X0, X1, ...; `value`, or a column f_CHANNEL for each of
several factors; `prefactor` or prefactor_CHANNEL, what a factor is multiplied with (an energy density is a sum of
such products); `weight` of the squared errors; `split` with train, validation and test.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import InputError
from ..common.files import user_path
from ..common.reading import csv_rows, damage, read_bytes
from ..formula.features import CHANNELS, channel, listed
from .model import SPLITS

__all__ = ["COLUMN_CHANNEL", "PointTable", "csv_of_columns", "read_columns"]

FloatArray = npt.NDArray[np.float64]

COLUMN_CHANNEL = "y"
"""The channel of a formula that is no factor of an energy."""

_VALUE, _PREFACTOR, _WEIGHT, _SPLIT = "value", "prefactor", "weight", "split"
_LARGEST = 2**30
"""Bytes of a table, unpacked."""

_VALIDATION = 5
"""One point in so many is for validation where the table does not say."""

_REMEDY = "its columns are features and value (or f_x, f_css, ...), and may be prefactor, weight and split"


@dataclass(frozen=True)
class PointTable:
    """Rows of a pointwise fit: target = sum over channels of prefactor * factor(features).

    Attributes:
        features: name -> values, (rows,).
        prefactors: channel -> values, (rows,); 0 where the row does not ask for this channel.
        target: (rows,).
        weights: of the squared errors, (rows,).
        splits: positions in `SPLITS`, (rows,).
    """

    features: Mapping[str, FloatArray]
    prefactors: Mapping[str, FloatArray]
    target: FloatArray
    weights: FloatArray
    splits: npt.NDArray[np.int64]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The channels whose factors are searched."""
        return tuple(self.prefactors)

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Positions of the rows of a split."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    @classmethod
    def of(
        cls, columns: Mapping[str, Any], kinds: Sequence[str] = (), *, seed: int = 0, where: str = "points"
    ) -> PointTable:
        """From columns by name; see the module.

        Args:
            columns: arrays of one length.
            kinds: channels; by default those of the columns f_CHANNEL or prefactor_CHANNEL, else "x" where it has the
                features, else the formula "y", which belongs to no energy.
            seed: of the split where the table has none: one point in five is for validation.
            where: names the source in errors.

        Raises:
            InputError: unknown columns, lengths that differ, numbers that are not finite, splits without points.
        """
        if not columns:
            raise InputError(f"{where}: has no columns; {_REMEDY}")
        names = [n for n in columns if not _special(n)]
        given = {n: _numbers(v, n, where) for n, v in columns.items() if n != _SPLIT}
        (count,) = next(iter(given.values())).shape
        for name, array in given.items():
            if array.shape != (count,):
                raise InputError(
                    f'{where}: column "{name}" has shape {array.shape}; expected ({count},) like the first'
                )
        chosen = tuple(kinds) or _kinds(columns, names)
        for kind in chosen:
            known = channel(kind).features
            for name in names:
                if name not in known:
                    raise InputError(
                        f'{where}: column "{name}" is no feature of channel {kind}; it has {listed(known)}. '
                        f"Columns of a formula without a channel are named X0, X1, ..."
                    )
        if not names:
            raise InputError(f"{where}: has no feature among its columns; {_REMEDY}")
        features = {n: given[n] for n in names}
        weights = given.get(_WEIGHT, np.ones(count))
        if (weights < 0).any() or not weights.any():
            raise InputError(f"{where}: weights have to be at least 0, and not all of them zero")
        splits = _split_rows(columns.get(_SPLIT), count, seed, where)
        outputs = {k: given[f"f_{k}"] for k in chosen if f"f_{k}" in given}
        if _VALUE in given and not outputs:
            default = given.get(_PREFACTOR) if len(chosen) == 1 else None
            found = {k: given.get(f"{_PREFACTOR}_{k}", default) for k in chosen}
            missing = [k for k, v in found.items() if v is None]
            if missing and len(chosen) > 1:
                raise InputError(
                    f"{where}: the values are a sum over the channels {', '.join(chosen)}, each with its prefactor; "
                    f"there is no column prefactor_{missing[0]}"
                )
            prefactors = {k: np.ones(count) if v is None else v for k, v in found.items()}
            return cls(features, prefactors, given[_VALUE], weights, splits)
        absent = [k for k in chosen if k not in outputs]
        if absent or _VALUE in given:
            what = f"both value and f_{next(iter(outputs))}" if _VALUE in given else f"no values of channel {absent[0]}"
            raise InputError(f"{where}: has {what}; {_REMEDY}")
        repeat = len(chosen)  # a row for every factor and point
        on = {k: np.repeat(np.eye(repeat)[i], count) for i, k in enumerate(chosen)}
        scales = {k: np.tile(given.get(f"{_PREFACTOR}_{k}", np.ones(count)), repeat) for k in chosen}
        return cls(
            {n: np.tile(v, repeat) for n, v in features.items()},
            {k: on[k] * scales[k] for k in chosen},
            np.concatenate([outputs[k] * scales[k][:count] for k in chosen]),
            np.tile(weights, repeat),
            np.tile(splits, repeat),
        )

    @classmethod
    def read(cls, path: str | Path, kinds: Sequence[str] = (), *, seed: int = 0) -> PointTable:
        """From a CSV file with a line of names, or a .npz file of NumPy with an array per column."""
        return cls.of(read_columns(path), kinds, seed=seed, where=str(path))


def read_columns(path: str | Path) -> dict[str, Any]:
    """The columns of a CSV or .npz file by name."""
    content = read_bytes(user_path(path), "a table of points (CSV or .npz)", _LARGEST)
    if content[:2] == b"PK":
        with damage(str(path), "write it again with numpy.savez"):
            return _npz(content, str(path))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is neither CSV in UTF-8 ({error.reason}) nor a .npz file") from None
    return _csv(text, str(path))


def csv_of_columns(columns: Mapping[str, Any]) -> str:
    """The text of a CSV file of the columns, numbers with all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    cells = ([repr(v) if isinstance(v, float) else v for v in np.asarray(c).tolist()] for c in columns.values())
    writer.writerows(zip(*cells, strict=True))
    return text.getvalue()


def _npz(content: bytes, where: str) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(item.file_size for item in archive.infolist()) > _LARGEST:
            raise InputError(f"{where}: unpacks to more than {_LARGEST // 2**20} MB, which no table of points does")
        for item in archive.infolist():
            array = np.lib.format.read_array(io.BytesIO(archive.read(item)), allow_pickle=False)
            columns[item.filename.removesuffix(".npy")] = array
    return columns


def _csv(text: str, where: str) -> dict[str, Any]:
    lines = [[c.strip() for c in cells] for _, cells in csv_rows(text, where) if any(c.strip() for c in cells)]
    if len(lines) < 2:
        raise InputError(f"{where}: expected a line of names and a line per point; {_REMEDY}")
    names = lines[0]
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise InputError(f'{where}: the column "{twice}" stands there twice; remove one')
    for number, line in enumerate(lines, start=1):
        if len(line) != len(names):
            raise InputError(f"{where}, row {number}: {len(line)} cells; expected {len(names)} like the names")
    return dict(zip(names, map(list, zip(*lines[1:], strict=True)), strict=True))


def _special(name: str) -> bool:
    stem, _, kind = name.partition("_")
    return name in (_VALUE, _PREFACTOR, _WEIGHT, _SPLIT) or (stem in ("f", _PREFACTOR) and kind in CHANNELS)


def _kinds(columns: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    said = [k for k in CHANNELS if f"f_{k}" in columns or f"{_PREFACTOR}_{k}" in columns]
    if said:
        return tuple(said)
    return ("x",) if set(names) <= set(channel("x").features) else (COLUMN_CHANNEL,)


def _numbers(values: Any, name: str, where: str) -> FloatArray:
    try:
        array = np.ascontiguousarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f'{where}: column "{name}" holds what is no number') from None
    if array.ndim != 1 or not array.size:
        raise InputError(f'{where}: column "{name}" has shape {array.shape}; expected one number per point')
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array)))
        raise InputError(f'{where}: column "{name}" is {array[row]} at point {row + 1}; expected finite numbers')
    return array


def _split_rows(given: Any, count: int, seed: int, where: str) -> npt.NDArray[np.int64]:
    train, validation = SPLITS.index("train"), SPLITS.index("validation")
    if given is None:
        if count < 2:
            raise InputError(f"{where}: has {count} points; expected at least 2, one for training, one for validation")
        rows = np.full(count, train)
        rows[np.random.default_rng(seed).permutation(count)[: max(1, count // _VALIDATION)]] = validation
        return rows
    names = np.asarray(given).tolist()
    for name in names:
        if name not in SPLITS:
            raise InputError(f'{where}: split "{name}" is unknown; expected any of {", ".join(SPLITS)}')
    rows = np.array([SPLITS.index(name) for name in names])
    if rows.shape != (count,):
        raise InputError(f"{where}: {len(rows)} splits for {count} points")
    for split in (train, validation):
        if split not in rows:
            raise InputError(
                f"{where}: no point is for {SPLITS[split]}; a search needs points for training and validation"
            )
    return rows
