"""Selection: the best subsets of a library of terms."""

from .best import CERTIFICATES, CRITERIA, Selected, Selector, Settings, certificate, fitted_shares
from .problem import Columns, Rules, check_finite, column_energies
from .term_library import Library, Term, distinct, parse_terms, terms_of

__all__ = [
    "CERTIFICATES",
    "CRITERIA",
    "Columns",
    "Library",
    "Rules",
    "Selected",
    "Selector",
    "Settings",
    "Term",
    "certificate",
    "check_finite",
    "column_energies",
    "distinct",
    "fitted_shares",
    "parse_terms",
    "terms_of",
]  # fmt: skip
