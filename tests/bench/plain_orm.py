"""The endpoint that the lookup is compared with: nearest devices, implemented plainly with common libraries.

FastAPI, a SQLAlchemy ORM session, GeoAlchemy2's `<->`, and pydantic: devices by straight line, without hours,
readiness, walks or texts. `python -m tests.bench.plain_orm FD` serves it on the listening socket FD.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI
from geoalchemy2.shape import to_shape
from pydantic import BaseModel, ConfigDict
from shapely import Point
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience
from aed.database.session import open_database
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.settings import load_settings

app = FastAPI()
settings = load_settings()
open_database(settings).close()  # registers the keys of encrypted columns
engine = create_engine(settings.database_url, pool_size=40)


class Place(BaseModel):
    lat: float
    lon: float


class PlainDevice(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    place_en: str | None
    place_zh: str | None
    floor: int
    opening_hours: str | None
    cabinet: str
    position: Place


def opened() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@app.get("/nearest")
def nearest(
    lat: float, lon: float, session: Annotated[Session, Depends(opened)], limit: int = 10
) -> list[PlainDevice]:
    here = func.ST_SetSRID(func.ST_MakePoint(lon, lat), 4326)
    devices = session.scalars(
        select(Device)
        .where(Device.audience == Audience.PUBLIC, Device.state == DeviceState.IN_SERVICE)
        .order_by(Device.position.distance_centroid(here))
        .limit(limit)
    )
    found = []
    for device in devices:
        point = to_shape(device.position)
        assert isinstance(point, Point)
        place = Place(lat=point.y, lon=point.x)
        columns = {name: getattr(device, name) for name in PlainDevice.model_fields if name != "position"}
        found.append(PlainDevice(**columns, position=place))
    return found


if __name__ == "__main__":
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
