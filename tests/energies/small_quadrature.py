"""What the tests of this folder share: a quick build, and functionals from text."""

import fastsfes as fs
from fastsfes.energies.quadrature import NodeGrid, build_quadrature


def functional(name="probe", hybrid=None, /, **channels):
    """Make a functional from texts, or (text, parameters), by channel."""
    made = {}
    for kind, item in channels.items():
        text, parameters = (item, {}) if isinstance(item, str) else item
        made[kind] = fs.Channel(fs.Expression.parse(text), parameters)
    return fs.Functional(name, made, hybrid or fs.Hybrid())


def build_small(dataset, **options):
    """Build on a coarse integration grid with two channels, a second's work."""
    settings = {
        "channels": ("x@0.3", "cos"),
        "tolerance": 1.0,
        "integration_grid": "level 0",
        "ladder": (NodeGrid.make({"x2": 40, "w": 20}, 5), NodeGrid.make({"x2": 96, "w": 32}, 5)),
    }
    return build_quadrature(dataset, **{**settings, **options})
