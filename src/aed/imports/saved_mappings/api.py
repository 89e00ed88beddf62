"""Routes of saved mappings of lists."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import InvalidInput
from aed.http.parameters import IfMatch, set_created, set_etag, version_from_if_match
from aed.imports.formats.mapping import mapping_from
from aed.imports.models import SavedMapping
from aed.imports.saved_mappings import actions

router = APIRouter(tags=["lists"])

MAX_TEXT_LENGTH: Final = 100_000
EXAMPLE: Final = (
    "name: lake\n"
    "title: Lakeside AED list\n"
    "source: list-lake\n"
    "kinds: [csv, xlsx]\n"
    "kept_by_hand: true\n"
    "position: {lat: 纬度, lon: 经度}\n"
    "id: {content: [安装位置]}\n"
    "fields: {place_zh: 安装位置}\n"
)

MappingId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


class SavedMappingIn(BaseModel):
    """A mapping to save, for an estate, a region, or (neither) the whole network."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Quarterly list", "mapping": EXAMPLE}]}
    )

    name: str = Field(max_length=200, description="1 to 60 characters, unique in its place")
    mapping: str = Field(
        max_length=MAX_TEXT_LENGTH, description="A mapping file (YAML), as the preview of a list returns it"
    )
    estate_id: Id | None = None
    region_id: Id | None = None


class SavedMappingAmend(BaseModel):
    """A new name of a mapping."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Yearly list"}]})

    name: str = Field(max_length=200)


class SavedMappingOut(BaseModel):
    """A saved mapping."""

    id: Id
    name: str
    estate_id: Id | None
    region_id: Id | None = Field(description="null, as the estate: the whole network")
    mapping: str = Field(description="A mapping file (YAML), to send with an import")
    saved_at: datetime
    version: int = Field(description="The ETag of the mapping")
    may_change: bool = Field(description="Whether you may rename and delete it")

    @classmethod
    def of(cls, session: Session, viewer: Viewer, saved: SavedMapping) -> SavedMappingOut:
        return cls(
            id=saved.id,
            name=saved.name,
            estate_id=saved.estate_id,
            region_id=saved.region_id,
            mapping=saved.mapping,
            saved_at=saved.saved_at,
            version=saved.version,
            may_change=actions.can_change(session, viewer, saved),
        )


@router.get("/list-mappings")
def list_saved_mappings(session: ReadSession, viewer: ViewerDep) -> list[SavedMappingOut]:
    """List the saved mappings that you may use, by name.

    They are those of the network, and of the estates and regions for which you import lists.
    """
    return [SavedMappingOut.of(session, viewer, each) for each in actions.saved_mappings(session, viewer)]


@router.get("/list-mappings/{mapping_id}")
def get_saved_mapping(
    session: ReadSession, viewer: ViewerDep, mapping_id: MappingId, response: Response
) -> SavedMappingOut:
    """Get a saved mapping."""
    saved = actions.saved_mapping(session, viewer, mapping_id)
    set_etag(response, saved.version)
    return SavedMappingOut.of(session, viewer, saved)


@router.post("/list-mappings", status_code=201)
def save_list_mapping(
    session: WriteSession, viewer: ViewerDep, new: SavedMappingIn, response: Response
) -> SavedMappingOut:
    """Save a mapping for an estate or region that you manage.

    Administrators of the network save, as on the page, for the whole network.
    """
    if new.estate_id is not None and new.region_id is not None:
        raise InvalidInput("Give an estate or a region, not both.", field="region_id")
    place = actions.MappingPlace(new.estate_id, new.region_id, "", "")
    saved = actions.save_mapping(
        session,
        viewer,
        mapping_from(new.mapping, "the mapping"),
        name=new.name,
        place=place,
        at=clock.now(),
    )
    set_created(response, f"/v1/list-mappings/{saved.id}", version=saved.version)
    return SavedMappingOut.of(session, viewer, saved)


@router.patch("/list-mappings/{mapping_id}")
def rename_saved_mapping(
    session: WriteSession,
    viewer: ViewerDep,
    mapping_id: MappingId,
    change: SavedMappingAmend,
    response: Response,
    if_match: IfMatch = None,
) -> SavedMappingOut:
    """Rename a saved mapping."""
    version = version_from_if_match(if_match)
    actions.rename_mapping(session, viewer, mapping_id, name=change.name, version=version)
    saved = actions.saved_mapping(session, viewer, mapping_id)
    set_etag(response, saved.version)
    return SavedMappingOut.of(session, viewer, saved)


@router.delete("/list-mappings/{mapping_id}", status_code=204)
def delete_saved_mapping(session: WriteSession, viewer: ViewerDep, mapping_id: MappingId) -> None:
    """Delete a saved mapping; what was imported with it stays."""
    actions.delete_mapping(session, viewer, mapping_id)
