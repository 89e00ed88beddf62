"""Sphinx configuration: MyST Markdown, the furo theme, Chinese by gettext (docs/locale/zh_CN)."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

project = "AED and first-aid network"
author = "The contributors"
copyright = "The contributors; street data (c) OpenStreetMap contributors, ODbL"  # noqa: A001  # Sphinx's name
release = version = version_of("aed")

extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "locale", "README.md"]
suppress_warnings = ["myst.header"]  # generated pages go from heading to table

language = "en"  # `make docs` builds zh_CN too
locale_dirs = ["locale"]
gettext_compact = True  # one catalogue for each folder
gettext_location = False  # line numbers would change with every edit
gettext_uuid = False
figure_language_filename = "{root}.{language}{ext}"  # pictures of pages in Chinese

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["tables.css"]
templates_path = ["_templates"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/languages.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_copy_source = False
html_show_sourcelink = False


def _write_generated_pages(app: Sphinx) -> None:
    import structlog
    from docs.generate import write_pages

    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    write_pages(Path(app.srcdir))


def setup(app: Sphinx) -> None:
    """Write the reference pages before the sources are read."""
    app.connect("builder-inited", _write_generated_pages)
