"""Routes: import and export rosters, and import responders.

issuer_rosters.py  /v1/imports/issuer-roster
rosters.py         /v1/sessions/{session_id}/roster, /v1/imports/responders
"""

from fastapi import APIRouter

from aed.imports.api import issuer_rosters, rosters

router = APIRouter()
for part in (issuer_rosters, rosters):
    router.include_router(part.router, tags=["lists"])
