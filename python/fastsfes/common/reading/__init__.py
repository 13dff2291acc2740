"""Reading files from strangers: bounded sizes, nothing executed, nothing outside the file followed (docs/trust.md)."""

from .members import closed, object_member, text_member
from .shape import shaped
from .text import DAMAGE, csv_rows, damage, finite, parse_json, positive, read_bytes, read_text, short

__all__ = [
    "DAMAGE",
    "closed",
    "csv_rows",
    "damage",
    "finite",
    "object_member",
    "parse_json",
    "positive",
    "read_bytes",
    "read_text",
    "shaped",
    "short",
    "text_member",
]
