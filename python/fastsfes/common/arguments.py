"""The parser of all commands: options are written out, and mistyped ones are answered with the nearest one."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import groupby
from typing import Any, NoReturn

__all__ = ["ArgumentParser", "meant", "nearest"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that somebody who wrote this probably meant."""
    known = list(known)
    longer = [k for k in known if len(name) > 3 and k.startswith(name)]
    near = longer[:1] or get_close_matches(name, known, n=1, cutoff=0.5)
    return near[0] if near else None


def meant(name: str, known: Iterable[str], otherwise: str) -> str:
    """What is said of a name that there is not: the nearest one or, where none is near, all, after some words."""
    known = list(known)
    near = nearest(name, known)
    return f'did you mean "{near}"?' if near else f"{otherwise} {', '.join(known)}"


class _HelpFormatter(argparse.HelpFormatter):
    """argparse's, but paragraphs are filled one by one, and lines that are indented (examples) stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled: list[str] = []
        for prose, group in groupby(text.splitlines(), lambda line: bool(line) and not line[0].isspace()):
            lines = list(group)
            filled += [super()._fill_text("\n".join(lines), width, indent)] if prose else lines
        return "\n".join(filled)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, without abbreviations, with suggestions, and with errors that are one sentence.

    An abbreviation that is unique today may mean something else tomorrow, in a script that nobody looks at.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, "formatter_class": _HelpFormatter, **kwargs})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but what is not known is an error here, where the options of the command are known."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self._refuse(rest)
        return found, rest

    def _refuse(self, rest: Sequence[str]) -> NoReturn:
        option = next((r.partition("=")[0] for r in rest if r.startswith("-")), None)
        if option is None:
            self.error(f"there is no place for {' '.join(map(repr, rest))}")
        near = nearest(option, self._option_string_actions)
        self.error(f"there is no option {option}" + (f"; did you mean {near}?" if near else ""))

    def error(self, message: str) -> NoReturn:
        """One sentence to standard error, exit status 2."""
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)$", message)
        near = nearest(wrong[1], re.findall(r"[\w-]+", wrong[2])) if wrong else None
        if near:
            message += f"; did you mean {near}?"
        lacking = message.rpartition("are required: ")[2].split(", ")
        for action in self._actions:  # what has a choice says it
            if action.choices and (action.metavar or action.dest) in lacking:
                message += f"; {action.metavar or action.dest} is one of {', '.join(map(str, action.choices))}"
        self.exit(2, f"{self.prog}: error: {message} (help: {self.prog} --help)\n")
