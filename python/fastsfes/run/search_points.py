"""`search_points`: search for a formula of values on points, from arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..common.files import write_text
from ..common.runfolder import POINTS
from ..datasets.points import COLUMN_CHANNEL, PointTable, csv_of_columns
from .config import SearchConfig
from .search import Epoch, Run, search

__all__ = ["search_points"]


def search_points(
    features: Mapping[str, npt.ArrayLike],
    values: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    weights: npt.ArrayLike | None = None,
    channel: str | None = "x",
    *,
    prefactor: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
    splits: npt.ArrayLike | None = None,
    output: str | Path | None = None,
    progress: str | None = None,
    report: bool = True,
    on_epoch: Callable[[Epoch], object] | None = None,
    **options: Any,
) -> Run:
    """Search for a formula that has given values on points: an enhancement factor, or an energy density.

    >>> run = fs.search_points({"x2": x2, "w": w}, values)
    >>> run.best.channels["x"].expression

    Args:
        features: name -> values, each (n,): features of the channel, or with channel None also X0, X1, ...; a
            pandas.DataFrame will do.
        values: (n,) values of the factor times the prefactor; or channel -> (n,) values, for several factors at once.
        weights: of the squared errors, (n,); 1 by default.
        channel: whose factor it is ("x", "css", "cos"); None for a formula by itself.
        prefactor: what the factor is multiplied with, (n,), e.g. an energy density in hartree/bohr^3; or channel ->
            (n,): the values are then the sum over these channels.
        splits: "train", "validation" or "test" for every point; by default one in five, drawn by the seed, is for
            validation.
        output, progress, report: see `fastsfes.search`.
        on_epoch: see `fastsfes.search`.
        options: of `fastsfes.SearchConfig`, over those of the preset "points".

    Returns:
        The finished `Run`. Errors of its front are in units of the spread of the training values.

    Raises:
        InputError: lengths that differ, unknown features, numbers that are not finite.
    """
    columns: dict[str, Any] = {str(name): features[name] for name in features}
    kinds: tuple[str, ...] = (COLUMN_CHANNEL if channel is None else channel,)
    if isinstance(values, Mapping):
        columns |= {f"f_{kind}": v for kind, v in values.items()}
        kinds = tuple(values)
    else:
        columns["value"] = values
    if isinstance(prefactor, Mapping):
        columns |= {f"prefactor_{kind}": v for kind, v in prefactor.items()}
        kinds = tuple(prefactor)
    elif prefactor is not None:
        columns["prefactor"] = prefactor
    columns |= {name: v for name, v in (("weight", weights), ("split", splits)) if v is not None}
    PointTable.of(columns, kinds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / POINTS
        write_text(path, csv_of_columns(columns))
        config = SearchConfig.make(**{"preset": "points", "channels": kinds, **options, "points": str(path)})
        return search(config, output=output, progress=progress, report=report, on_epoch=on_epoch)
