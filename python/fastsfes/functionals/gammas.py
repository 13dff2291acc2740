"""The scales of B97's transform u = g x2/(1 + g x2), by channel (10.1063/1.475007); wB97M-V and SyFES kept them."""

from __future__ import annotations

__all__ = ["GAMMAS"]

GAMMAS = {"x": 0.004, "css": 0.2, "cos": 0.006}
