"""`python -m tests.bench`: fill two databases, send requests to the real application, print ratios.

`python -m tests.bench training` measures only people and training; `outbox` messages; `incidents` alerts for
patients; `live` locations of phones on duty beside lookups; `timebank` the ledger; `signals` signals of
devices; `pages` pages against the JSON of the same question; `tiles` map tiles at each zoom; `lookup`
everything else.

AED_BENCH_SIZE=small uses 50,000 devices instead of 1,000,000, for a quick trial; a number, as many.
AED_BENCH_POSTGRES=URL fills databases aed_bench_* on that server and reuses them in later runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, cycle, islice
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from aed.accounts.permissions import TokenRole, TokenScope
from aed.accounts.tokens import create_token
from aed.database.encryption.keys import SETTING
from aed.database.session import open_database, transaction
from aed.geo import Position
from aed.settings import Settings
from aed.walking.build import build_network
from aed.walking.file import save_network
from aed.walking.network import WalkingNetwork
from tests.bench.bare import dijkstra_on, nearest_on_postgis, nearest_on_spatialite
from tests.bench.client import Line, request
from tests.bench.coverage import coverage
from tests.bench.filling import fill_postgis, fill_spatialite
from tests.bench.imports import imports
from tests.bench.incidents import from_post_to_calls, plans_alone
from tests.bench.live import live
from tests.bench.outbox import outbox
from tests.bench.pages import pages
from tests.bench.placement import placement
from tests.bench.population import DEVICES_A_CITY, Population, city_centres, questions
from tests.bench.ratio import Ratio
from tests.bench.reminders import reminders
from tests.bench.rounds import Timing, by_turns
from tests.bench.server import SAME_BYTES, Running, serving
from tests.bench.shares import CITIES, shares
from tests.bench.signals import signals
from tests.bench.tiles import tiles
from tests.bench.timebank import ENTRIES, time_bank
from tests.bench.training import training
from tests.bench.watchers import watched
from tests.commands import KEY
from tests.throwaway_postgres import throwaway_postgres
from tests.throwaway_valkey import MISSING, PROGRAM, throwaway_cluster
from tests.walking.grids import grid_position, middle_of_grid, street_grid

AT = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
"""Tuesday, 10:00 in China; not a holiday."""
NIGHT = datetime(2026, 9, 22, 15, 30, tzinfo=UTC)
LIMIT = 10
REACH_METRES = 1_500.0
NODES, MANY_NODES = 54_000, 1_000_000
MANY_CITIES, SMALL_CITIES, FEW_CITIES = 250, 13, 3
LIVE_CITIES = 40
RESPONDERS_ON_SPATIALITE = 275_707
WALKED_METRES = 3_000.0
"""The greatest distance of lookups with walks from the centre of the first city, where the network is."""
QUESTIONS = 400
JOBS_SECONDS = 8.0
"""The time in which all jobs have begun, and those without work have ended."""
ROUNDS, A_ROUND = 15, 40
MAX_RATIO = 3.0
"""The limit for a lookup over HTTP, relative to the same bytes, the bare statement and one Dijkstra."""
CLIENTS, LOAD_ROUNDS, LOAD_SECONDS = 32, 5, 3.0
VADUZ = Position(47.14, 9.52)
LIECHTENSTEIN = Path(__file__).parents[3] / "shared/data/liechtenstein/liechtenstein.osm.pbf"

POSTGRES_SETTINGS = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "16GB",
    "effective_cache_size": "8GB",
    "max_parallel_maintenance_workers": "1",
    "autovacuum": "off",
    "max_connections": "100",
}


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


# --- the table ------------------------------------------------------------------------------------------


def lookup_ratio(what: str, timings: Mapping[str, Timing], limit: float | None) -> Ratio:
    """Return the ratio of the lookup to the sum of the other timings."""
    micros = {name: timing.micros for name, timing in timings.items()}
    needed = {name: value for name, value in micros.items() if name != "lookup"}
    lookup = timings["lookup"]
    behind = (
        f"{micros['lookup']:.0f} us : {' + '.join(f'{name} {value:.0f}' for name, value in needed.items())}"
        f"; lookup p50 {lookup.percentile(0.5):.0f}, p99 {lookup.percentile(0.99):.0f} us"
    )
    return Ratio(what, micros["lookup"] / sum(needed.values()), limit, behind)


type Bare = Mapping[str, Sequence[Callable[[], object]]]


# --- requests -------------------------------------------------------------------------------------------


def target(here: Position, *, at: datetime = AT, **more: object) -> str:
    """Return the path and query of a lookup."""
    asked = {"lat": f"{here.lat:.6f}", "lon": f"{here.lon:.6f}", "limit": LIMIT, "at": at.isoformat()}
    return "/v1/nearest?" + urlencode({**asked, **more})


def same_bytes_as_answers(line: Line, targets: Sequence[str]) -> int:
    """Make the extra endpoint return a response of median size; return that size in bytes."""
    answers = sorted((line.get(each) for each in targets[:100]), key=len)
    line.put(SAME_BYTES, answers[len(answers) // 2])
    return len(answers[len(answers) // 2])


def against_the_least(server: Running, places: Sequence[Position], bare: Bare) -> dict[str, Timing]:
    """Time the lookup, the same bytes, and each bare operation at these positions, in alternation."""
    with contextlib.closing(server.line()) as line:
        targets = [target(here) for here in places]
        same_bytes_as_answers(line, targets)
        return by_turns(
            {
                "lookup": (line.exchange, [request(each) for each in targets]),
                "same bytes": (
                    line.exchange,
                    [request(each.replace("/v1/nearest", SAME_BYTES)) for each in targets],
                ),
                **{name: (lambda step: step(), steps) for name, steps in bare.items()},
            },
            rounds=ROUNDS,
            a_round=A_ROUND,
        )


def clients_own_cost(size: int) -> float:
    """Return the microseconds per request to a server that does nothing, for responses of that size."""
    with serving({}, "echo", str(size)) as server, contextlib.closing(server.line()) as line:
        message = request(target(VADUZ))
        return by_turns({"echo": (line.exchange, [message])}, rounds=5, a_round=200)["echo"].micros


@dataclass(frozen=True)
class Load:
    """A server's throughput with many concurrent clients."""

    a_second: float
    p50_ms: float
    p99_ms: float


