"""Send prepared batches to the platforms' webhooks, or write them into a folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from aed.accounts.permissions import SCHEDULER
from aed.database.session import Database, transaction
from aed.notifications import queries as endpoint_queries
from aed.notifications.channels.posting import Post
from aed.notifications.rules import DeliveryFailed
from aed.volunteering.platforms import actions, queries
from aed.volunteering.platforms.adapters import FolderAdapter, HttpAdapter, PlatformAdapter

MAX_ATTEMPTS: Final = 24


def send_batches(database: Database, now: datetime, *, is_private_allowed: bool) -> int:
    """Send the batches that name an endpoint; return how many were answered. Once an hour, at most a day."""
    with transaction(database) as session:
        ids = queries.prepared_batches(session, has_endpoint=True, max_attempts=MAX_ATTEMPTS)
    answered = 0
    for batch_id in ids:
        with transaction(database) as session:
            name = queries.batch(session, SCHEDULER, batch_id).endpoint
            endpoint = endpoint_queries.endpoint(session, name) if name is not None else None
            if endpoint is None or endpoint.secret is None:
                continue
            adapter = HttpAdapter(endpoint.address, endpoint.secret, Post(is_private_allowed))
        answered += send_batch(database, batch_id, adapter, now)
    return answered


def write_batches(database: Database, folder: Path, now: datetime) -> list[str]:
    """Write prepared batches that name no endpoint into a folder; return their references.

    A batch is written again until its answer is entered, under the same name.
    """
    with transaction(database) as session:
        ids = queries.prepared_batches(session, has_endpoint=False, max_attempts=MAX_ATTEMPTS)
    for batch_id in ids:
        send_batch(database, batch_id, FolderAdapter(folder), now)
    with transaction(database) as session:
        return [queries.batch(session, SCHEDULER, batch_id).reference for batch_id in ids]


def send_batch(database: Database, batch_id: int, adapter: PlatformAdapter, now: datetime) -> bool:
    """Give one batch to a platform, outside of any transaction; return True if all its rows are answered.

    A failure is stored with the batch, which is then sent again under the same reference.
    """
    with transaction(database) as session:
        batch = queries.batch(session, SCHEDULER, batch_id)
        submission = actions.submission_of(session, batch)
        batch.attempts += 1
    try:
        answers, failure = adapter.submit(submission, at=now), None
    except DeliveryFailed as error:
        answers, failure = [], error.detail
    with transaction(database) as session:
        batch = queries.batch(session, SCHEDULER, batch_id)
        batch.failure = failure
        numbers = {each.number for each in submission.rows}
        actions.take_answer(session, batch, [each for each in answers if each.number in numbers], at=now)
        return batch.answered_at is not None
