"""Selection: the best subsets of a library of terms."""

from .best import CRITERIA, Selected, Selector, Settings, fitted_shares
from .problem import Columns, Rules, column_energies
from .term_library import Library, Term, distinct, parse_terms, terms_of

__all__ = [
    "CRITERIA",
    "Columns",
    "Library",
    "Rules",
    "Selected",
    "Selector",
    "Settings",
    "Term",
    "column_energies",
    "distinct",
    "fitted_shares",
    "parse_terms",
    "terms_of",
]  # fmt: skip
