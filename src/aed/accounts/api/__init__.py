"""Routes of the caller, regions, people and their roles."""

from __future__ import annotations

from fastapi import APIRouter

from aed.accounts.api import people, provider, regions, roles, security, sign_in

router = APIRouter(tags=["accounts"])
for part in (sign_in, security, provider, regions, people, roles):
    router.include_router(part.router)
