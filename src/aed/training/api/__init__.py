"""Routes of training."""

from fastapi import APIRouter

from aed.training.api import certificates, courses, enrolments, sessions

router = APIRouter(tags=["training"])
for part in (courses, sessions, enrolments, certificates):
    router.include_router(part.router)
