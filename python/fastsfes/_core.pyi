"""The C++ core of fastsfes."""

__version__: str