def under_load(server: Running, messages: Sequence[bytes], *, lines: int, seconds: float) -> Load:
    """Send these requests on that many connections, each after the previous response."""
    taken: list[float] = []
    give_up_at = time.monotonic() + seconds

    def ask(number: int) -> None:
        with contextlib.closing(server.line()) as line:
            for message in islice(cycle(messages), number * 37, None):
                if time.monotonic() >= give_up_at:
                    return
                start = time.perf_counter()
                line.exchange(message)
                taken.append(time.perf_counter() - start)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(lines)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken.sort()
    p50, p99 = (taken[int(share * len(taken))] * 1e3 for share in (0.5, 0.99))
    return Load(len(taken) / seconds, p50, p99)


def requests_a_second(server: Running, places: Sequence[Position], *, lines: int, seconds: float) -> float:
    """Return the number of lookups per second on that many connections."""
    messages = [request(target(here)) for here in places]
    return under_load(server, messages, lines=lines, seconds=seconds).a_second


# --- databases ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    kept = os.environ.get("AED_BENCH_POSTGRES")
    if kept:
        yield kept
        return
    with throwaway_postgres(POSTGRES_SETTINGS) as url:
        yield url


def on_postgis(server_url: str, name: str, population: Population) -> str:
    """Return the URL of a database with that population, filled now or by an earlier run."""
    name = f"aed_bench_{name}_{population.devices}"
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    plain = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    started = time.monotonic()
    with psycopg.connect(plain, autocommit=True) as connection:
        known = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if known == ("filled",):
            say(f"PostGIS: {name} is there already")
            return url
        database = sql.Identifier(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(database))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(database))
        fill_postgis(url, population)
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS 'filled'").format(database))
    say(
        f"PostGIS: {population.devices:,} devices and {population.responders:,} responders "
        f"filled and indexed in {time.monotonic() - started:.0f} s"
    )
    return url


def on_an_empty_one(server_url: str, measure: Callable[[str], Iterator[Ratio]]) -> Iterator[Ratio]:
    """Run the measurement on a new database, which is dropped afterwards."""
    name = sql.Identifier("aed_bench_empty")
    plain = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    url = make_url(server_url).set(database="aed_bench_empty").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            yield from measure(url)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(name))


