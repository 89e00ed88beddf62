"""A form with one photo: a few are received at once, and one photo is decoded at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from aed.errors import InvalidInput
from aed.http.concurrency_limits import QueueLimits, wait_for_turn
from aed.upkeep.checks.photo import UNKNOWN_ORIGIN, PhotoOrigin, Picture
from aed.upkeep.checks.photo_process import placed_picture_in_subprocess

PHOTOS: Final = QueueLimits(
    "photos of pages",
    at_once=3,
    waiting=6,
    each=3,
    otherwise="Too many photos are being sent right now. Try again in a moment.",
)
MAX_FIELD_BYTES: Final = 10_000
_decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="page photo")


@dataclass(frozen=True, slots=True)
class PhotoForm:
    """What a form sent; the photo is re-encoded without metadata."""

    fields: Mapping[str, str]
    picture: Picture | None
    origin: PhotoOrigin
    is_unreadable: bool
    """Whether something was sent as a photo that cannot be read."""


@asynccontextmanager
async def receive_photo_form(request: Request, sender: str) -> AsyncIterator[PhotoForm]:
    """Yield the form, while the request has its turn among those of all senders.

    The place and time of the photo are read only if the field `origin` says `yes`. Raises InvalidInput and
    TooBusy.
    """
    async with wait_for_turn(request, PHOTOS, sender):
        try:
            async with request.form(max_files=1, max_fields=20, max_part_size=MAX_FIELD_BYTES) as form:
                photo = form.get("photo")
                sent = await photo.read() if isinstance(photo, UploadFile) else b""
                fields = {name: str(each) for name, each in form.items() if not isinstance(each, UploadFile)}
        except HTTPException:
            raise InvalidInput("The form was not received completely.", field="photo") from None
        picture, origin, is_unreadable = None, UNKNOWN_ORIGIN, False
        if sent:
            decode = partial(placed_picture_in_subprocess, sent, with_origin=fields.get("origin") == "yes")
            try:
                picture, origin = await asyncio.get_running_loop().run_in_executor(_decoder, decode)
            except InvalidInput:
                is_unreadable = True
        yield PhotoForm(fields, picture, origin, is_unreadable)
