"""OGC API Features, Part 1 (core, GeoJSON), with which QGIS and GDAL read the register live.

The viewer's permissions are those of the token in the Authorization header. `datetime` filters devices by the
day of their last check; it has no effect on estates and gates. Pages are linked by rel=next; its cursor
carries the total number of matches, so that they are counted only once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session
from starlette.datastructures import URL

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession
from aed.errors import InvalidInput, InvalidQuery, NotFound
from aed.exports import queries as export_queries
from aed.exports.api.files import caching
from aed.exports.rules import Bounds, DateRange, parse_bounds, parse_days
from aed.exports.schemas import (
    Collection,
    Collections,
    Conformance,
    Extent,
    Feature,
    FeatureCollection,
    Json,
    Landing,
    OgcLink,
    SpatialExtent,
    TemporalExtent,
    device_feature,
    estate_feature,
    gate_feature,
)

router = APIRouter(prefix="/ogc")

GEOJSON = "application/geo+json"
JSON = "application/json"
MAX_ITEMS = 10_000
CONFORMS_TO = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
WORLD = Bounds(-180.0, -90.0, 180.0, 90.0)


class GeoJson(JSONResponse):
    """A GeoJSON response; a class of its own so that OpenAPI names the media type."""

    media_type = GEOJSON


CollectionId = Annotated[str, Path(max_length=32, examples=["devices"])]


@dataclass(frozen=True, slots=True)
class ItemsFilter:
    """The filters of a request for features."""

    bounds: Bounds | None = None
    days: DateRange | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """One collection: its description, and how it is queried."""

    title: str
    description: str
    has_time: bool
    page: Callable[[Session, Viewer, ItemsFilter, int, int], Sequence[Json]]
    count: Callable[[Session, Viewer, ItemsFilter], int]
    one: Callable[[Session, Viewer, int], Json | None]


def _devices(asked: ItemsFilter) -> export_queries.Choice:
    return export_queries.Choice(bounds=asked.bounds, checked=asked.days)


def _some_devices(
    session: Session, viewer: Viewer, asked: ItemsFilter, after_id: int, limit: int
) -> list[Json]:
    found = export_queries.devices(session, viewer, _devices(asked), after_id=after_id, limit=limit)
    return [device_feature(device, viewer) for device in found]


def _one_device(session: Session, viewer: Viewer, device_id: int) -> Json | None:
    found = export_queries.device(session, viewer, device_id)
    return device_feature(found, viewer) if found is not None else None


def _some_estates(
    session: Session, viewer: Viewer, asked: ItemsFilter, after_id: int, limit: int
) -> list[Json]:
    around = export_queries.Around(asked.bounds)
    found = export_queries.estates(session, viewer, around, after_id=after_id, limit=limit)
    return [estate_feature(estate) for estate in found]


def _one_estate(session: Session, viewer: Viewer, estate_id: int) -> Json | None:
    found = export_queries.estate(session, viewer, estate_id)
    return estate_feature(found) if found is not None else None


def _some_gates(
    session: Session, viewer: Viewer, asked: ItemsFilter, after_id: int, limit: int
) -> list[Json]:
    found = export_queries.gates(
        session, viewer, export_queries.Around(asked.bounds), after_id=after_id, limit=limit
    )
    return [gate_feature(gate) for gate in found]


def _one_gate(session: Session, viewer: Viewer, gate_id: int) -> Json | None:
    found = export_queries.gate(session, viewer, gate_id)
    return gate_feature(found) if found is not None else None


_DEVICES: Mapping[str, _Kind] = {
    "devices": _Kind(
        "AEDs 自动体外除颤器",
        "The devices that you may see. `datetime` selects by the day of the last check; "
        "devices without a known check are then left out.",
        True,
        _some_devices,
        lambda session, viewer, asked: export_queries.count(session, viewer, _devices(asked)),
        _one_device,
    ),
}
_ESTATES: Mapping[str, _Kind] = {
    "estates": _Kind(
        "Estates 园区",
        "The estates that you may see: those of your neighbourhood or region.",
        False,
        _some_estates,
        lambda session, viewer, asked: export_queries.count_estates(
            session, viewer, export_queries.Around(asked.bounds)
        ),
        _one_estate,
    ),
    "gates": _Kind(
        "Gates 出入口",
        "The gates of these estates.",
        False,
        _some_gates,
        lambda session, viewer, asked: export_queries.count_gates(
            session, viewer, export_queries.Around(asked.bounds)
        ),
        _one_gate,
    ),
}


def _kinds(viewer: Viewer) -> Mapping[str, _Kind]:
    """Return the collections for this viewer; anonymous viewers have no access to estates and gates."""
    return {**_DEVICES, **_ESTATES} if viewer.is_signed_in else _DEVICES


def _kind(viewer: Viewer, collection_id: str) -> _Kind:
    found = _kinds(viewer).get(collection_id)
    if found is None:
        raise NotFound(
            "There is no collection '{collection_id}' that you may see. Collections: {names}.",
            field="collection_id",
            collection_id=collection_id,
            names=", ".join(_kinds(viewer)),
        )
    return found


# --- Metadata -------------------------------------------------------------------------------------------


@router.get("", response_model=Landing)
def get_ogc_landing_page(request: Request, viewer: ViewerDep) -> Response:
    """Return the OGC API landing page."""
    here = _root(request)
    links = [
        OgcLink(href=str(here), rel="self", type=JSON, title="This document"),
        OgcLink(href=f"{here}/api", rel="service-desc", type=JSON, title="The API's definition"),
        OgcLink(
            href=str(request.url_for("documentation")),
            rel="service-doc",
            type="text/html",
            title="This document",
        ),
        OgcLink(href=f"{here}/conformance", rel="conformance", type=JSON, title="Conformance classes"),
        OgcLink(href=f"{here}/collections", rel="data", type=JSON, title="The collections"),
    ]
    found = Landing(
        title="AED and first-aid network",
        description="The devices of the network, live, as far as you may see them.",
        links=links,
    )
    return _answer(found.model_dump(exclude_none=True), viewer)


@router.get("/conformance", response_model=Conformance)
def get_ogc_conformance(viewer: ViewerDep) -> Response:
    """List the OGC API conformance classes."""
    return _answer({"conformsTo": CONFORMS_TO}, viewer)


@router.get("/api")
def get_ogc_definition(request: Request, viewer: ViewerDep) -> Response:
    """Return the OpenAPI 3.1 definition of the paths under /ogc.

    It has the media type of plain JSON, as GDAL requires.
    """
    whole: Json = request.app.openapi()
    paths = {path: each for path, each in whole["paths"].items() if path.startswith(router.prefix)}
    servers = [{"url": str(request.base_url).rstrip("/")}]
    return _answer({**whole, "paths": paths, "servers": servers}, viewer, media_type=JSON)


@router.get("/collections", response_model=Collections)
def list_collections(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """List the collections that you may read."""
    here = _root(request)
    found = Collections(
        links=[OgcLink(href=f"{here}/collections", rel="self", type=JSON)],
        collections=[_collection(here, session, viewer, name, kind) for name, kind in _kinds(viewer).items()],
    )
    return _answer(found.model_dump(exclude_none=True, by_alias=True), viewer)


@router.get("/collections/{collection_id}", response_model=Collection)
def get_collection(
    request: Request, session: ReadSession, viewer: ViewerDep, collection_id: CollectionId
) -> Response:
    """Get a collection."""
    kind = _kind(viewer, collection_id)
    found = _collection(_root(request), session, viewer, collection_id, kind)
    return _answer(found.model_dump(exclude_none=True, by_alias=True), viewer)


def _collection(here: str, session: Session, viewer: Viewer, name: str, kind: _Kind) -> Collection:
    bounds = (export_queries.extent(session, viewer) if name == "devices" else None) or WORLD
    return Collection(
        id=name,
        title=kind.title,
        description=kind.description,
        links=[
            OgcLink(href=f"{here}/collections/{name}", rel="self", type=JSON),
            OgcLink(href=f"{here}/collections/{name}/items", rel="items", type=GEOJSON, title=kind.title),
        ],
        extent=Extent(
            spatial=SpatialExtent(bbox=[(bounds.west, bounds.south, bounds.east, bounds.north)]),
            temporal=TemporalExtent(interval=[(None, None)]) if kind.has_time else None,
        ),
    )


# --- Features -------------------------------------------------------------------------------------------

_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


@router.get(
    "/collections/{collection_id}/items",
    response_class=GeoJson,
    response_model=FeatureCollection,
)
def list_items(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    collection_id: CollectionId,
    bbox: Annotated[
        str | None, Query(description="west,south,east,north in degrees", examples=["120.0,30.2,120.2,30.4"])
    ] = None,
    days: Annotated[
        str | None,
        Query(
            alias="datetime",
            description="A date, a date and time, or an interval",
            examples=["2026-01-01/.."],
        ),
    ] = None,
    limit: Annotated[
        str,
        Query(
            description=f"Features per page, at most {MAX_ITEMS}",
            json_schema_extra={"type": "integer", "minimum": 1, "default": 100},
        ),
    ] = "100",
    cursor: Annotated[
        str | None, Query(pattern="^[0-9]{1,18}-[0-9]{1,18}$", description="From the link with rel=next")
    ] = None,
) -> Response:
    """List the features of a collection.

    If there are more, `links` contains the next page.
    """
    kind = _kind(viewer, collection_id)
    asked, size = _items_filter(kind, bbox, days), _limit(limit)
    after_id, matched = _place(cursor)
    found = kind.page(session, viewer, asked, after_id, size + 1)
    shown = found[:size]
    if matched is None:
        matched = len(found) if len(found) <= size else kind.count(session, viewer, asked)
    here = _root(request)
    links = [
        OgcLink(href=str(_outside(request)), rel="self", type=GEOJSON),
        OgcLink(href=f"{here}/collections/{collection_id}", rel="collection", type=JSON),
    ]
    if len(found) > size:
        following = _outside(request).include_query_params(cursor=f"{shown[-1]['id']}-{matched}")
        links.append(OgcLink(href=str(following), rel="next", type=GEOJSON, title="The next page"))
    page = {
        "type": "FeatureCollection",
        "numberMatched": max(matched, len(shown)),
        "numberReturned": len(shown),
        "timeStamp": clock.now(),
        "links": [link.model_dump(exclude_none=True) for link in links],
        "features": shown,
    }
    return _answer(page, viewer, media_type=GEOJSON)


@router.get(
    "/collections/{collection_id}/items/{feature_id}",
    response_class=GeoJson,
    response_model=Feature,
)
def get_item(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    collection_id: CollectionId,
    feature_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
) -> Response:
    """Get a feature."""
    found = _kind(viewer, collection_id).one(session, viewer, feature_id)
    if found is None:
        raise NotFound(
            "There is no feature {feature_id}, or you may not see it.",
            field="feature_id",
            feature_id=feature_id,
        )
    here = f"{_root(request)}/collections/{collection_id}"
    links = [
        {"href": f"{here}/items/{feature_id}", "rel": "self", "type": GEOJSON},
        {"href": here, "rel": "collection", "type": JSON},
    ]
    return _answer({**found, "links": links}, viewer, media_type=GEOJSON)


def _items_filter(kind: _Kind, bbox: str | None, days: str | None) -> ItemsFilter:
    try:
        span = parse_days(days) if days is not None else None
        bounds = parse_bounds(bbox) if bbox is not None else None
    except InvalidInput as error:
        raise InvalidQuery(error.detail, field=error.field) from None
    return ItemsFilter(bounds, span if kind.has_time else None)


def _limit(limit: str) -> int:
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 18 and int(limit) >= 1):
        raise InvalidQuery("limit must be a whole number of at least 1.", field="limit")
    return min(int(limit), MAX_ITEMS)


def _place(cursor: str | None) -> tuple[int, int | None]:
    """Parse a cursor; return the id after which the page begins, and the number of matches if known."""
    if cursor is None:
        return 0, None
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidQuery("cursor must be copied from a link with rel=next.", field="cursor")
    return int(found[1]), int(found[2])


def _outside(request: Request) -> URL:
    """Return the requested URL as clients see it, outside a proxy."""
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    return URL(f"{str(request.base_url).rstrip('/')}{path}").replace(query=request.url.query)


def _root(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{router.prefix}"


def _answer(document: Any, viewer: Viewer, *, media_type: str = JSON) -> Response:
    return Response(orjson.dumps(document), media_type=media_type, headers=dict(caching(viewer)))