def on_spatialite(path: Path, population: Population) -> str:
    started = time.monotonic()
    fill_spatialite(path, population)
    say(
        f"SpatiaLite: {population.devices:,} devices and {population.responders:,} responders "
        f"filled in {time.monotonic() - started:.0f} s, {path.stat().st_size / 1e6:.0f} MB"
    )
    return f"sqlite:///{path}"


def dispatcher_key(url: str, *, writes: bool = False) -> str:
    """Return the key of a new token for a dispatcher of the first city."""
    database = open_database(Settings(database_url=url))
    try:
        with transaction(database) as session:
            return create_token(
                session,
                name=f"bench {time.time_ns()}",
                role=TokenRole.DISPATCHER,
                scopes=list(TokenScope) if writes else [TokenScope.READ],
                at=datetime.now(UTC),
                region_id=1,
                expires_at=datetime.now(UTC) + timedelta(hours=1),
            )
    finally:
        database.close()


# --- the measurements -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """The databases to query, and the positions."""

    many: str
    few: str
    gated: str
    """As `few`, with gates in the first city too."""
    spatialite: Path
    centres: Sequence[Position]
    network: WalkingNetwork
    network_path: Path

    def environment(self, url: str, *, walking: bool) -> dict[str, str]:
        path = self.network_path if walking else self.network_path.with_name("none")
        return {"AED_DATABASE_URL": url, "AED_WALKING_NETWORK": str(path)}

    @property
    def walked(self) -> list[Position]:
        return questions(self.centres[:1], QUESTIONS, seed=1, farthest_metres=WALKED_METRES)


def straight_lines(scene: Scene) -> Iterator[Ratio]:
    places = questions(scene.centres, QUESTIONS, seed=2)
    prepared = nearest_on_postgis(scene.many, LIMIT)
    with serving(scene.environment(scene.many, walking=False)) as server:
        bare: Bare = {"nearest 10 in psycopg": [prepared(here) for here in places]}
        yield lookup_ratio(
            "lookup, straight line, PostGIS", against_the_least(server, places, bare), MAX_RATIO
        )
    places = questions(scene.centres[:FEW_CITIES], QUESTIONS, seed=3)
    prepared = nearest_on_spatialite(scene.spatialite, LIMIT)
    with serving(scene.environment(f"sqlite:///{scene.spatialite}", walking=False)) as server:
        bare = {"nearest 10 in sqlite3": [prepared(here) for here in places]}
        yield lookup_ratio(
            "lookup, straight line, SpatiaLite", against_the_least(server, places, bare), MAX_RATIO
        )


def walks(scene: Scene) -> Iterator[Ratio]:
    """The bare Dijkstra search reaches the last device of the answer, the least that can find it."""
    places = scene.walked
    dijkstra = dijkstra_on(scene.network)
    for what, url, nearest, driver in (
        ("PostGIS", scene.many, nearest_on_postgis(scene.many, LIMIT), "psycopg"),
        (
            "SpatiaLite",
            f"sqlite:///{scene.spatialite}",
            nearest_on_spatialite(scene.spatialite, LIMIT),
            "sqlite3",
        ),
    ):
        with serving(scene.environment(url, walking=True)) as server:
            with contextlib.closing(server.line()) as line:
                answers = [json.loads(line.get(target(here))) for here in places]
            farthest = [
                max(each["walk_metres"] for each in chain(answer["devices"], answer["too_far"]))
                for answer in answers
            ]
            bare: Bare = {
                f"nearest 10 in {driver}": [nearest(here) for here in places],
                "Dijkstra": [dijkstra(here, metres) for here, metres in zip(places, farthest, strict=True)],
            }
            timings = against_the_least(server, places, bare)
        yield lookup_ratio(f"lookup with walking, {what}", timings, MAX_RATIO)


def growth(scene: Scene, many_devices: int) -> Iterator[Ratio]:
    messages = [request(target(here)) for here in scene.walked]
    with (
        serving(scene.environment(scene.many, walking=True)) as many,
        serving(scene.environment(scene.few, walking=True)) as few,
        contextlib.closing(many.line()) as to_many,
        contextlib.closing(few.line()) as to_few,
    ):
        if [to_many.exchange(each) for each in messages] != [to_few.exchange(each) for each in messages]:
            raise RuntimeError("the two registers answer differently in the same city")
        timings = by_turns(
            {"many": (to_many.exchange, messages), "few": (to_few.exchange, messages)},
            rounds=ROUNDS,
            a_round=A_ROUND,
        )
    many_micros, few_micros = timings["many"].micros, timings["few"].micros
    yield Ratio(
        f"lookup with walking, {many_devices:,} devices : 12,000",
        many_micros / few_micros,
        1.25,
        f"{many_micros:.0f} us : {few_micros:.0f} us, PostGIS, the same answers",
    )


