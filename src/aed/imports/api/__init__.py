"""Routes of other people's lists.

linting.py     /v1/lint
imports.py     /v1/imports
issuer_rosters.py /v1/imports/issuer-roster
templates.py   /v1/templates
rosters.py     /v1/sessions/{session_id}/roster, /v1/imports/responders
reviews.py     /v1/reviews, /v1/devices/{device_id}/join
sent_file.py   the file that comes as a body, or in a form
"""

from fastapi import APIRouter

from aed.imports.api import imports, issuer_rosters, linting, reviews, rosters, templates

router = APIRouter()
for part in (linting, imports, issuer_rosters, templates, reviews, rosters):
    router.include_router(part.router, tags=["lists"])
