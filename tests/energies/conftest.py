"""A small dataset file of a few packaged densities, for tests that build or damage quadratures."""

from dataclasses import replace

import pytest
from small_quadrature import build_small

from fastsfes import Dataset, Quadrature
from fastsfes.datasets.storage import write_dataset
from fastsfes.energies.quadrature import save_quadrature


@pytest.fixture(scope="session")
def builtin():
    return Dataset.open("builtin")


@pytest.fixture(scope="session")
def stored(builtin):
    return Quadrature.load(builtin)


@pytest.fixture(scope="session")
def small_reactions(builtin):
    """Return the three available reactions with the smallest species."""

    def size(reaction):
        return sum(len(builtin.species[name].symbols) for name in reaction.coefficients), reaction.name

    return tuple(sorted(builtin.available, key=size)[:3])


@pytest.fixture(scope="session")
def small_names(small_reactions):
    return sorted({name for reaction in small_reactions for name in reaction.coefficients})


@pytest.fixture(scope="session")
def small_file(tmp_path_factory, builtin, small_reactions, small_names):
    path = tmp_path_factory.mktemp("quadrature") / "small.h5"
    contents = replace(
        builtin.contents,
        name="small",
        species={name: builtin.species[name] for name in small_names},
        reactions=small_reactions,
        missing={},
        dropped={},
    )
    write_dataset(path, contents, (([name], builtin.density(name)) for name in small_names))
    save_quadrature(path, build_small(Dataset.open(path)))
    return path
