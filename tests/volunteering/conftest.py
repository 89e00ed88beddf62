"""The people of the time bank, at the moment to which a test sets the clock."""

from __future__ import annotations

from datetime import datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed import schedule
from aed.database.session import Database
from aed.settings import Settings
from tests.volunteering.story import Story


@pytest.fixture
def story(
    session: Session,
    client: TestClient,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Story:
    def run(name: str, at: datetime) -> None:
        schedule.job_called(name).run(database, settings, lambda: at)

    made = Story(session, client, run)
    # the story lasts a month; the server runs in this process
    monkeypatch.setattr("aed.clock.now", lambda: made.now)
    return made
