"""Damage to files."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

VALUES = ('""', "null", "-1", "1e400", "[]", "{}", "true", '"\\u001b[2J"', "[[1]]")


def mutations(data: Any, random_: random.Random, places: int = 60) -> Iterator[str]:
    """JSON data with one value, somewhere, replaced."""
    text = json.dumps(data)
    values = list(re.finditer(r'"[^"\\]*"|-?\d+\.?\d*(?:e-?\d+)?|true|false|null', text))
    for place in random_.sample(values, min(places, len(values))):
        for value in random_.sample(VALUES, 2):
            yield text[: place.start()] + value + text[place.end() :]
