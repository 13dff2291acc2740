"""fastsfes: symbolic search for exchange-correlation functionals."""

from ._core import __version__, build_info
from .errors import FastsfesError, InputError
from .expression import Expression

__all__ = ["Expression", "FastsfesError", "InputError", "__version__", "build_info"]
