"""The directive ``commands``: every command and option, from the parser of the command line itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fastsfes.bench import build_parser as bench_parser
from fastsfes.cli import build_parser


def _children(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    children = _children(parser)
    if not children:
        yield parser
    for child in children.values():
        yield from _leaves(child)


def _options(parser: argparse.ArgumentParser, group: Any) -> nodes.definition_list | None:
    formatter = parser._get_formatter()
    found = nodes.definition_list()
    for action in group._group_actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        name = formatter._format_action_invocation(action)
        text = formatter._expand_help(action) if action.help else ""
        term = nodes.term("", "", nodes.literal(name, name))
        found += nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph(text, text)))
    return found if len(found) else None


class Commands(SphinxDirective):
    """One section per command."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        return [self._section(p) for parser in (build_parser(), bench_parser()) for p in _leaves(parser)]

    def _section(self, parser: argparse.ArgumentParser) -> nodes.section:
        section = nodes.section(ids=[nodes.make_id(parser.prog)], names=[parser.prog])
        section += nodes.title(parser.prog, parser.prog)
        for text in (parser.description, parser.epilog):
            for part in (text or "").split("\n\n"):
                if "\n" in part:
                    section += nodes.literal_block(part, part, language="text")
                elif part:
                    section += nodes.paragraph(part, part)
        for group in parser._action_groups:
            found = _options(parser, group)
            if found is not None:
                section += nodes.rubric(group.title, group.title)
                section += found
        return section


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
