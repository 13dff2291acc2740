"""The ground: errors, files, options, arguments, reading, signals. Imports nothing of ours."""

from .signals import hold

hold()
