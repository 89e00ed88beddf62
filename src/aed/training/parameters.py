"""Parameters and responses shared by several training routes."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Path, Response
from pydantic import Field

from aed.accounts.fields import FreeText

PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The PDF",
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
}


SessionId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


def pdf_response(content: bytes, name: str) -> Response:
    """Return a PDF response, shown inline under the file name `name`."""
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, media_type="application/pdf", headers=headers)


ReasonText = Annotated[FreeText, Field(min_length=1, max_length=500)]
