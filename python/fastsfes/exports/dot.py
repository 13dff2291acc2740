"""A drawing of the factors as graphs, in the language of Graphviz."""

from __future__ import annotations

from ..formula.expression import Expression, Node
from ..functionals.functional import Channel, Functional
from .describe import block_comment, description, plain

__all__ = ["files"]


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One file with a cluster per channel: leaves on top, what they make below, shared parts once.

    A node's tooltip is the operator, feature, parameter or number itself; edges come in the order of the arguments.
    """
    lines = [
        block_comment(description(functional)).rstrip(),
        "digraph factors {",
        '  graph [rankdir=TB, fontname="Helvetica"];',
        '  node [shape=ellipse, fontname="Helvetica"];',
        "  edge [arrowsize=0.6];",
    ]
    for number, (kind, channel) in enumerate(functional.channels.items()):
        lines += _cluster(number, kind, channel)
    return {"": "\n".join([*lines, "}", ""])}


def _cluster(number: int, kind: str, channel: Channel) -> list[str]:
    lines = [f"  subgraph cluster_{kind} {{", f"    label={_quoted(f'f_{kind}')};"]
    nodes = channel.expression.nodes()
    names = [f"n{number}_{k}" for k in range(len(nodes))]
    for name, node in zip(names, nodes, strict=True):
        label, itself, shape = _described(node, channel)
        lines.append(f"    {name} [label={_quoted(label)}, tooltip={_quoted(itself)}, shape={shape}, ordering=in];")
    for name, (_, arguments, _) in zip(names, nodes, strict=True):
        lines += [f"    {names[argument]} -> {name};" for argument in arguments]
    return [*lines, "  }"]


def _described(node: Node, channel: Channel) -> tuple[str, str, str]:
    """Label, what it stands for, and the shape of a node."""
    operator, _, payload = node
    if operator == "constant":
        text = str(Expression.constant(payload))
        return text, text, "plaintext"
    if operator == "parameter":
        return f"{plain(payload, 60)} = {channel.parameters[payload]:.6g}", payload, "box"
    if operator == "feature":
        return payload, payload, "box"
    return operator, operator, "ellipse"


def _quoted(text: str) -> str:
    """A string of the language, of one line."""
    return '"' + plain(text, 200).replace("\\", "\\\\").replace('"', '\\"') + '"'