def many_clients(scene: Scene) -> Iterator[Ratio]:
    """Measure the lookup with many clients, alternating with a plain endpoint over the same rows."""
    places = questions(scene.centres, QUESTIONS, seed=5)
    environment = scene.environment(scene.many, walking=False)
    plain = [request(f"/nearest?lat={here.lat:.6f}&lon={here.lon:.6f}&limit={LIMIT}") for here in places]
    lookups = [request(target(here)) for here in places]
    loads: list[tuple[Load, Load]] = []
    with (
        serving(environment) as server,
        serving(environment, module="tests.bench.plain_orm") as other,
    ):
        for number in range(LOAD_ROUNDS + 1):
            both = [
                under_load(each, messages, lines=CLIENTS, seconds=LOAD_SECONDS)
                for each, messages in ((server, lookups), (other, plain))
            ]
            if number:  # the first round is a warm-up
                loads.append((both[0], both[1]))
    ours, theirs = (median(each[which].a_second for each in loads) for which in (0, 1))
    yield Ratio(
        f"plain ORM endpoint : lookup, a second, {CLIENTS} clients",
        theirs / ours,
        0.5,
        f"{theirs:.0f} : {ours:.0f} a second, PostGIS, straight line",
    )
    p50, p99 = median(each.p50_ms for each, _ in loads), median(each.p99_ms for each, _ in loads)
    yield Ratio(
        f"lookup, {CLIENTS} clients, p99 : p50",
        median(each.p99_ms / each.p50_ms for each, _ in loads),
        10.0,
        f"{p99:.1f} ms : {p50:.1f} ms, PostGIS, straight line",
    )


def walking_search(network: WalkingNetwork) -> Iterator[Ratio]:
    large = street_grid(MANY_NODES)

    def inside(nodes: int) -> list[Position]:
        """Return positions whose distance from the grid's edge exceeds the search radius."""
        room = 1.0 - 2 * 0.2
        shares = [((i * 0.618034) % 1.0, (i * 0.754878) % 1.0) for i in range(QUESTIONS)]
        return [grid_position(nodes, 0.2 + room * north, 0.2 + room * east) for north, east in shares]

    timings = by_turns(
        {
            "large": (lambda here: large.reachable(here, within_metres=REACH_METRES), inside(MANY_NODES)),
            "small": (lambda here: network.reachable(here, within_metres=REACH_METRES), inside(NODES)),
        },
        rounds=ROUNDS,
        a_round=A_ROUND,
    )
    many, few = timings["large"].micros, timings["small"].micros
    yield Ratio(
        f"walking search, {large.node_count:,} nodes : {network.node_count:,}",
        many / few,
        1.5,
        f"{many:.0f} us : {few:.0f} us, {REACH_METRES:.0f} m",
    )


def one_by_one(what: str, server: Running, messages: Sequence[bytes]) -> str:
    with contextlib.closing(server.line()) as line:
        timing = by_turns({"lookup": (line.exchange, messages)}, rounds=8, a_round=A_ROUND)["lookup"]
    return f"{what:<52} p50 {timing.percentile(0.5):>6.0f} us   p99 {timing.percentile(0.99):>6.0f} us"


def without_a_limit(scene: Scene) -> Iterator[str]:
    everywhere = questions(scene.centres, QUESTIONS, seed=2)
    key = dispatcher_key(scene.many)
    with serving(scene.environment(scene.many, walking=False)) as server:
        by_night = [request(target(here, at=NIGHT)) for here in everywhere]
        yield one_by_one("straight line by night, PostGIS", server, by_night)
        for lines in (1, 8):
            rate = requests_a_second(server, everywhere, lines=lines, seconds=4.0)
            yield f"{f'straight line, PostGIS, {lines} connections':<52} {rate:>10.0f} requests a second"
    with serving(scene.environment(scene.many, walking=True)) as server:
        by_night = [request(target(here, at=NIGHT)) for here in scene.walked]
        yield one_by_one("walking by night, PostGIS", server, by_night)
        with_routes = [request(target(here, route="true")) for here in scene.walked]
        yield one_by_one("walking with routes, PostGIS", server, with_routes)
        dispatched = [request(target(here), key) for here in scene.walked]
        yield one_by_one("a dispatcher's, walking, with 10 responders, PostGIS", server, dispatched)
        rate = requests_a_second(server, scene.walked, lines=8, seconds=4.0)
        yield f"{'walking, PostGIS, 8 connections':<52} {rate:>10.0f} requests a second"
    with serving(scene.environment(scene.gated, walking=True)) as server:
        gated = [request(target(here)) for here in scene.walked]
        yield one_by_one("walking among gates (4 a km2), PostGIS, 12,000", server, gated)


