"""Routes of exports.

files.py     /v1/export/{format}
ogc.py       /ogc: OGC API Features
tiles.py     /tiles/{z}/{x}/{y}.mvt
"""

from fastapi import APIRouter

from aed.exports.api import files, ogc, tiles

router = APIRouter(tags=["publishing"])
for part in (files, ogc, tiles):
    router.include_router(part.router)
