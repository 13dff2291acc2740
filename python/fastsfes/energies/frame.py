"""The frame that a dataset's densities fix: that of the functional that made them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..common.errors import InputError
from ..datasets.dataset import Dataset
from ..functionals.frame import Frame
from ..functionals.libxc import LibxcFunctional, libxc_frame
from ..functionals.registry import get_functional

__all__ = ["frame_of"]


def frame_of(dataset: Dataset, species: Sequence[str] | None = None) -> Frame:
    """Exact exchange, nonlocal correlation and correlation constants that the stored energies hold.

    Args:
        dataset: where the densities are.
        species: names; by default all with a converged density.

    Raises:
        InputError: there is no density, or they were made with functionals of different frames.
    """
    names = dataset.density_names if species is None else species
    makers = sorted({str(dataset.attributes(name)["xc"]) for name in names})
    if not makers:
        raise InputError(f'dataset "{dataset.name}" has no density')
    frames = {_made_by(maker) for maker in makers}
    if len(frames) > 1:
        raise InputError(
            f'dataset "{dataset.name}": densities of {" and ".join(makers)} cannot be mixed, since their frozen '
            f"energies hold different exact exchange or nonlocal correlation; build the densities with one functional"
        )
    return _made_by(makers[0])


@lru_cache(maxsize=32)
def _made_by(xc: str) -> Frame:
    """The frame of a functional that makes densities: ours by name, or PySCF's."""
    try:
        return get_functional(xc).frame
    except InputError:
        return libxc_frame(LibxcFunctional(xc).code)  # which refuses what is no functional
