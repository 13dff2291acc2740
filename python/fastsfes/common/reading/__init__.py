"""Reading files from strangers: bounded sizes, nothing executed, nothing outside the file followed (docs/trust.md)."""

from .text import DAMAGE, damage, finite, parse_json, read_bytes, read_text, short

__all__ = ["DAMAGE", "damage", "finite", "parse_json", "read_bytes", "read_text", "short"]
