"""Datasets and results are copied, pickled and hashed like other values."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.common.readonly import ReadOnly
from fastsfes.datasets.builtin import builtin_contents


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(again: Any) -> None:
    for dataset in (fs.Dataset.open("builtin"), fs.Dataset(builtin_contents())):
        other = again(dataset)
        assert other.reactions == dataset.reactions
        assert list(other.species) == list(dataset.species)
        assert other.density_names == dataset.density_names
    sealed = again(fs.Dataset.open("gscdb"))
    assert sealed.is_sealed
    evaluation = fs.evaluate("wb97m_v", "builtin", "train")
    other = again(evaluation)
    assert np.array_equal(other.errors, evaluation.errors)
    assert (other.reactions, other.total, other.note) == (evaluation.reactions, evaluation.total, evaluation.note)
    fitted = fs.fit("x = 1 + c*w; css = 1; cos = 1; x.c = 0", "builtin", starts=1)
    assert again(fitted) == fitted
    quadrature = fs.Quadrature.load(fs.Dataset.open("builtin"))
    assert again(quadrature).species == quadrature.species


def test_hashes() -> None:
    dataset = fs.Dataset.open("builtin")
    evaluation = fs.evaluate("wb97m_v", dataset, "train")
    fitted = fs.fit("x = 1 + c*w; css = 1; cos = 1; x.c = 0", dataset, starts=1)
    kept = {dataset: 1, evaluation: 2, fitted: 3, dataset.reactions[0]: 4}
    assert [kept[k] for k in (dataset, evaluation, copy.copy(fitted), copy.deepcopy(dataset.reactions[0]))] == [
        1,
        2,
        3,
        4,
    ]
    assert evaluation == evaluation
    assert evaluation != copy.copy(evaluation)


def test_mappings_that_do_not_change() -> None:
    given = {"b": 1.0, "a": 2.0}
    made = ReadOnly(given)
    given["b"] = 3.0
    assert made == {"b": 1.0, "a": 2.0}
    assert list(made) == ["b", "a"]
    assert hash(made) == hash(ReadOnly({"a": 2.0, "b": 1.0}))
    assert pickle.loads(pickle.dumps(made)) == made == copy.deepcopy(made)
    with pytest.raises(TypeError):
        made["b"] = 1.0  # type: ignore[index]
