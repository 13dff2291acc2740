"""What a validation found: errors of self-consistent and of frozen densities, and how the calculations went."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import InputError
from ..common.files import write_output
from ..common.reading import parse_json, read_text, shaped
from ..datasets.model import HARTREE_TO_KCAL, Reaction
from ..energies.evaluate import Evaluation
from ..functionals.names import display_name

__all__ = ["Convergence", "Validation", "read_validation"]

FORMAT, VERSION = "fastsfes-validation", 1

_VALUE = (float, None)
_STATISTICS = {"reactions": int, "rmsd": _VALUE, "mae": _VALUE, "wrmsd": _VALUE}
_TABLE = ({"total": _STATISTICS, "by_type": {str: _STATISTICS}}, None)
_COURSE = {
    **dict.fromkeys(("species", "converged", "cycles_max"), int),
    "cycles_mean": float,
    "seconds": float,
    "rungs": {str: int},
}
_SHAPE = {
    "dataset": str,
    "settings": {str: (str, float, bool, None)},
    "functionals": [{"name": str, "convergence": _COURSE, "scf": _TABLE, "frozen": _TABLE}],
    "reactions": [{"name": str, "errors": {str: {"scf": _VALUE, "frozen": _VALUE}}}],
    "excluded": {str: str},
}

#: An energy above that of the density it started from by more than this (hartree) belongs to another state.
OTHER_STATE = 1e-5

#: Points that the printed table lists before it only counts them.
_LISTED = 20


@dataclass(frozen=True)
class Convergence:
    """How the calculations with one functional went.

    Attributes:
        species: calculations asked for; those that converged, that did not, and that failed with an error.
        rungs: rung of the convergence ladder -> number of converged calculations.
        cycles_mean, cycles_max: iterations of the converged ones.
        seconds: time of all of them.
    """

    species: int
    converged: int
    unconverged: tuple[str, ...]
    failed: Mapping[str, str]
    other_state: tuple[str, ...]
    rungs: Mapping[str, int]
    cycles_mean: float
    cycles_max: int
    seconds: float


@dataclass(frozen=True)
class Validation:
    """Errors of functionals on reactions, by self-consistent and by frozen densities.

    Attributes:
        dataset: name of the dataset.
        functionals: name -> plain data.
        candidates: reactions asked for.
        species: functional -> species -> what its calculation left (docs/file-formats.md).
        failed: functional -> species -> why there is no result.
        settings: of the calculations.
    """

    dataset: str
    functionals: Mapping[str, Mapping[str, Any]]
    candidates: tuple[Reaction, ...]
    species: Mapping[str, Mapping[str, Mapping[str, Any]]]
    failed: Mapping[str, Mapping[str, str]]
    settings: Mapping[str, Any]

    @cached_property
    def excluded(self) -> dict[str, str]:
        """Reactions that are left out for all functionals, and why: a species that one of them has no energy of."""
        reasons: dict[str, str] = {}
        for reaction in self.candidates:
            for functional, found in self.species.items():
                for name in reaction.coefficients:
                    if name in self.failed[functional]:
                        reasons.setdefault(reaction.name, f"{name} failed with {display_name(functional)}")
                    elif name not in found or not found[name]["converged"]:
                        reasons.setdefault(reaction.name, f"{name} did not converge with {display_name(functional)}")
        return reasons

    @cached_property
    def reactions(self) -> tuple[Reaction, ...]:
        """Reactions of which every functional has all energies."""
        return tuple(reaction for reaction in self.candidates if reaction.name not in self.excluded)

    @cached_property
    def scf(self) -> dict[str, Evaluation]:
        """Errors of self-consistent energies by functional, on `reactions`."""
        return self._evaluations("e_tot", "scf")

    @cached_property
    def frozen(self) -> dict[str, Evaluation]:
        """Errors with the stored densities frozen; empty when calculations did not start from those."""
        return self._evaluations("e_frozen", "frozen")

    def _evaluations(self, key: str, method: str) -> dict[str, Evaluation]:
        out: dict[str, Evaluation] = {}
        for functional, found in self.species.items():
            energies = {name: record[key] for name, record in found.items()}
            if any(energies[name] is None for r in self.reactions for name in r.coefficients):
                return {}
            errors = [HARTREE_TO_KCAL * r.energy(energies) - r.reference for r in self.reactions]
            out[functional] = Evaluation(self.reactions, np.array(errors), method)
        return out

    @cached_property
    def convergence(self) -> dict[str, Convergence]:
        """Counts, rungs and iterations by functional."""
        out = {}
        for functional, found in self.species.items():
            good = {name: r for name, r in found.items() if r["converged"]}
            cycles = [int(r["cycles"]) for r in good.values()]
            out[functional] = Convergence(
                species=len(found) + len(self.failed[functional]),
                converged=len(good),
                unconverged=tuple(sorted(set(found) - set(good))),
                failed=dict(self.failed[functional]),
                other_state=tuple(sorted(n for n, r in good.items() if r["rise"] > OTHER_STATE)),
                rungs=dict(sorted(Counter(str(r["rung"]) for r in good.values()).items())),
                cycles_mean=float(np.mean(cycles)) if cycles else 0.0,
                cycles_max=max(cycles, default=0),
                seconds=float(sum(r["seconds"] for r in found.values())),
            )
        return out

    @property
    def complete(self) -> bool:
        """Whether every calculation converged."""
        return all(c.converged == c.species for c in self.convergence.values())

    def table(self) -> str:
        """What people read: errors by data type, convergence, and what is left out."""
        return "\n".join([*self._errors(), "", *self._course(), *self._problems()])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        functionals = []
        for name, data in self.functionals.items():
            row: dict[str, Any] = {"name": name, "functional": data, "convergence": asdict(self.convergence[name])}
            for key, evaluations in (("scf", self.scf), ("frozen", self.frozen)):
                row[key] = _statistics(evaluations[name]) if name in evaluations and self.reactions else None
            functionals.append(row)
        reactions = []
        for i, r in enumerate(self.reactions):
            errors = {
                name: {
                    "scf": float(self.scf[name].errors[i]),
                    "frozen": float(self.frozen[name].errors[i]) if self.frozen else None,
                }
                for name in self.functionals
            }
            about = {k: getattr(r, k) for k in ("name", "subset", "data_type", "split", "weight", "reference")}
            reactions.append({**about, "errors": errors})
        return {
            "format": FORMAT,
            "version": VERSION,
            "dataset": self.dataset,
            "unit": "kcal/mol",
            "settings": dict(self.settings),
            "functionals": functionals,
            "reactions": reactions,
            "excluded": self.excluded,
            "species": {
                functional: {
                    name: {k: v for k, v in record.items() if k not in ("format", "version", "functional")}
                    for name, record in found.items()
                }
                for functional, found in self.species.items()
            },
        }

    def to_json(self, path: str | Path) -> None:
        """Write everything, atomically."""
        write_output(path, json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")

    def _errors(self) -> list[str]:
        if not self.reactions:
            return [f"{self.dataset}: energies of species only, no reaction has them all"]
        kinds = ("SCF", "frozen") if self.frozen else ("SCF",)
        tables = (self.scf, self.frozen) if self.frozen else (self.scf,)
        names = list(self.functionals)
        width = max(9 * len(kinds), *(len(display_name(name)) for name in names)) + 2
        lines = [
            f"errors in kcal/mol on {len(self.reactions)} reactions of {self.dataset}: self-consistent"
            + (", and with the stored densities frozen" if self.frozen else "")
        ]
        lines.append(" " * 24 + "".join(display_name(name).rjust(width) for name in names))
        heads = "".join(kind.rjust(9) for kind in kinds)
        lines.append("RMSD".ljust(16) + "number".rjust(8) + "".join(heads.rjust(width) for _ in names))

        def row(label: str, number: int, value: Any) -> None:
            cells = ("".join(f"{value(t[name]):9.3f}" for t in tables).rjust(width) for name in names)
            lines.append(label.ljust(16) + str(number).rjust(8) + "".join(cells))

        by_type = self.scf[names[0]].by_type
        for kind, statistics in by_type.items():
            row(kind, statistics.reactions, lambda e, kind=kind: e.by_type[kind].rmsd)
        if len(by_type) > 1:
            row("all", len(self.reactions), lambda e: e.total.rmsd)
        row("all, MAE", len(self.reactions), lambda e: e.total.mae)
        row("all, WRMSD", len(self.reactions), lambda e: e.total.wrmsd)
        for name in names if self.frozen else []:
            change = self.scf[name].errors - self.frozen[name].errors
            k = int(np.argmax(np.abs(change)))
            lines.append(
                f"{display_name(name)}: self-consistency changes {self.reactions[k].name} most, by {change[k]:+.3f}"
            )
        return lines

    def _course(self) -> list[str]:
        width = max(10, *(len(display_name(name)) for name in self.functionals)) + 2
        lines = ["functional".ljust(width) + "species  converged  cycles mean  max  seconds  rungs"]
        for name, c in self.convergence.items():
            rungs = ", ".join(f"{rung} {count}" for rung, count in c.rungs.items())
            lines.append(
                f"{display_name(name).ljust(width)}{c.species:7d}  {c.converged:9d}  {c.cycles_mean:11.1f}  "
                f"{c.cycles_max:3d}  {c.seconds:7.0f}  {rungs}"
            )
        return lines

    def _problems(self) -> list[str]:
        lines = []
        for name, c in self.convergence.items():
            lines += [f"not converged with {display_name(name)}: {species}" for species in c.unconverged]
            lines += [f"failed with {display_name(name)}: {species}: {reason}" for species, reason in c.failed.items()]
            lines += [
                f"above the density it started from, so another state, with {display_name(name)}: {species} "
                f"(+{HARTREE_TO_KCAL * self.species[name][species]['rise']:.3f} kcal/mol)"
                for species in c.other_state
            ]
        lines += [f"left out: {reaction} ({reason})" for reaction, reason in self.excluded.items()]
        if len(lines) > _LISTED:
            lines = [*lines[:_LISTED], f"... and {len(lines) - _LISTED} more lines; the JSON result has all"]
        return ["", *lines] if lines else []


def read_validation(path: Path, remedy: str) -> dict[str, Any]:
    """What `Validation.to_json` wrote, as plain data.

    Args:
        path: the file.
        remedy: what to do when it is damaged, for the error.

    Raises:
        InputError: when it cannot be read, is damaged, or of another version.
    """
    text = read_text(path, "the result of a validation")
    try:
        data = parse_json(text, str(path))
    except InputError as error:
        raise InputError(f"{error} {remedy[0].upper()}{remedy[1:]}") from None
    if not isinstance(data, Mapping) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
        raise InputError(f"{path} is not a {FORMAT} of version {VERSION}; {remedy}")
    shaped(data, _SHAPE, str(path), remedy)
    names = [f["name"] for f in data["functionals"]]
    tables = [f[key]["by_type"].keys() for f in data["functionals"] for key in ("scf", "frozen") if f[key]]
    good = bool(names) and len({f["scf"] is None for f in data["functionals"]}) == 1
    good = good and all(table == tables[0] for table in tables)
    if not good or any(name not in r["errors"] for name in names for r in data["reactions"]):
        raise InputError(f"{path} is damaged: its functionals, types and reactions do not go together; {remedy}")
    return dict(data)


def _statistics(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "total": asdict(evaluation.total),
        "by_type": {kind: asdict(s) for kind, s in evaluation.by_type.items()},
        "by_subset": {subset: asdict(s) for subset, s in evaluation.by_subset.items()},
    }
