"""The exceptions that fastsfes raises on purpose.

Everything derives from `FastsfesError`, so that one ``except`` catches what the
library can explain. Bad input is also a `ValueError`; the command line ends with
status 2 for it and with status 1 for every other `FastsfesError`.
"""


class FastsfesError(Exception):
    """Work that failed for a reason that the message explains."""


class InputError(FastsfesError, ValueError):
    """Bad input: an argument, a file or a token; the message says where and what was expected."""
