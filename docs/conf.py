"""Sphinx: `nox -s docs` builds the site into docs/_build/html; warnings are errors there."""

from __future__ import annotations

import sys
from pathlib import Path

from fastsfes import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

project = "fastsfes"
author = "The fastsfes developers"
copyright = "The fastsfes developers"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "command_pages", "mathml"]
exclude_patterns = ["_build", "README.md"]

# Markdown: the dialect that GitHub shows too, with directives beside it.
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # formulas and shell lines with "..." in them

# Tutorials are run when they, or the code in them, have changed; _build/.jupyter_cache keeps what they printed.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / ".jupyter_cache")
nb_execution_raise_on_error = True
nb_execution_timeout = 1800  # of a cell, seconds: a busy machine is no error
nb_merge_streams = True

# Docstrings are in Google's style, with names between single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"fastsfes {version}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
