"""Densities on integration grids, against PySCF's own evaluation."""

import tracemalloc

import numpy as np
import pytest

from fastsfes import Dataset, InputError
from fastsfes.densities import load_mole
from fastsfes.energies import grid as griddata
from fastsfes.energies.grid import build_grid, cached_blocks, clear_cache, grid_blocks


@pytest.fixture(scope="module")
def dataset():
    return Dataset.open("builtin")


def pick(dataset, spin):
    """Return the smallest molecule (not atom) with this many unpaired electrons."""
    names = [
        n for n in dataset.density_names if dataset.species[n].spin == spin and len(dataset.species[n].symbols) > 1
    ]
    return min(names, key=lambda n: (len(dataset.species[n].symbols), n))


def joined(blocks):
    blocks = list(blocks)
    return {
        part: np.concatenate([getattr(b, part) for b in blocks], axis=-1) for part in ("weights", "rho", "sigma", "tau")
    }


@pytest.mark.parametrize("spin", [0, 1, 2])
def test_against_pyscf(dataset, spin):
    from pyscf.dft import numint

    record = dataset.density(pick(dataset, spin))
    ours = joined(grid_blocks(record, "level 0"))
    mol = load_mole(record.mole)
    grids = build_grid(mol, "level 0")
    ao = numint.eval_ao(mol, grids.coords, deriv=1)
    dms = record.density_matrix().reshape(-1, mol.nao, mol.nao)
    # PySCF's tau row holds (1/2) sum |grad phi|^2, as ours does.
    theirs = np.array([numint.eval_rho(mol, ao, dm, xctype="MGGA", with_lapl=False) for dm in dms])
    keep = (grids.weights != 0) & (theirs[:, 0].max(axis=0) > griddata.DROP_DENSITY)
    # Points at the threshold may fall on either side of it.
    assert abs(len(ours["weights"]) - keep.sum()) <= 5
    for integrate in (
        lambda w, rho, sigma, tau: w @ rho,
        lambda w, rho, sigma, tau: w @ np.sqrt(sigma),
        lambda w, rho, sigma, tau: w @ tau,
        lambda w, rho, sigma, tau: w @ (tau * rho ** (1 / 3)),
    ):
        for s in range(len(dms)):
            gradient = theirs[s, 1:4]
            expected = integrate(grids.weights, theirs[s, 0].clip(0), (gradient**2).sum(axis=0), theirs[s, 4])
            component = lambda a, k: a if a.ndim == 1 else a[k]  # noqa: E731
            value = integrate(
                ours["weights"],
                component(ours["rho"], s),
                component(ours["sigma"], 2 * s),
                component(ours["tau"], s),
            )
            # PySCF screens basis functions below 1e-13; the dropped points carry less than 1e-13 each.
            assert value == pytest.approx(expected, rel=1e-10)
    if spin:
        ab = (theirs[0, 1:4] * theirs[1, 1:4]).sum(axis=0)
        assert ours["weights"] @ ours["sigma"][1] == pytest.approx(grids.weights @ ab, rel=1e-9)


def test_the_density_integrates_to_the_electrons(dataset):
    name = pick(dataset, 2)
    mol = load_mole(dataset.density(name).mole)
    fine = joined(grid_blocks(dataset.density(name), "(75,302)"))
    na, nb = fine["weights"] @ fine["rho"].T
    # Accuracy of a (75,302) grid.
    assert na == pytest.approx(mol.nelec[0], abs=2e-4)
    assert nb == pytest.approx(mol.nelec[1], abs=2e-4)


def test_the_spin_without_electrons_is_exactly_zero(dataset):
    hydrogen = next(n for n in dataset.density_names if dataset.species[n].symbols == ("H",))
    data = joined(grid_blocks(dataset.density(hydrogen), "level 0"))
    assert data["rho"].shape[0] == 2
    assert not data["rho"][1].any()
    assert not data["tau"][1].any()
    assert not data["sigma"][1:].any()


def test_pairs_are_unpruned_and_levels_are_pruned(dataset):
    record = dataset.density(next(n for n in dataset.density_names if dataset.species[n].symbols == ("H",)))
    mol = load_mole(record.mole)
    weights = build_grid(mol, "(50,194)").weights
    assert np.count_nonzero(weights) == 50 * 194  # PySCF pads with points of weight 0
    assert np.count_nonzero(build_grid(mol, "level 3").weights) < 50 * 302


@pytest.mark.parametrize("grid", ["level", "level 12", "fine", "(0,194)"])
def test_unknown_grids(dataset, grid):
    with pytest.raises(InputError, match="grid"):
        list(grid_blocks(dataset.density(dataset.density_names[0]), grid))


def test_sizes_that_are_no_lebedev_grids(dataset):
    with pytest.raises(InputError, match="195 is not the size of a Lebedev grid"):
        list(grid_blocks(dataset.density(dataset.density_names[0]), "(50,195)"))


def test_memory_does_not_grow_with_the_grid(dataset):
    """One block of orbital values is held at a time, whatever the number of points; 2 GB are far away."""
    record = dataset.density(max(dataset.density_names, key=lambda n: (len(dataset.species[n].symbols), n)))
    peaks, points = [], []
    for level in ("level 0", "level 3"):
        tracemalloc.start()
        points.append(sum(len(block) for block in grid_blocks(record, level)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert points[1] > 5 * points[0]
    # Coordinates, weights and PySCF's table of negligible orbitals are all that goes with the points.
    assert peaks[1] - peaks[0] < 200 * (points[1] - points[0])
    assert peaks[1] < 256 * 2**20


def test_the_cache_stays_within_its_limit(dataset, monkeypatch):
    clear_cache()
    monkeypatch.setenv("FASTSFES_GRID_CACHE_MB", "2")
    names = sorted(dataset.density_names, key=lambda n: (len(dataset.species[n].symbols), n))[:8]
    held = []
    for _ in range(2):
        for name in names:
            list(cached_blocks(dataset, name, "level 0"))
        held.append(griddata._cached_bytes)
    assert 0 < held[0] <= 2 * 2**20
    assert held[1] == held[0]  # what does not fit pushes nothing out
    clear_cache()


def test_the_cache_returns_what_it_was_given(dataset, monkeypatch):
    clear_cache()
    name = pick(dataset, 1)
    fresh = joined(grid_blocks(dataset.density(name), "level 0"))
    first = cached_blocks(dataset, name, "level 0")
    assert cached_blocks(dataset, name, "level 0") is first
    for part, values in joined(first).items():
        np.testing.assert_array_equal(values, fresh[part])
    clear_cache()
    monkeypatch.setenv("FASTSFES_GRID_CACHE_MB", "0")
    assert cached_blocks(dataset, name, "level 0") is not cached_blocks(dataset, name, "level 0")
    monkeypatch.setenv("FASTSFES_GRID_CACHE_MB", "plenty")
    with pytest.raises(InputError, match="FASTSFES_GRID_CACHE_MB is 'plenty'"):
        cached_blocks(dataset, name, "level 0")
