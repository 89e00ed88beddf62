"""Parameters of a network of several installations, one for each province (`aed.cells`)."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Cells(BaseModel):
    """The table of cells, and how long to wait for a neighbouring cell."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    file: Path | None = Field(
        None, description="The signed table of cells (`aed cells sign`); without it, no other cell is asked"
    )
    code: str = Field("", max_length=20, description="This installation's code in the table, such as 33")
    signed_by: str = Field(
        "",
        pattern="^([A-Za-z0-9_-]{43})?$",
        description="Public key of those who sign the table: what `aed cells key` prints there",
    )
    neighbour_seconds: float = Field(
        0.3, gt=0, le=3, description="Time until a lookup is answered without a neighbouring cell"
    )  # a round trip between two provinces takes up to 50 ms, a lookup up to 15 ms

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        if self.file is not None and not (self.code and self.signed_by):
            raise ValueError("file needs code and signed_by")
        return self
