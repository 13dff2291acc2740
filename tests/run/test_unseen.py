"""No reference energy of the test split is read before the report of a search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fastsfes import Dataset, SearchConfig, search
from fastsfes.datasets import Reaction
from fastsfes.run import problem


class TestReferenceRead(Exception):
    """Somebody looked."""

    __test__ = False


class Sealed(Reaction):
    """A reaction whose reference cannot be read."""

    def __getattribute__(self, name: str) -> Any:
        if name == "reference":
            raise TestReferenceRead(object.__getattribute__(self, "name"))
        return object.__getattribute__(self, name)


def sealed(reaction: Reaction) -> Reaction:
    if reaction.split != "test":
        return reaction
    made = object.__new__(Sealed)
    for name, value in vars(reaction).items():
        object.__setattr__(made, name, value)
    return made


def test_the_test_split_is_not_read_before_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builtin = Dataset.open("builtin")
    assert builtin.path is not None
    contents = replace(builtin.contents, reactions=tuple(sealed(r) for r in builtin.contents.reactions))
    assert sum(isinstance(r, Sealed) for r in contents.reactions) > 10
    dataset = Dataset(contents, builtin.path)
    monkeypatch.setattr(problem.Dataset, "open", lambda name: dataset)
    config = SearchConfig.make(
        dataset="builtin", candidates=200, population=20, generation=16, generations=2, islands=2, migrate_every=1,
        cross_validation_coefficient=0.1, constraints=("0 <= f_x <= 2",),
    )  # fmt: skip
    run = search(config, output=tmp_path / "run", report=False)
    assert run.summary["complete"]
    # the seal works: the report does read it
    with pytest.raises(TestReferenceRead):
        search(resume=run.path)
