"""Empty lists to fill in."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response

from aed.imports.formats.template import TEMPLATES, TemplateFormat

router = APIRouter()

_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file",
        "content": {template.media_type.partition(";")[0]: _FILE for template in TEMPLATES.values()},
    }
}


@router.get("/templates/devices.{ending}", response_class=Response, responses=_ANSWER)
def get_device_template(
    ending: Annotated[TemplateFormat, Path(description="csv, or xlsx for a spreadsheet")],
) -> Response:
    """An empty list of devices to fill in and import, each column explained in Chinese and English."""
    template = TEMPLATES[ending]
    return Response(
        template.made(),
        media_type=template.media_type,
        headers={"Content-Disposition": f'attachment; filename="aed-devices.{ending.value}"'},
    )
