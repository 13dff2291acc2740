"""What functionals and figures are called where people read: one spelling for terminal, report, JSON and documents."""

from __future__ import annotations

__all__ = ["B97_X_LDA", "DISPLAY_NAMES", "display_name", "in_words", "refitted"]

DISPLAY_NAMES = {
    "lda_x": "LDA exchange",
    "pw92": "PW92",
    "lda": "LDA",
    "b88_x": "B88 exchange",
    "vwn_c": "VWN",
    "vwn_rpa_c": "VWN-RPA",
    "lyp_c": "LYP",
    "b3lyp": "B3LYP",
    "cam_b3lyp": "CAM-B3LYP",
    "hjs_pbe": "HJS-PBE",
    "pbe_x": "PBE exchange",
    "rpbe_x": "RPBE exchange",
    "pbe_c": "PBE correlation",
    "pbe": "PBE",
    "rpbe": "RPBE",
    "revpbe_x": "revPBE exchange",
    "revpbe": "revPBE",
    "pbe0": "PBE0",
    "tpss": "TPSS",
    "scan": "SCAN",
    "r2scan": "r2SCAN",
    "m06_l": "M06-L",
    "b97_x": "B97 exchange",
    "b97": "B97",
    "wb97x_v": "wB97X-V",
    "b97m_v": "B97M-V",
    "wb97m_v": "wB97M-V",
    "coach": "COACH",
    "gas22": "GAS22",
    "gas22_syfes": "GAS22 (SyFES)",
    "fs26": "fs26",
}
"""Registered name -> what articles call it, in letters that every terminal has."""

B97_X_LDA = f"{DISPLAY_NAMES['b97_x']}, {DISPLAY_NAMES['lda']} correlation"
"""The rung between LDA and the fitted forms in tables of a run."""


def display_name(name: str) -> str:
    """What a functional is called in tables and figures; a name that is not registered stays as it is.

    One of libxc says so: "libxc:scan" is "SCAN (libxc)".
    """
    own = name.removeprefix("libxc:")
    return DISPLAY_NAMES[own] + " (libxc)" * (own != name) if own in DISPLAY_NAMES else name


def refitted(called: str) -> str:
    """What the form of a functional is called when its parameters were fitted to the reactions of the table."""
    return f"{called}, refitted"


def in_words(key: str) -> str:
    """A key of JSON as the head of a column: "cross_validation" is "cross-validation"."""
    return key.replace("cross_validation", "cross-validation").replace("_", " ")
