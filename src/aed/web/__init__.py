"""Web pages for everyone with a browser: server-rendered, in the reader's language, usable without scripts.

A feature folder holds the routes (`api.py`), the queries and the templates of its pages. Shared by all:

render.py      the layout, security headers and the language switch
language.py    which language a page is in
words.py       translations (gettext); catalogues are in `locale/`
static.py      stylesheets, scripts and vendored libraries, with content-hashed addresses
errors.py      errors as pages

See docs/work/pages.md for how to add a page.
"""
