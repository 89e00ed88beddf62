"""Prometheus's rules and Grafana's dashboard ask for metrics that exist."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml
from sqlalchemy.orm import Session

from aed.http.request_timing import RequestMetrics
from aed.linked_accounts.models import LinkedAccount
from aed.linked_accounts.queries import waiting_erasure_gauges
from aed.settings import Settings
from aed.upkeep.signals.actions import begin_bridge
from aed.upkeep.signals.queries import bridge_gauges
from aed.worker.api import metrics_text
from tests import make
from tests.cluster.monitoring import RULES, metric_names, metrics_asked_for


@pytest.mark.one_engine("metrics have the same names on both")
def test_every_metric_of_the_program_that_is_asked_for_exists(session: Session) -> None:
    requests = RequestMetrics()
    requests.observe(route="/v1/nearest", method="GET", status=200, seconds=0.01)
    now = datetime.now(UTC)
    begin_bridge(session, "aed-signals", at=now)
    session.add(
        LinkedAccount(
            person_id=make.person(session).id,
            cell="34",
            key="0" * 24,
            is_home=True,
            created_at=now,
            ended_at=now,
            is_erasure=True,
        )
    )
    session.flush()
    of_database = metrics_text(
        session,
        make.ADMINISTRATOR,
        (),
        calendar_days={},
        more=[*bridge_gauges(session, Settings().mqtt, at=now), *waiting_erasure_gauges(session, at=now)],
        at=now,
    )

    asked = metrics_asked_for("aed", "process")

    assert asked <= metric_names(requests.text()) | metric_names(of_database)
    assert len(asked) > 8


def test_each_rule_says_what_to_do() -> None:
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))

    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"].endswith(".")
            assert rule["annotations"]["action"].endswith(".")
            assert rule["labels"]["severity"] in ("page", "ticket")
