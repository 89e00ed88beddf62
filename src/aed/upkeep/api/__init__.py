"""Routes of upkeep."""

from fastapi import APIRouter

from aed.upkeep.api import checks, due, policies, recalls, reminders, reports

router = APIRouter(tags=["upkeep"])
for part in (policies, checks, reports, due, recalls, reminders):
    router.include_router(part.router)
