"""Routes of what comes after a call."""

from fastapi import APIRouter

from aed.aftercare.api import outcomes

router = APIRouter()
router.include_router(outcomes.router, tags=["incidents"])
