"""All settings, with their defaults and the sources of these. Read from environment variables `AED_…`.

Nested values use two underscores: `AED_ARRIVAL__REACTION_SECONDS=30`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from aed.errors import InvalidInput
from aed.settings.arrival import Arrival, Drills
from aed.settings.cells import Cells
from aed.settings.messages import Sms, Smtp, WebPush
from aed.settings.planning import ArrestRates, Planning, Survival
from aed.settings.platforms import Dingtalk, Wechat, Wecom
from aed.settings.services import IssuerAccess, Mqtt, OtherBasemap, SignInProvider
from aed.settings.upkeep import Reminding, Returns, TrustSettings


def is_checkout() -> bool:
    """True if the program runs from a checkout of its source, and not from an installed package."""
    source = Path(__file__).parents[2]
    return source.name == "src" and (source.parent / "pyproject.toml").is_file()


def state_folder() -> Path:
    """Return the folder of the program's data: database, keys, walking network, messages.

    `.state` in the working directory where the program runs from a checkout, otherwise the user's data folder
    (on Linux $XDG_DATA_HOME/aed, by default ~/.local/share/aed).
    """
    if is_checkout():
        return Path(".state")
    import platformdirs  # not needed in a checkout

    return platformdirs.user_data_path("aed", appauthor=False)


STATE: Final = state_folder()


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class Settings(BaseSettings):
    """The settings of the process."""

    model_config = SettingsConfigDict(
        env_prefix="AED_", env_nested_delimiter="__", frozen=True, extra="ignore", allow_inf_nan=False
    )

    database_url: str = Field(
        f"sqlite:///{STATE}/aed.sqlite",
        description="Database URL: sqlite:///FILE, or postgresql+psycopg://… with PostGIS",
    )
    database_read_url: str | None = Field(
        None,
        description="URL of the standbys of PostgreSQL that answer lookups and exports; default: the primary "
        "answers everything",
    )
    max_replication_lag_seconds: float = Field(
        5.0, ge=3, description="Age of a standby's data from which the primary answers in its place"
    )
    encryption_keys: SecretStr | None = Field(
        None, description="Keys that encrypt personal data, newest first; `aed keys new` makes one"
    )
    encryption_key_file: Path | None = Field(
        None,
        description="File that contains these keys; default: next to a SQLite database, ending in `.keys`",
    )
    walking_network: Path = Field(STATE / "walking.npz", description="The file made by `aed walking build`")
    basemap: Path = Field(STATE / "basemap.pmtiles", description="The file made by `aed map build`")
    other_basemap: OtherBasemap = Field(default_factory=OtherBasemap)
    embed_origins: tuple[str, ...] = Field(
        (),
        description="JSON: origins whose pages may show the map `/embed` in a frame, such as "
        '["https://partner.example"], or ["*"]',
    )
    backups: Path = Field(STATE / "backups", description="The folder for backups")
    host: str = Field("127.0.0.1", description="Address on which `aed serve` listens")
    port: int = Field(8000, ge=0, le=65535, description="Port on which `aed serve` listens")
    processes: int = Field(1, ge=1, le=64, description="Number of processes in which `aed serve` answers")
    cells: Cells = Field(default_factory=Cells, description="Other installations of the same network")
    shared_folder: Path | None = Field(
        None,
        description="Folder in which the processes of one machine count together, such as /run/aed; "
        "with AED_PROCESSES `aed serve` makes its own",
    )
    drain_file: Path | None = Field(
        None,
        description="While this file exists, such as /run/aed/draining, `/healthz` and `/readyz` are 503, so "
        "that a load balancer sends new requests elsewhere; requests are still answered",
    )
    threads: int = Field(8, ge=1, le=64, description="Number of requests that a process works on at once")
    # Measured: 40 threads give a p99 of 57-147 ms, 8 give 11-14 ms at the same throughput.
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="json for machines, console for people")
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="Lowest level that is logged"
    )
    access_log: bool = Field(True, description="Log each request, at level info")
    traces_url: str = Field(
        "",
        pattern="^(https?://[^/]+.*)?$",
        description="URL to which traces are sent by OTLP over HTTP, such as "
        "http://127.0.0.1:4318/v1/traces; empty: none. Needs the extra `aed[otel]`",
    )
    emergency_number_mainland_china: str = Field(
        "120", description="Emergency number shown in mainland China, if the region has no other"
    )
    emergency_number_elsewhere: str = Field(
        "112",
        description="Emergency number shown elsewhere, if the region has no other; 112 works from "
        "any GSM phone",
    )
    search_radius_metres: float = Field(
        50_000.0, gt=0, description="Maximum distance of a device in an answer"
    )
    walking_reach_metres: float = Field(
        5_000.0, gt=0, description="Walks longer than this are estimated from the straight line"
    )
    responder_radius_metres: float = Field(
        1_500.0, gt=0, description="Maximum distance of responders in an answer"
    )  # at most 1,500 m in Ringh 2015, Zijlstra 2014 and HartslagNu
    responder_cell_resolution: int = Field(
        9, ge=5, le=10, description="H3 resolution at which dispatchers see responders (9: about 0.1 km2)"
    )
    live_places_url: str = Field(
        "",
        pattern="^((redis|rediss)://[^/]+)?$",
        description="Nodes of the Redis or Valkey Cluster that stores the locations of phones on "
        "duty, one or several: redis://HOST:PORT,HOST:PORT; empty: the database stores them. Needs "
        "the extra `aed[cluster]`",
    )
    responder_seconds_step: int = Field(
        30,
        ge=1,
        description="Arrival times of responders, from the centre of their cell, are rounded up to a "
        "multiple of this",
    )
    responder_lookups_per_hour: int = Field(
        240,
        ge=1,
        description="Maximum number of lookups per hour that show responders, per token or person "
        "and process",
    )  # a city of ten million has about one suspected cardiac arrest in ten minutes
    gap_walk_seconds: float = Field(
        180.0,
        gt=0,
        le=900,
        description="Walking time within which people count for a building in the gap table",
    )
    gap_target: int = Field(
        3,
        ge=1,
        le=50,
        description="Number of people who should be able to come to a building; fewer are a gap",
    )  # Haskins 2021: 27 % of those alerted arrive; of three, at least one in 61 % of cases
    body_limit_bytes: int = Field(
        64_000, gt=0, description="Maximum size of a request body, with the exceptions below"
    )
    # The largest body of a single object, a checked device with replaced parts, is under 10 kB.
    list_limit_bytes: int = Field(
        1_000_000,
        gt=0,
        description="Maximum size of a list in a request body: rosters, attendance, boundaries, CAP",
    )  # a roster of 1,000 rows is 0.5 MB
    body_seconds: float = Field(
        15.0, gt=0, description="Time limit for receiving a request body"
    )  # 1 MB at 0.5 Mbit/s
    file_seconds: float = Field(
        600.0, gt=0, description="Time limit for receiving a list as a file (`/v1/lint`, `/v1/imports/…`)"
    )  # 200 MB at 2.7 Mbit/s
    photo_seconds: float = Field(90.0, gt=0, description="Time limit for receiving a photo")
    # 5 MB, a photo of a phone, at 0.5 Mbit/s
    header_seconds: float = Field(
        10.0,
        gt=0,
        description="Time limit for receiving a request's headers; the connection is closed after it",
    )
    reading_seconds: float = Field(
        60.0, gt=0, description="Time after which a client that does not read its response is disconnected"
    )  # the same as nginx's send_timeout
    connections: int = Field(
        800, ge=10, description="Maximum number of connections; beyond it, the most delayed ones are closed"
    )  # Linux gives a process 1,024 files by default; the database and streams need some
    cors_origins: tuple[str, ...] = Field(
        (),
        description="JSON: origins whose pages may read public data, such as "
        '["https://map.example"], or ["*"]',
    )
    app_origins: tuple[Annotated[str, Field(pattern="^https?://[^/*]+$")], ...] = Field(
        (),
        description="JSON: origins of apps in browsers that may call every route with a bearer token, such "
        'as ["https://app.example"]; cookies are never sent across sites',
    )
    lint_limit_bytes: int = Field(10_000_000, gt=0, description="Maximum size of a list sent to `/v1/lint`")
    import_limit_bytes: int = Field(
        200_000_000, gt=0, description="Maximum size of a list sent to `/v1/imports/…`"
    )
    photo_limit_bytes: int = Field(
        15_000_000, gt=0, description="Maximum size of a photo sent to `/v1/photos`"
    )
    run_jobs: bool | None = Field(
        None, description="Run scheduled jobs in `aed serve`; default: only with SQLite"
    )
    feed_limit_bytes: int = Field(
        200_000_000, gt=0, description="Maximum size of a feed's file, both as transferred and unpacked"
    )
    feed_seconds: float = Field(300.0, gt=0, le=1200, description="Time limit for fetching a feed")
    feed_allow_private: bool = Field(
        False, description="Allow feeds from this machine and from private networks"
    )
    same_device_score: float = Field(
        0.9, ge=0, le=1, description="Score from which a device of another list is merged with a known one"
    )
    maybe_same_score: float = Field(
        0.6, ge=0, le=1, description="Score from which a person decides whether the two devices are the same"
    )
    shrink_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of missing devices above which a list waits for a person's decision",
    )
    phone_country: str = Field(
        "CN", pattern="^[A-Z]{2}$", description="Country of phone numbers without a country code"
    )
    sign_up_codes_per_day: int = Field(
        1000,
        ge=0,
        description="Maximum number of codes in a day for people who sign up, to numbers of `phone_country`; "
        "0: nobody can sign up",
    )
    sign_in_hours: int = Field(
        168, ge=1, le=2160, description="Hours after which a browser must sign in again"
    )  # a week, for a caretaker's phone
    sign_in_idle_hours: int = Field(
        72, ge=1, le=2160, description="Hours without use after which a browser must sign in again"
    )  # a long weekend; a phone on duty is used whenever it reports its location
    token_days: int = Field(
        365,
        ge=1,
        le=3650,
        description="Days until a token expires, unless `aed tokens create` says otherwise",
    )
    lead_word: str = Field(
        "里长",
        min_length=1,
        max_length=20,
        description="What neighbourhood leads are called in Chinese, such as 里长, 楼组长 or 楼长",
    )
    security_event_keep_days: int = Field(
        180, ge=1, description="Days after which sign-ins and other security events are deleted"
    )  # China's Cybersecurity Law, article 21: network logs are kept for at least six months
    outbox_spool: Path = Field(
        STATE / "outbox", description="Folder to which messages are written, including sign-in codes"
    )
    outbox_keep_days: int = Field(
        90, ge=1, description="Days after which sent and failed messages are deleted"
    )
    notify_allow_private: bool = Field(
        False, description="Allow bots and webhooks on this machine and in private networks, also over http"
    )
    smtp: Smtp = Field(default_factory=Smtp, description="E-mail")
    sms: Sms = Field(default_factory=Sms, description="Text messages and voice calls")
    web_push: WebPush = Field(default_factory=WebPush, description="Push messages to browsers")
    mqtt: Mqtt = Field(default_factory=Mqtt, description="The broker of devices that send over MQTT")
    wechat: Wechat = Field(default_factory=Wechat, description="The mini program in WeChat")
    wecom: Wecom = Field(default_factory=Wecom, description="An app in WeCom")
    dingtalk: Dingtalk = Field(default_factory=Dingtalk, description="An app in DingTalk")
    worker_lease_seconds: int = Field(
        11, ge=2, le=45, description="Seconds of silence after which another worker takes over"
    )  # a dead worker is replaced within 15 s: the lease, and a quarter of it until the next attempt
    job_runs_keep_days: int = Field(
        30, ge=1, description="Days after which runs of jobs are deleted, except the last run of each job"
    )
    public_url: str | None = Field(
        None,
        pattern="^https?://[^/?#]+(/[^?#]*[^/?#])?$",
        description="Public URL of this network, for printed codes and links; default: the request's own",
    )  # such as https://aed.example.org; it is printed in QR codes for years
    demo_from_anywhere: bool = Field(
        False,
        description="Let everyone who reaches the service sign in on `/demo` as the invented people of a "
        "demo database; without it, only browsers on this machine itself may",
    )  # these people hold roles: nobody may sign in as them once the database serves real people
    signing_keys: Path = Field(
        STATE / "signing-keys.json",
        description="File of the keys that sign certificates, created when needed; back it up: "
        "printed codes depend on it",
    )
    signing_key_set: SecretStr | None = Field(
        None, description="The contents of that file (a JWK set), instead of the file"
    )
    issuer_access: dict[str, IssuerAccess] = Field(
        {},
        description='JSON: credentials for asking issuers, by code: {"code": {"token": "…"}} or '
        '{"code": {"secret": "…"}}',
    )
    issuer_seconds: float = Field(15.0, gt=0, le=120, description="Timeout of requests to issuers")
    sign_in_provider: SignInProvider = Field(
        default_factory=SignInProvider, description="Sign-in through the operator's own identity provider"
    )
    answer_seconds: float = Field(
        4.5,
        gt=0,
        description="Time until a request is answered 503 instead of waiting longer for PostgreSQL",
    )
    statement_timeout_ms: int = Field(5_000, gt=0, description="Time limit of a PostgreSQL statement")
    lock_timeout_ms: int = Field(
        4_000, gt=0, description="Time limit of waiting for a lock, also SQLite's busy timeout"
    )
    arrival: Arrival = Field(default_factory=Arrival, description="Parameters of expected arrival times")
    support_contact: str | None = Field(
        None,
        max_length=200,
        description="Name and number of a person to talk to after a call, shown to responders",
    )
    patient_keep_days: int = Field(
        730, ge=1, description="Days after the call until the patient's age and sex are deleted"
    )  # the year of the alert, and the following year, in which it is reported
    live_seconds: float = Field(
        600.0,
        ge=0,
        le=3_600,
        description="Seconds after which a stream of an incident's events ends and the client reconnects",
    )  # streams of viewers who lost permission end then
    planning: Planning = Field(default_factory=Planning, description="Whom to alert, and how many")
    arrests: ArrestRates = Field(
        default_factory=ArrestRates, description="How many arrests to expect, low to high"
    )
    survival: Survival = Field(
        default_factory=Survival,
        description="The effect of delay on survival, for comparing plans; never a prognosis",
    )
    reminding: Reminding = Field(default_factory=Reminding, description="When reminders are sent")
    drills: Drills = Field(default_factory=Drills, description="An estate's own pace, from timed drills")
    trust: TrustSettings = Field(
        default_factory=TrustSettings, description="How fast confidence in confirmed data decreases"
    )
    returns: Returns = Field(
        default_factory=Returns, description="Follow-up of devices that people were sent for"
    )


def load_settings() -> Settings:
    """Load the settings from the environment. Raises InvalidInput, which names every invalid value."""
    try:
        return Settings()
    except SettingsError as error:
        name = "AED_" + str(error).partition('"')[2].partition('"')[0].upper()
        raise InvalidInput(
            "{name}: must be JSON, or its parts must be given as {name}__….", field=name, name=name
        ) from None
    except ValidationError as error:
        wrong = [
            ("AED_" + "__".join(str(part).upper() for part in each["loc"]), each) for each in error.errors()
        ]
        invalid = InvalidInput(" ".join(f"{name}: {each['msg']}." for name, each in wrong), field=wrong[0][0])
        invalid.errors = [{"field": name, "detail": f"{each['msg']}."} for name, each in wrong]
        raise invalid from None
