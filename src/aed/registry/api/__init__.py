"""Routes of the register."""

from fastapi import APIRouter

from aed.registry.api import cabinets, devices, estates, holidays

router = APIRouter(tags=["registry"])
for part in (devices, cabinets, estates, holidays):
    router.include_router(part.router)
