"""Routes of training."""

from fastapi import APIRouter

from aed.training.api import calendars, certificates, courses, enrolments, papers, presence, sessions

router = APIRouter(tags=["training"])
for part in (courses, sessions, enrolments, presence, papers, certificates, calendars):
    router.include_router(part.router)
