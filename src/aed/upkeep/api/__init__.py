"""Routes of upkeep."""

from fastapi import APIRouter

from aed.upkeep.api import call_outs, checks, due, labels, pages, policies, recalls, reminders, reports, trust

router = APIRouter(tags=["upkeep"])
for part in (policies, checks, reports, due, recalls, call_outs, trust, labels, reminders):
    router.include_router(part.router)
pages_router = pages.router
