"""Routes of people who offer to help."""

from __future__ import annotations

from fastapi import APIRouter

from aed.responders.api import offers

router = APIRouter(tags=["responders"])
router.include_router(offers.router)
