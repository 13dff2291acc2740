"""How a density is computed: the functional, basis, grid and tolerances of one SCF run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..common.errors import InputError
from ..common.options import option
from .basis import OWN_ECP

#: Density fitting switched off, as it is spelt in files and on the command line.
NO_DENSITY_FIT = "none"


#: Values of ``ScfSettings.stability``.
STABILITY_CHOICES = ("off", "open-shell", "all")


@dataclass(frozen=True)
class ScfSettings:
    """Settings of the SCF calculations of a density library.

    Attributes:
        xc: the functional that makes the densities, see `fastsfes.densities.maker`.
        basis: PySCF name of the orbital basis.
        density_fit: name of the auxiliary basis, or "none" for four-centre integrals.
        grid: "level N" (N from 0 to 9) or "(radial,angular)" for an unpruned grid, e.g. "(99,590)".
        conv_tol: convergence threshold of the energy in hartree.
        max_cycle: iterations on each rung of the convergence ladder.
        stability: which solutions are checked, and followed downhill until stable: "off", "open-shell" or "all".
        ecp: effective core potentials: "default" for those that PySCF has with the basis set, the name of others, or
            "none".
    """

    xc: str = option(
        "wb97m_v",
        "text",
        "scf",
        "functional that makes the densities: PySCF's name, registered name, JSON file or run",
    )
    basis: str = option("def2-qzvppd", "text", "scf", "orbital basis")
    density_fit: str = option(NO_DENSITY_FIT, "text", "scf", "auxiliary basis, or none for four-centre integrals")
    grid: str = option("level 3", "text", "scf", '"level N" or "(radial,angular)"')
    conv_tol: float = option(1e-9, "float", "scf", "energy convergence in hartree")
    max_cycle: int = option(80, "int", "scf", "iterations on each rung of the ladder", minimum=1)
    stability: str = option(
        "off", "text", "scf", "which solutions are checked and followed downhill", choices=STABILITY_CHOICES
    )
    ecp: str = option(
        OWN_ECP, "text", "scf", "effective core potentials: default for those of the orbital basis, a name, or none"
    )

    def __post_init__(self) -> None:
        parse_grid(self.grid)
        if not (0.0 < self.conv_tol < 1.0):
            raise InputError(f"conv_tol {self.conv_tol!r} must lie between 0 and 1 hartree; 1e-9 is the default")
        if self.max_cycle < 1:
            raise InputError(f"max_cycle {self.max_cycle!r} must be at least 1")
        if self.stability not in STABILITY_CHOICES:
            raise InputError(f"stability {self.stability!r} is none of {', '.join(STABILITY_CHOICES)}")
        for name in ("xc", "basis", "density_fit", "ecp"):
            if not getattr(self, name).strip():
                raise InputError(f"{name} is empty; give a PySCF name")

    @property
    def fitted(self) -> bool:
        """Whether Coulomb and exchange integrals are density-fitted."""
        return self.density_fit.lower() != NO_DENSITY_FIT

    def checks_stability(self, spin: int) -> bool:
        """Whether a species with ``spin`` unpaired electrons gets a stability check."""
        return self.stability == "all" or (self.stability == "open-shell" and spin > 0)

    def as_dict(self) -> dict[str, Any]:
        """All settings as plain values (for JSON and for hashing)."""
        return asdict(self)


def parse_grid(text: str) -> int | tuple[int, int]:
    """Parse "level N" into N, or "(radial,angular)" (optionally followed by "unpruned") into a pair."""
    words = text.strip().lower()
    if words.startswith("level"):
        number = words.removeprefix("level").strip()
        if number.isdigit() and int(number) <= 9:
            return int(number)
    elif words.startswith("("):
        inside = words.removesuffix("unpruned").strip().removeprefix("(").removesuffix(")")
        parts = [part.strip() for part in inside.split(",")]
        if len(parts) == 2 and all(part.isdigit() and int(part) > 0 for part in parts):
            return int(parts[0]), int(parts[1])
    raise InputError(f'grid {text!r} is not understood; expected "level N" with N from 0 to 9 or "(radial,angular)"')
