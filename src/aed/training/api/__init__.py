"""Routes of training."""

from fastapi import APIRouter

from aed.training.api import calendars, certificates, courses, enrolments, gaps, papers, presence, sessions

router = APIRouter(tags=["training"])
for part in (courses, sessions, enrolments, presence, papers, certificates, calendars, gaps):
    router.include_router(part.router)
