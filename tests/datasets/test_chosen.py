"""Parts of datasets and other splits, by what follows the name."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import fastsfes as fs
from fastsfes.run.digests import absolute


def test_reactions_are_chosen_by_type_subset_spin_and_number() -> None:
    whole = fs.Dataset.open("builtin")
    kind = whole.reactions[0].data_type
    assert {r.data_type for r in fs.Dataset.open(f"builtin?types={kind}").reactions} == {kind}
    subset = whole.reactions[-1].subset
    part = fs.Dataset.open(f"builtin?subsets={subset[:3]}*")
    assert {r.name for r in part.reactions} == {r.name for r in whole.reactions if r.subset.startswith(subset[:3])}
    opened = fs.Dataset.open("builtin?spin=open").reactions
    assert opened
    assert all(any(whole.species[n].spin for n in r.coefficients) for r in opened)
    some = fs.Dataset.open("builtin?number=20:3")
    assert len(some.reactions) == 20
    assert some.reactions == fs.Dataset.open("builtin?number=20:3").reactions
    assert some.reactions != fs.Dataset.open("builtin?number=20:4").reactions
    assert some.spec == "builtin?number=20:3"
    assert pickle.loads(pickle.dumps(some)).spec == some.spec


def test_random_splits_are_60_20_20_by_seed() -> None:
    first = fs.Dataset.open("builtin?splits=random:1")
    sizes = [len(first.split(s)) for s in ("train", "validation", "test")]
    count = len(first.reactions)
    assert sum(sizes) == count
    assert abs(sizes[0] - 0.6 * count) <= 1
    assert abs(sizes[1] - 0.2 * count) <= 1
    again, other = (fs.Dataset.open(f"builtin?splits=random:{s}") for s in (1, 2))
    assert [r.split for r in again.reactions] == [r.split for r in first.reactions]
    assert [r.split for r in other.reactions] != [r.split for r in first.reactions]


def test_whole_subsets_stay_together_and_a_sealed_split_stays_sealed() -> None:
    sealed = fs.Dataset.open("gscdb")
    assert sealed.is_sealed
    divided = fs.Dataset.open("gscdb?splits=by-subset:5")
    assert divided.is_sealed
    assert {r.name for r in divided.reactions} == {r.name for r in sealed.reactions}  # without the test split
    place = {}
    for reaction in divided.reactions:
        assert place.setdefault(reaction.subset, reaction.split) == reaction.split
    assert set(place.values()) == {"train", "validation"}


def test_splits_of_a_file(tmp_path: Path) -> None:
    whole = fs.Dataset.open("builtin")
    names = [r.name for r in whole.available[:6]]
    path = tmp_path / "mine.csv"
    lines = [f"{n},{s}" for n, s in zip(names, ["train", "validation", "test"] * 2, strict=True)]
    path.write_text("reaction,split\n" + "\n".join(lines) + "\n")
    mine = fs.Dataset.open(f"builtin?splits={path}")
    assert [r.name for r in mine.split("validation")] == names[1::3]
    assert len(mine.reactions) == 6
    path.write_text("reaction,split\nno such,train\n")
    with pytest.raises(fs.InputError, match='line 2: there is no reaction "no such"'):
        fs.Dataset.open(f"builtin?splits={path}")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("kinds=BH", "is not understood; expected types=..., subsets=..., spin=..."),
        ("types=", "is not understood"),
        ("types=nothing", 'nothing matches "nothing"; there are'),
        ("spin=up", "expected closed or open"),
        ("number=0", "number is 0"),
        ("number=ten", '"ten" is no whole number'),
        ("splits=random:x", '"x" is no whole number'),
        ("splits=absent.csv", "no such file; expected random:SEED"),
    ],
)
def test_what_is_not_understood_is_said(query: str, message: str) -> None:
    with pytest.raises(fs.InputError, match=message):
        fs.Dataset.open(f"builtin?{query}")


def test_a_run_keeps_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "data.h5").touch()
    assert absolute(f"{tmp_path}/../{tmp_path.name}/data.h5?number=3") == f"{(tmp_path / 'data.h5').resolve()}?number=3"
    run = fs.search(
        candidates=64, dataset="builtin?splits=random:2", losses="root", keep_parent=0.5, keep_duplicates=True,
        output=tmp_path / "run", report=False,
    )  # fmt: skip
    assert run.config.dataset == "builtin?splits=random:2"
    best = run.states[0].best
    squares = 0.7 * best.train**2 + 0.3 * best.validation**2
    assert best.error == pytest.approx(squares**0.5 + best.terms.get("nodes", 0.0), rel=1e-12)
    data = fs.Dataset.open("builtin?splits=random:2")
    assert fs.wrmsd(run.best, data, "validation") == pytest.approx(run.summary["refit"]["validation"], rel=1e-6)


def test_weights_of_types_and_reactions(tmp_path: Path) -> None:
    whole = fs.Dataset.open("builtin").reactions
    kind, other = sorted({r.data_type for r in whole})[:2]
    scaled = fs.Dataset.open(f"builtin?weights={kind}:3,{other[:1]}*:0.5").reactions
    for old, new in zip(whole, scaled, strict=True):
        factor = (3 if old.data_type == kind else 1) * (
            0.5 if any(n.startswith(other[0]) for n in (old.data_type, old.subset)) else 1
        )
        assert new.weight == pytest.approx(old.weight * factor, rel=1e-15)
    table = tmp_path / "mine.csv"
    table.write_text(f"reaction,weight\n{whole[3].name},7.5\n")
    given = fs.Dataset.open(f"builtin?weights={table}").reactions
    assert [r.weight for r in given] == [7.5 if k == 3 else r.weight for k, r in enumerate(whole)]
    table.write_text(f"reaction,weight\n{whole[3].name},-1\n")
    for value, message in (
        (str(table), 'line 2: weight "-1"; expected a number above 0'),
        ("nothing:2", 'nothing matches "nothing"'),
        (f"{kind}:x", 'weight "x"; expected a number above 0'),
        ("absent.csv", "absent.csv"),
    ):
        with pytest.raises(fs.InputError, match=message):
            fs.Dataset.open(f"builtin?weights={value}")
