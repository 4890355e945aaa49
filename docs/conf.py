"""The documentation's settings; `make docs` builds it without network."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

from mirl_mm import __version__

sys.path.insert(0, str(Path(__file__).parent / "_sphinx"))

project = "mirl_mm"
author = "The mirl_mm developers"
copyright = author
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "repository"]
exclude_patterns = ["_sphinx"]
html_theme = "furo"
html_title = "mirl_mm"
html_show_sphinx = False
html_static_path = ["_sphinx/static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}

nb_execution_mode = "off"  # the tests run notebooks; a page shows the outputs that are in the file
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # GitHub's, so that one link serves both
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_default_options = {"members": True, "show-inheritance": True}

nitpicky = True
#: What is not ours has no page here, and fetching others' indices would need the network. Nor has what is private, and
#: what tools/visualization/infer.py does with an inferencer.
nitpick_ignore_regex = [(r"py:.*", r"(?!mirl_mm\.).*"), (r"py:class", r"mirl_mm\.(\w+\.)*(_\w+|\w+Command|NoOptions)")]

copybutton_exclude = ".linenos, .gp, .go, .c1"

linkcheck_timeout = 20
linkcheck_anchors = False


def setup(app: Sphinx) -> None:
    """Leave out what says nothing: a named tuple's fields, which its docstring lists."""
    app.connect("autodoc-skip-member", lambda app, what, name, member, skip, options: skip or is_field(member))


def is_field(member: object) -> bool:
    """Whether this is one of a named tuple's fields."""
    return type(member).__name__ == "_tuplegetter"
