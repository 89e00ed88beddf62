"""Routes of upkeep."""

from fastapi import APIRouter

from aed.upkeep.api import call_outs, checks, due, labels, pages, policies, recalls, reports, trust

router = APIRouter(tags=["upkeep"])
for part in (policies, checks, reports, due, recalls, call_outs, trust, labels):
    router.include_router(part.router)
pages_router = pages.router
