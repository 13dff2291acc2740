"""Densities on integration grids: from stored occupied orbitals to rho, sigma and tau, in blocks.

Nothing here keeps more than one block in memory, so a dataset of any size streams through. A block
holds a few ten thousand points; its arrays follow libxc's order of components.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..common.errors import InputError
from ..datasets.dataset import Dataset
from ..densities import load_mole
from ..densities.record import DensityRecord, GridRecord
from ..densities.settings import parse_grid

FloatArray = npt.NDArray[np.float64]

#: Points whose spin densities all lie below this (electrons/bohr^3) are dropped. They carry less than
#: 1e-13 hartree each; the threshold below which a functional returns 0 is the functional's own and higher.
DROP_DENSITY = 1e-16

#: Bytes of atomic orbital values held at once (value and three derivatives of every basis function).
_AO_BYTES = 128 * 2**20
_MIN_POINTS, _MAX_POINTS = 1024, 65536


@dataclass(frozen=True)
class GridBlock:
    """Some points of an integration grid and the density there, in atomic units.

    Attributes:
        weights: quadrature weights in bohr^3, (n,).
        rho: spin densities, (2, n); restricted: the total density, (n,).
        sigma: grad rho_a . grad rho_a, a . b, b . b, (3, n); restricted: |grad rho|^2, (n,).
        tau: (1/2) sum_i |grad phi_i|^2 per spin, (2, n); restricted: the total, (n,).
    """

    weights: FloatArray
    rho: FloatArray
    sigma: FloatArray
    tau: FloatArray

    @property
    def polarised(self) -> bool:
        """Whether the two spins are kept apart."""
        return self.rho.ndim == 2

    def __len__(self) -> int:
        """Count the points."""
        return len(self.weights)


def grid_blocks(record: DensityRecord | GridRecord, grid: str | None = None) -> Iterator[GridBlock]:
    """Stream a stored density on an integration grid.

    Args:
        record: the density.
        grid: "level N" (PySCF's pruned grids) or "(radial,angular)" (unpruned); by default the grid that
            the density was made on, the only one for values on a grid.

    Yields:
        GridBlock: restricted densities give unpolarised blocks.
    """
    if isinstance(record, GridRecord):
        if grid not in (None, record.attributes["grid"]):
            raise InputError(
                f"{record.attributes.get('name', 'a species')!r} is stored on its own grid and cannot be put on "
                f"{grid!r}"
            )
        yield from _stored_blocks(record)
        return
    from pyscf.dft import numint

    mol = load_mole(record.mole, f"density of {record.attributes.get('name', 'a species')!r}")
    grids = build_grid(mol, grid if grid is not None else str(record.attributes["grid"]))
    orbitals = _scaled_orbitals(record)
    points = int(np.clip(_AO_BYTES // (32 * mol.nao), _MIN_POINTS, _MAX_POINTS))
    # PySCF screens basis functions in blocks of BLKSIZE points; a block of ours must be whole ones.
    points -= points % numint.BLKSIZE
    loop = numint.NumInt().block_loop(mol, grids, mol.nao, deriv=1, max_memory=4000, blksize=points)
    for ao, _mask, weights, _coords in loop:
        block = _density(np.asarray(ao), np.asarray(weights), orbitals)
        if len(block):
            yield block


def _stored_blocks(record: GridRecord) -> Iterator[GridBlock]:
    for start in range(0, len(record.weights), _MAX_POINTS):
        part = slice(start, start + _MAX_POINTS)
        weights, rho = record.weights[part], record.rho[..., part]
        keep = (weights != 0.0) & (rho.reshape(-1, len(weights)).max(axis=0) > DROP_DENSITY)
        if keep.any():
            yield GridBlock(
                weights[keep], rho[..., keep], record.sigma[..., part][..., keep], record.tau[..., part][..., keep]
            )


#: Grid data kept in memory by `keep`, bytes; override with the environment variable FASTSFES_GRID_CACHE_MB.
CACHE_BYTES = 2**30

_cache: dict[Hashable, tuple[Any, int]] = {}
_cached_bytes = 0


def kept(key: Hashable) -> Any:
    """What `keep` has kept, or None."""
    return _cache.get(key, (None, 0))[0]


def keep(key: Hashable, value: Any, size: int) -> None:
    """Keep grid data of some bytes in memory, in place of what the key had, if it fits into what is set aside."""
    global _cached_bytes
    total = _cached_bytes + size - _cache.get(key, (None, 0))[1]
    if total <= _cache_limit():
        _cache[key] = (value, size)
        _cached_bytes = total


def density_key(dataset: Dataset, name: str) -> tuple[Hashable, ...]:
    """What tells the stored density of a species from all others: the file, its state, and the name there."""
    if dataset.path is None:
        raise InputError(f"dataset {dataset.name!r} was not opened from a file and has no densities")
    status = dataset.path.stat()
    return dataset.path.resolve(), status.st_mtime_ns, status.st_ino, dataset.representative(name)


def cached_blocks(dataset: Dataset, name: str, grid: str | None = None) -> Iterable[GridBlock]:
    """Stream the grid data of a species of a dataset file, kept in memory for the next time.

    When the memory set aside is full, further species are made anew each time: with a dataset larger than the cache,
    that part which fits is still found at every pass.
    """
    key = (*density_key(dataset, name), grid)
    found: list[GridBlock] | None = kept(key)
    if found is not None:
        return found
    source = dataset.source(dataset.representative(name))
    if _cached_bytes >= _cache_limit():
        return grid_blocks(source, grid)
    blocks = list(grid_blocks(source, grid))
    keep(key, blocks, sum(a.nbytes for b in blocks for a in (b.weights, b.rho, b.sigma, b.tau)))
    return blocks


def clear_cache() -> None:
    """Forget the grid data that is kept."""
    global _cached_bytes
    _cache.clear()
    _cached_bytes = 0


def _cache_limit() -> int:
    text = os.environ.get("FASTSFES_GRID_CACHE_MB")
    if text is None:
        return CACHE_BYTES
    if not text.strip().isdigit():
        raise InputError(f"FASTSFES_GRID_CACHE_MB is {text!r}; expected a number of megabytes such as 1024, or 0")
    return int(text) * 2**20


def build_grid(mol: Any, grid: str) -> Any:
    """Build the PySCF grid of a molecule from its description (see `grid_blocks`)."""
    from pyscf import dft

    grids = dft.gen_grid.Grids(mol)
    grids.verbose = 0
    parsed = parse_grid(grid)
    if isinstance(parsed, int):
        grids.level = parsed
    else:
        if parsed[1] not in dft.gen_grid.LEBEDEV_NGRID:
            raise InputError(
                f"grid {grid!r}: {parsed[1]} is not the size of a Lebedev grid; use one of "
                f"{', '.join(str(n) for n in sorted(dft.gen_grid.LEBEDEV_NGRID) if n > 1)}"
            )
        grids.atom_grid = parsed
        grids.prune = None
    grids.build(with_non0tab=True)
    return grids


def _scaled_orbitals(record: DensityRecord) -> list[FloatArray]:
    """Occupied orbitals times the root of their occupation, one matrix (nao, n) per stored spin."""
    coeff = record.mo_coeff.reshape(-1, *record.mo_coeff.shape[-2:])
    occ = record.mo_occ.reshape(-1, record.mo_occ.shape[-1])
    return [np.ascontiguousarray(c[:, o > 0] * np.sqrt(o[o > 0])) for c, o in zip(coeff, occ, strict=True)]


def _density(ao: FloatArray, weights: FloatArray, orbitals: list[FloatArray]) -> GridBlock:
    n = len(weights)
    rho, tau = np.zeros((len(orbitals), n)), np.zeros((len(orbitals), n))
    gradient = np.zeros((len(orbitals), 3, n))
    for spin, matrix in enumerate(orbitals):
        if matrix.shape[1] == 0:
            continue
        phi = ao[0] @ matrix
        rho[spin] = np.einsum("pi,pi->p", phi, phi)
        for axis in range(3):
            slope = ao[1 + axis] @ matrix
            gradient[spin, axis] = 2.0 * np.einsum("pi,pi->p", phi, slope)
            tau[spin] += 0.5 * np.einsum("pi,pi->p", slope, slope)
    keep = (weights != 0.0) & (rho.max(axis=0) > DROP_DENSITY)
    rho, tau, gradient, weights = rho[:, keep], tau[:, keep], gradient[:, :, keep], weights[keep]
    if len(orbitals) == 1:
        sigma = np.einsum("xp,xp->p", gradient[0], gradient[0])
        return GridBlock(weights, rho[0], sigma, tau[0])
    pairs = ((0, 0), (0, 1), (1, 1))
    sigma = np.array([np.einsum("xp,xp->p", gradient[a], gradient[b]) for a, b in pairs])
    return GridBlock(weights, rho, sigma, tau)
