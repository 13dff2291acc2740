"""JSON that fastsfes reads again; its schema is `functional.schema.json` in the package's data."""

from __future__ import annotations

import json
from importlib.resources import files as resources
from typing import Any

from ..functionals.functional import Functional

__all__ = ["files", "schema"]


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One JSON file; every number has as many digits as it takes to be the same double again."""
    return {"": functional.to_text()}


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of functional files."""
    data: dict[str, Any] = json.loads(
        resources("fastsfes").joinpath("data/functional.schema.json").read_text(encoding="utf-8")
    )
    return data
