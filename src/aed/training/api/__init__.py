"""Routes of training."""

from fastapi import APIRouter

from aed.training.api import certificates, courses, enrolments, gaps, sessions

router = APIRouter(tags=["training"])
for part in (courses, sessions, enrolments, certificates, gaps):
    router.include_router(part.router)
