"""Commands: `aed signals`, the vendors that forward the signals of devices."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import AfterValidator, Json, ValidationError

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import EstateOrRegion, invalid_fields, validated
from aed.cli.language import either, in_own_language
from aed.cli.process import share_heaps
from aed.cli.screen import say, table
from aed.database.failover import FailoverWatch
from aed.database.session import open_database
from aed.errors import InvalidInput, requires_extra
from aed.logs import set_up_logs
from aed.settings import load_settings
from aed.upkeep.signals import sources
from aed.upkeep.signals.mapping import SourceMapping, messages_in, serial_in_topic

signals = typer.Typer(no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="The source's name, in the address of its endpoint", metavar="NAME")
]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The mapping, as JSON")]


def _check_name(name: str) -> str:
    """Return a name that a source may have. Raises ValueError, reported with all other errors."""
    try:
        sources.require_source_name(name)
    except InvalidInput as error:
        raise ValueError(in_own_language(error)) from None
    return name


class SourceOnCommandLine(EstateOrRegion):
    """A source to add; its mapping is the content of a file."""

    name: Annotated[str, AfterValidator(_check_name)]
    mapping: Json[SourceMapping]


@signals.command("add")
def add(
    name: Name,
    mapping: File,
    estate: Annotated[int | None, typer.Option(help="The id of the estate whose devices it reports")] = None,
    region: Annotated[str | None, typer.Option(help="A region's code, in place of an estate")] = None,
) -> None:
    """Accept the messages of a vendor, and print the secret that it sends or signs with.

    The secret is not shown again. Run aed signals try first: it shows how a message is read.
    """
    new = validated(
        SourceOnCommandLine,
        {"name": name, "mapping": mapping.read_bytes(), "estate": estate, "region": region},
    )
    with cli_transaction() as session:
        secret = sources.add_source(
            session,
            operator(),
            new.name,
            new.mapping,
            estate_id=new.estate,
            region=new.region,
            at=clock.now(),
        )
    if new.mapping.signature is None:
        say("Added. Its messages are received by aed signals mqtt.")
    else:
        say(secret)


@signals.command("try")
def try_mapping(
    mapping: File,
    message: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A message of the vendor")],
    topic: Annotated[str | None, typer.Option(help="The topic of MQTT on which it was published")] = None,
) -> None:
    """Show what a mapping reads in a message, without storing anything."""
    try:
        document = orjson.loads(message.read_bytes())
    except orjson.JSONDecodeError:
        raise InvalidInput(
            either(f"{message} is not a JSON file.", f"{message} 不是 JSON 文件。"), field="message"
        ) from None
    read = _mapping_in(mapping)
    is_expected, serial = serial_in_topic(read, topic or "")
    if topic is not None and not is_expected:
        raise InvalidInput(
            either(
                f"The mapping has no topic that '{topic}' is one of.", f"映射中没有与“{topic}”相符的主题。"
            ),
            field="topic",
        )
    if topic is None and read.serial is None:
        raise InvalidInput(
            either(
                "The serial number is in the topic: give that of the message with --topic.",
                "序列号在主题中：请用 --topic 给出发布该报文的主题。",
            ),
            field="topic",
        )
    found = messages_in(read, document, topic_serial=serial)
    rows = [
        (
            each.serial,
            each.key,
            each.at,
            " ".join(f"{kind.value}={value}" for kind, value in each.readings.items()),
        )
        for each in found
    ]
    table(None, ["serial", "id", "at", "readings"], rows)


@signals.command("list")
def show_all() -> None:
    """List the vendors, without their secrets."""
    with cli_read_session() as session:
        rows = [
            (
                each.name,
                f"estate {each.estate_id}" if each.estate_id is not None else f"region {each.region_id}",
                "active" if each.revoked_at is None else "revoked",
                " ".join(SourceMapping.model_validate(each.mapping).topics),
            )
            for each in sources.all_sources(session)
        ]
    table(None, ["name", "of", "state", "topics"], rows)


@signals.command("revoke")
def revoke(name: Name) -> None:
    """Accept no more messages of a vendor."""
    with cli_transaction() as session:
        sources.revoke_source(session, operator(), name, at=clock.now())
    say("The source is revoked.")


@signals.command("mqtt")
def receive_over_mqtt() -> None:
    """Receive signals from an MQTT broker until SIGTERM, on the topics of the sources.

    Needs AED_MQTT__URL and the extra aed[mqtt]. Run one such process for each AED_MQTT__CLIENT_ID.
    """
    settings = load_settings()
    if not settings.mqtt.url:
        raise InvalidInput(
            either(
                "Set AED_MQTT__URL to the broker, such as mqtts://broker.example:8883.",
                "请将 AED_MQTT__URL 设为 MQTT 服务器地址，例如 mqtts://broker.example:8883。",
            ),
            field="AED_MQTT__URL",
        )
    with requires_extra("mqtt", needed_by="aed signals mqtt", field="AED_MQTT__URL"):
        from aed.upkeep.signals.bridge import MqttBridge
    import aed.tables  # noqa: F401 - so that rows are written after the rows they refer to

    set_up_logs(settings)
    share_heaps()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    failover = FailoverWatch(settings)
    database = open_database(settings, prepare=failover.guard)
    failover.start()
    try:
        MqttBridge(database, settings, stop=stop).run()
    finally:
        failover.close()
        database.close()


def _mapping_in(file: Path) -> SourceMapping:
    """Return the mapping in a file. Raises InvalidInput for one that is none."""
    try:
        return SourceMapping.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise invalid_fields(error, SourceMapping) from None
