"""Routes of responders."""

from __future__ import annotations

from fastapi import APIRouter

from aed.responders.api import live, offers

router = APIRouter(tags=["responders"])
for part in (live.direct, live.router, offers.router):
    router.include_router(part)
