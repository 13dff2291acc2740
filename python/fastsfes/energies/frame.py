"""The frame that a dataset's densities fix, that of the functional that made them, and another frame's energies.

Stored energies hold exact exchange, its long-range part at one omega, and VV10. So the energy of the same density in
another frame is known where that frame needs no more than these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..common.errors import InputError
from ..datasets.dataset import Dataset
from ..datasets.model import HARTREE_TO_KCAL, Reaction
from ..densities.maker import maker_frame, maker_name
from ..densities.record import Energies
from ..densities.scf import OMEGA
from ..functionals.frame import Frame

__all__ = ["frame_energies", "frame_of", "frame_shift"]

FloatArray = npt.NDArray[np.float64]


def frame_of(dataset: Dataset, species: Sequence[str] | None = None, *, correlation: str | None = None) -> Frame:
    """Exact exchange, nonlocal correlation and correlation constants that the stored energies hold.

    Args:
        dataset: where the densities are.
        species: names; by default all with a converged density.
        correlation: prefactor of the correlation channels in place of that functional's own.

    Raises:
        InputError: there is no density, or they were made with functionals of different frames.
    """
    names = dataset.density_names if species is None else species
    makers = sorted({str(dataset.attributes(name)["xc"]) for name in names})
    if not makers:
        raise InputError(f'dataset "{dataset.name}" has no density')
    frames = {maker_frame(maker) for maker in makers}
    if len(frames) > 1:
        raise InputError(
            f'dataset "{dataset.name}": densities of {" and ".join(map(maker_name, makers))} cannot be mixed, since '
            f"their frozen energies hold different exact exchange or nonlocal correlation; build the densities with "
            f"one functional"
        )
    made = maker_frame(makers[0])
    return replace(made, correlation=correlation or made.correlation)


def frame_shift(energies: Energies, own: Frame, stored: Frame, name: str) -> float:
    """Energy of a density in one frame less that in the frame of the stored energies, without the semilocal part.

    Args:
        energies: of the density, in hartree.
        own: the frame that is asked for.
        stored: the frame of the functional that made the density.
        name: what is evaluated, for errors.

    Returns:
        hartree; 0.0 for the same frame.

    Raises:
        InputError: a frame needs exact exchange at another omega, or VV10 with other parameters, than is stored.
    """
    if own.energies == stored.energies:
        return 0.0
    for frame in (own, stored):
        hybrid = frame.hybrid
        if hybrid.omega not in (0.0, OMEGA) and hybrid.short_range != hybrid.long_range:
            raise InputError(
                f"{name} cannot be evaluated in its own frame: stored energies hold exact exchange at omega = {OMEGA}, "
                f"not at {hybrid.omega:g}; use the frame of the dataset, or compute densities with {name}"
            )
    if own.nlc not in (None, stored.nlc):
        raise InputError(
            f"{name} cannot be evaluated in its own frame: its VV10 energy is not among the stored ones ({stored}); "
            f"use the frame of the dataset, or compute densities with {name}"
        )
    shift = _exact_exchange(energies, own) - _exact_exchange(energies, stored)
    return shift if own.nlc == stored.nlc else shift - energies.e_nlc


def frame_energies(dataset: Dataset, reactions: Sequence[Reaction], own: Frame, stored: Frame) -> FloatArray:
    """Reaction energies (kcal/mol) in one frame less those in the frame of the stored energies, (reactions,).

    Args:
        dataset: with the stored energies.
        reactions, own, stored: see `frame_shift`.
    """
    if own.energies == stored.energies:
        return np.zeros(len(reactions))
    name = f'the frame of "{own.source}"' if own.source else f"the frame {own}"
    needed = {n for reaction in reactions for n in reaction.coefficients}
    shifts = {n: frame_shift(dataset.energies(n), own, stored, name) for n in sorted(needed)}
    return HARTREE_TO_KCAL * np.array([reaction.energy(shifts) for reaction in reactions])


def _exact_exchange(energies: Energies, frame: Frame) -> float:
    hybrid = frame.hybrid
    return hybrid.short_range * energies.e_xx + (hybrid.long_range - hybrid.short_range) * energies.e_xx_lr
