"""`aed feeds`: subscribed lists."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from tests import make
from tests.cli.conftest import Aed
from tests.imports.lists import DEVICE, text_of
from tests.imports.servers import Source, answers, serving


@pytest.fixture
def source() -> Iterator[Source]:
    """Yield a server with a list of twenty devices."""
    rows = [{**DEVICE, "source_id": str(number)} for number in range(20)]
    with serving(answers(text_of(rows))) as found:
        yield found


def test_a_feed_is_followed_run_and_removed_by_command(
    aed: Aed, session: Session, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.region(session)
    session.commit()
    monkeypatch.setenv("AED_RUN_JOBS", "true")

    refused = aed("feeds", "add", "list", source.url(), fails=True)
    assert "127.0.0.1 is this machine itself" in refused.err
    monkeypatch.setenv("AED_FEED_ALLOW_PRIVATE", "true")
    assert aed("feeds", "add", "list", source.url(), "--every", 6).out == "list is fetched every 6 h.\n"
    assert "not tried yet" in aed("feeds", "list").out
    assert aed("feeds", "run").out == "list: taken. 20 new, 0 changed, 0 unchanged, 0 set aside.\n"
    assert aed("feeds", "run").out == "No feed is due.\n"
    assert "list: unchanged." in aed("feeds", "run", "list").out
    source.behave = answers("", status=503)
    assert "responded with status 503" in aed("feeds", "run", "list", fails=True).err
    assert "responded with status 503" in " ".join(aed("feeds", "list").out.split())
    assert "There is no feed 'other'. Known feeds: list." in aed("feeds", "run", "other", fails=True).err
    assert "no longer fetched" in aed("feeds", "remove", "list").out
    assert "There is no feed 'list'" in aed("feeds", "remove", "list", fails=True).err
