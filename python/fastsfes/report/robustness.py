"""The sections of robustness: terms and parameters, numerical health and exact conditions, self-consistent validation."""

from __future__ import annotations

from typing import Any

from .html import Markup
from .parts import missing, section

__all__ = ["health_section", "insight_section", "validation_section"]


def insight_section(data: dict[str, Any]) -> Markup:
    """What each term contributes and how well the parameters are known."""
    return section("insight", "Terms and parameters", missing("Not evaluated."))


def health_section(data: dict[str, Any]) -> Markup:
    """Numerical health and exact conditions."""
    return section("health", "Numerical health and exact conditions", missing("Not evaluated."))


def validation_section(data: dict[str, Any]) -> Markup:
    """Self-consistent energies."""
    return section("validation", "Self-consistent validation", missing("Not evaluated."))
