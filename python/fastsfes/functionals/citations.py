"""Citations of functionals as BibTeX: made of the text that the registry has, so that it stands there once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from .functional import Functional

__all__ = ["bibtex"]

_ARTICLE = re.compile(r"(?P<authors>.+?), (?P<journal>[A-Za-z][A-Za-z. ]+?)(?: (?P<volume>\d+), (?P<page>\w+))? "
                      r"\((?P<year>\d{4})\), (?P<doi>10\.\S+?)(?:,.*)?")  # fmt: skip
"""Authors, Journal volume, page (year), DOI; what follows a comma says where in it. A preprint has no volume."""


def bibtex(functionals: Iterable[Functional]) -> str:
    """Entries of the articles that functionals cite, each once; a citation that is no article becomes a note."""
    entries: dict[str, str] = {}
    for functional in functionals:
        for text in filter(None, (part.strip() for part in functional.citation.split(";"))):
            found = _ARTICLE.fullmatch(text)
            if found is None:
                entries.setdefault(text, f"@misc{{{_key(functional.name)},\n  note = {{{text}}}\n}}")
                continue
            first = found["authors"].split(",")[0]
            fields = {
                "author": " and ".join(part.strip() for part in found["authors"].split(",")),
                **{name: found[name] for name in ("journal", "volume")},
                "pages": found["page"],
                **{name: found[name] for name in ("year", "doi")},
            }
            fields = {name: value for name, value in fields.items() if value}
            body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
            entries.setdefault(found["doi"], f"@article{{{_key(first)}{found['year']},\n{body}\n}}")
    return "\n\n".join(entries.values())


def _key(name: str) -> str:
    """A key of letters and digits."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"\W", "", plain)
