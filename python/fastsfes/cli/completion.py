"""``fastsfes completion``: completion of commands and options in a shell."""

from __future__ import annotations

import argparse
from typing import Any

from .commands import build_parser

_DESCRIPTION = """Prints a script that completes commands, options and their choices.

  bash: put  eval "$(fastsfes completion bash)"  into ~/.bashrc
  zsh:  fastsfes completion zsh > DIR/_fastsfes  in a folder of $fpath
  fish: fastsfes completion fish > ~/.config/fish/completions/fastsfes.fish"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser."""
    parser = subparsers.add_parser("completion", description=_DESCRIPTION)
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    import shtab

    print(shtab.complete(build_parser(), arguments.shell))
    return 0
