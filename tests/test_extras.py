"""Optional dependencies: an error names the missing extra."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from aed import clock
from aed.app import create_app
from aed.cli.signals import receive_over_mqtt
from aed.errors import ExtraNotInstalled
from aed.notifications.channels import channels_of
from aed.notifications.endpoints import EndpointInput, save_endpoint
from aed.notifications.rules import Channel, TemporaryFailure
from aed.responders.live import live_places
from aed.settings import Settings
from tests.make import ADMINISTRATOR
from tests.notifications.test_channels import letter

ADDRESS = "ntfys://ntfy.example.org/gate"
PYPROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))


def uninstall(monkeypatch: pytest.MonkeyPatch, package: str, *importers: str) -> None:
    """Make `import package` fail as if it were not installed, also in modules that have imported it."""
    monkeypatch.setitem(sys.modules, package, None)  # None is how Python marks it missing
    for each in importers:
        monkeypatch.delitem(sys.modules, each, raising=False)


def test_the_cluster_setting_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch, "redis", "redis.cluster", "redis.backoff", "aed.responders.live.in_valkey")
    with pytest.raises(ExtraNotInstalled) as raised:
        live_places(Settings(live_places_url="redis://127.0.0.1:1"))
    assert "AED_LIVE_PLACES_URL" in raised.value.detail
    assert "pip install 'aed[cluster]'" in raised.value.detail


def test_the_traces_setting_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch, "opentelemetry.sdk.trace", "aed.http.tracing")
    with pytest.raises(ExtraNotInstalled, match=r"AED_TRACES_URL needs .* 'aed\[otel\]'"):
        create_app(
            Settings(
                database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", traces_url="http://127.0.0.1:1"
            )
        )


def test_the_command_of_the_mqtt_bridge_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AED_MQTT__URL", "mqtt://127.0.0.1:1")
    uninstall(monkeypatch, "paho.mqtt.client", "aed.upkeep.signals.bridge")
    with pytest.raises(ExtraNotInstalled, match=r"aed signals mqtt needs .* 'aed\[mqtt\]'"):
        receive_over_mqtt()


def test_an_apprise_endpoint_names_its_extra(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch, "apprise")
    with pytest.raises(ExtraNotInstalled, match=r"aed\[apprise\]") as raised:
        save_endpoint(session, ADMINISTRATOR, EndpointInput("gate", Channel.APPRISE, ADDRESS), at=clock.now())
    assert raised.value.field == "channel"


def test_a_message_waits_until_its_extra_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    uninstall(monkeypatch, "apprise")
    deliver = channels_of(Settings())[Channel.APPRISE]
    with pytest.raises(TemporaryFailure, match=r"aed\[apprise\]") as raised:
        deliver(letter(Channel.APPRISE, ADDRESS), at=clock.now())
    assert raised.value.is_channel_down


def test_the_lock_files_include_every_extra() -> None:
    for lock in ("requirements.lock", "requirements-dev.lock"):
        pinned = (Path(__file__).parent.parent / lock).read_text(encoding="utf-8")
        for dependencies in PYPROJECT["project"]["optional-dependencies"].values():
            for each in dependencies:
                assert f"\n{each.split('>')[0].split('[')[0]}==" in pinned, (lock, each)