def memory(scene: Scene, folder: Path) -> Iterator[Ratio]:
    """Measure the resident memory of a process with a country's network after 1,000 lookups."""
    if LIECHTENSTEIN.exists():
        where, centre, path = "Liechtenstein", VADUZ, folder / "liechtenstein.network"
        network = build_network(LIECHTENSTEIN)
        save_network(network, path)
        nodes = network.node_count
    else:
        where, centre, path = "a grid", scene.centres[0], scene.network_path
        nodes = scene.network.node_count
    url = on_spatialite(folder / "country.sqlite", Population([centre], 4_000, AT.date()))
    places = questions([centre], 1_000, seed=4)
    environment = {"AED_DATABASE_URL": url, "AED_WALKING_NETWORK": str(path)}
    with serving(environment) as server:
        one_line, eight_lines = after_lookups(server, places)
    with serving({**environment, "AED_RUN_JOBS": "true"}) as server:
        time.sleep(JOBS_SECONDS)  # the end of the jobs can't be observed here
        with_jobs, _ = after_lookups(server, places)
    yield Ratio(
        f"resident, network of {where} ({nodes:,} nodes) : 300 MB",
        one_line / 300.0,
        1.0,
        f"{one_line:.0f} MB after 1,000 lookups on one connection; {eight_lines:.0f} MB after more on eight; "
        f"{with_jobs:.0f} MB after 1,000 where its first jobs found 4,000 devices and people to look after",
    )


def after_lookups(server: Running, places: Sequence[Position]) -> tuple[float, float]:
    """Return the resident memory in MB after these lookups on one connection, then on eight."""
    with contextlib.closing(server.line()) as line:
        for here in places:
            line.get(target(here))
    one_line = server.resident_mb()
    requests_a_second(server, places, lines=8, seconds=2.0)
    return one_line, server.resident_mb()


def machine() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*: (.+)", text)
    megahertz = re.search(r"cpu MHz\s*: (\d+)", text)
    memory_kb = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
    return (
        f"{os.cpu_count()} cores of {model[1] if model else platform.machine()}"
        f"{f' at {int(megahertz[1]) / 1000:.1f} GHz' if megahertz else ''}, "
        f"{int(memory_kb[1]) / 1e6 if memory_kb else 0:.0f} GB, Python {platform.python_version()}"
    )


PARTS = (
    "lookup",
    "tiles",
    "training",
    "outbox",
    "incidents",
    "live",
    "pages",
    "placement",
    "coverage",
    "shares",
    "timebank",
    "signals",
)


