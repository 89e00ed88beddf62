"""Give a batch to a volunteer platform: by a signed request, or as a file in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import orjson
from pydantic import ValidationError

from aed.notifications.channels.posting import Post
from aed.notifications.channels.webhook import signed
from aed.notifications.rules import TemporaryFailure
from aed.volunteering.platforms.mapping import SubmittedRow, csv_of
from aed.volunteering.platforms.schemas import PlatformAnswer, RowAnswer
from aed.volunteering.rules import VolunteerPlatform


@dataclass(frozen=True, slots=True)
class Submission:
    """A batch as it is given to a platform."""

    platform: VolunteerPlatform
    reference: str
    rows: Sequence[SubmittedRow]


class PlatformAdapter(Protocol):
    """Gives a batch to a platform.

    A batch may be given twice, after a time-out: the platform recognises it by its reference. Raises
    DeliveryFailed. Returns the answers that came at once; others come later.
    """

    def submit(self, submission: Submission, *, at: datetime) -> Sequence[RowAnswer]: ...


@dataclass(frozen=True)
class HttpAdapter:
    """POST the batch as JSON, signed as webhooks are; `webhook-id` is its reference.

    The response is `{"rows": [{"number", "accepted", "reason"}]}`.
    """

    url: str
    secret: str
    post: Post

    def submit(self, submission: Submission, *, at: datetime) -> Sequence[RowAnswer]:
        body = orjson.dumps(
            {
                "platform": submission.platform,
                "reference": submission.reference,
                "rows": [asdict(each) for each in submission.rows],
            }
        )
        key = f"{submission.platform}.{submission.reference}"
        answer = self.post(self.url, body, signed((self.secret,), key, body, at=at))
        try:
            return PlatformAnswer.model_validate_json(answer.body).rows
        except ValidationError:
            raise TemporaryFailure("The platform's response is not the agreed JSON.") from None


@dataclass(frozen=True)
class FolderAdapter:
    """Write the platform's CSV into a folder, from which a person or another program uploads it."""

    folder: Path

    def submit(self, submission: Submission, *, at: datetime) -> Sequence[RowAnswer]:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{submission.platform}-{submission.reference}.csv"
        unfinished = self.folder / f".{name}.unfinished"
        unfinished.write_bytes(csv_of(submission.platform, submission.rows))
        unfinished.replace(self.folder / name)
        return []
