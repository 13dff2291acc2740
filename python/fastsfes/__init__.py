"""fastsfes: symbolic search for exchange-correlation functionals."""

from ._core import __version__

__all__ = ["__version__"]