def main() -> None:
    os.environ.setdefault("AED_ENCRYPTION_KEYS", KEY)
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := [part for part in wanted if part not in PARTS]:
        raise SystemExit(f"bench: there is no part {unknown[0]}; there are {', '.join(PARTS)}.")
    os.environ.setdefault("AED_ENCRYPTION_KEYS", KEY)
    say(machine())
    os.environ.setdefault(SETTING, KEY)  # the same in every run and for child processes
    load = os.getloadavg()[0]
    if load > 0.7:
        say(f"Others are at work on this machine (load {load:.1f}): the figures will be too high.")
    if "placement" in wanted:
        for ratio in placement():
            say(str(ratio))
    if "coverage" in wanted:
        with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
            for ratio in coverage(Path(name)):
                say(ratio)
    if not set(wanted) - {"placement", "coverage"}:
        return
    with postgres() as server_url:
        if "lookup" in wanted:
            lookup(server_url)
        if "tiles" in wanted:
            with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
                say(f"\n{'map tiles':<52} {'':>6} {'at most':>8}")
                for ratio in map_tiles(server_url, Path(name)):
                    say(ratio)
        if "shares" in wanted:
            with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
                centres = city_centres(CITIES, first=middle_of_grid(NODES))
                population = Population(centres, len(centres), AT.date(), gates_everywhere=False)
                for ratio in shares(
                    lambda kind: on_postgis(server_url, kind, population), centres, Path(name), AT
                ):
                    say(ratio)
        if "training" in wanted:
            with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
                say(f"\n{'people and training':<52} {'':>6} {'at most':>8}")
                for ratio in training(server_url, Path(name), say):
                    say(ratio)
        if "incidents" in wanted:
            say(f"\n{'incidents':<52} {'':>6} {'at most':>8}")
            for ratio in incidents(server_url):
                say(ratio)
        if "outbox" in wanted:
            with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
                say(f"\n{'messages':<52} {'':>6} {'at most':>8}")
                for ratio in chain(
                    outbox(f"sqlite:///{name}/outbox.sqlite", Path(name), "SpatiaLite"),
                    on_an_empty_one(server_url, lambda url: outbox(url, Path(name), "PostGIS")),
                ):
                    say(ratio)
        if "timebank" in wanted:
            with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
                say(f"\n{'time bank':<52} {'':>6} {'at most':>8}")
                for ratio in chain(
                    time_bank(
                        f"sqlite:///{name}/bank.sqlite", "SpatiaLite", entries=min(ENTRIES // 2, 1_000_000)
                    ),
                    on_an_empty_one(server_url, lambda url: time_bank(url, "PostGIS", entries=ENTRIES)),
                ):
                    say(ratio)
        if "signals" in wanted:
            with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
                say(f"\n{'signals of devices':<52} {'':>6} {'at most':>8}")
                for ratio in chain(
                    signals(f"sqlite:///{name}/signals.sqlite", "SpatiaLite"),
                    on_an_empty_one(server_url, lambda url: signals(url, "PostGIS")),
                ):
                    say(ratio)
        if "live" in wanted:
            with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
                live_places(server_url, Path(name))
        if "pages" in wanted:
            with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
                say(f"\n{'pages':<52} {'':>6} {'at most':>8}")
                for ratio in pages_and_json(server_url, Path(name)):
                    say(ratio)


def map_tiles(server_url: str, folder: Path) -> Iterator[Ratio]:
    """Measure tiles of all devices on PostGIS, and of 12,000 on SpatiaLite."""
    centres = city_centres(cities_to_fill(), first=middle_of_grid(NODES))
    large = Population(centres, len(centres) * DEVICES_A_CITY, AT.date(), gates_everywhere=False)
    few = centres[:FEW_CITIES]
    little = replace(large, centres=few, responders=0)
    for what, url, places in (
        (f"{large.devices:,} on PostGIS", on_postgis(server_url, "many", large), centres),
        (f"{little.devices:,} on SpatiaLite", on_spatialite(folder / "tiles.sqlite", little), few),
    ):
        environment = {"AED_DATABASE_URL": url, "AED_WALKING_NETWORK": str(folder / "none")}
        yield from tiles(environment, places, what)


def cities_to_fill() -> int:
    """Return the number of cities with 4,000 devices each that AED_BENCH_SIZE asks for."""
    size = os.environ.get("AED_BENCH_SIZE", "")
    if size.isdecimal():
        return max(FEW_CITIES, int(size) // DEVICES_A_CITY)
    return SMALL_CITIES if size == "small" else MANY_CITIES


def pages_and_json(server_url: str, folder: Path) -> Iterator[Ratio]:
    """Measure pages with 12,000 devices, and the first city's streets."""
    centres = city_centres(FEW_CITIES, first=middle_of_grid(NODES))
    population = Population(centres, FEW_CITIES * 4_000, AT.date(), gates_everywhere=False)
    places = questions(centres[:1], QUESTIONS, seed=7, farthest_metres=WALKED_METRES)
    save_network(street_grid(NODES), folder / "grid.network")
    for what, url in (
        ("PostGIS", on_postgis(server_url, "pages", population)),
        ("SpatiaLite", on_spatialite(folder / "pages.sqlite", population)),
    ):
        environment = {"AED_DATABASE_URL": url, "AED_WALKING_NETWORK": str(folder / "grid.network")}
        yield from pages(environment, url, places, what)


def live_places(server_url: str, folder: Path) -> None:
    """Measure 275,707 phones on duty, with locations in either database and in a cluster.

    AED_BENCH_SIZE=small uses a seventh, at the same density.
    """
    cities = 6 if os.environ.get("AED_BENCH_SIZE") == "small" else LIVE_CITIES
    centres = city_centres(cities, first=middle_of_grid(NODES))
    responders = RESPONDERS_ON_SPATIALITE * cities // LIVE_CITIES
    network = Population(centres, responders, AT.date(), gates_everywhere=False)
    on_server = on_postgis(server_url, "live", network)
    on_file = on_spatialite(folder / "live.sqlite", network)
    say(f"\n{'places of phones on duty':<52} {'':>6} {'at most':>8}")
    for what, url, nodes in (
        ("PostGIS", on_server, 0),
        ("SpatiaLite", on_file, 0),
        ("PostGIS, and a cluster", on_server, 3),
    ):
        if nodes and PROGRAM is None:
            say(f"{what}: {MISSING}")
            continue
        with throwaway_cluster(nodes) if nodes else contextlib.nullcontext() as cluster:
            environment = {
                "AED_DATABASE_URL": url,
                "AED_WALKING_NETWORK": str(folder / "none"),
                "AED_LIVE_PLACES_URL": cluster.url if cluster is not None else "",
            }
            for ratio in live(what, environment, centres, key=dispatcher_key(url)):
                say(ratio)


def incidents(server_url: str) -> Iterator[Ratio]:
    """Measure with 12,000 devices and 275,707 responders on PostGIS, and the first city's streets."""
    centres = city_centres(FEW_CITIES, first=middle_of_grid(NODES))
    population = Population(centres, RESPONDERS_ON_SPATIALITE, AT.date(), gates_everywhere=False)
    url = on_postgis(server_url, "called", population)
    places = questions(centres[:1], QUESTIONS, seed=6, farthest_metres=WALKED_METRES)
    yield from plans_alone()
    with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
        path = Path(name) / "grid.network"
        save_network(street_grid(NODES), path)
        environment = {"AED_DATABASE_URL": url, "AED_WALKING_NETWORK": str(path), "AED_RUN_JOBS": "false"}
        with serving(environment) as server, contextlib.closing(server.line()) as line:
            key = dispatcher_key(url, writes=True)

            def asked(here: Position) -> str:
                return target(here, limit=12, responders=40)

            yield from from_post_to_calls(line, url, key, places, asked, "PostGIS")
            yield from watched(server.port, key, places[0])


def lookup(server_url: str) -> None:
    """Measure devices: the lookup, imports, reminders."""
    cities = cities_to_fill()
    small = cities < MANY_CITIES
    centres = city_centres(cities, first=middle_of_grid(NODES))
    with tempfile.TemporaryDirectory(prefix="aed-bench-") as name:
        folder = Path(name)
        network = street_grid(NODES)
        save_network(network, folder / "grid.network")
        large = Population(centres, cities * DEVICES_A_CITY, AT.date(), gates_everywhere=False)
        little = replace(large, centres=centres[:FEW_CITIES], responders=FEW_CITIES * 4_000)
        on_file = replace(little, responders=RESPONDERS_ON_SPATIALITE)
        scene = Scene(
            many=on_postgis(server_url, "many", large),
            few=on_postgis(server_url, "few", little),
            gated=on_postgis(server_url, "gated", replace(little, gates_everywhere=True)),
            spatialite=folder / "few.sqlite",
            centres=centres,
            network=network,
            network_path=folder / "grid.network",
        )
        on_spatialite(scene.spatialite, on_file)
        if small:
            say(f"AED_BENCH_SIZE: {large.devices:,} devices, which is not the real size.")
        size = 19_000
        say(f"client's own cost, inside every figure over HTTP: {clients_own_cost(size):.0f} us\n")
        say(f"{'ratio':<52} {'':>6} {'at most':>8}")
        for ratio in chain(
            straight_lines(scene),
            walks(scene),
            growth(scene, large.devices),
            many_clients(scene),
            walking_search(network),
            memory(scene, folder),
            imports(server_url, folder, large, little),
            reminders(server_url, scene.many, scene.spatialite, folder, at=AT),
        ):
            say(ratio)
        say()
        for line in without_a_limit(scene):
            say(line)


if __name__ == "__main__":
    main()
