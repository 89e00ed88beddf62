"""The store of live locations in a Redis or Valkey Cluster, sharded by cell.

Each large H3 cell (about 1,800 km2) has three keys, with the cell as hash tag:

- `live:{CELL}:geo` has the responders in the cell by position (GEOADD, GEOSEARCH);
- `live:{CELL}:until` has their expiry times; each write removes expired entries;
- `live:{CELL}:what` has the exact stored values, since a geohash is only accurate to half a metre.

Each of 4 shards of responders has two keys: `live:{who:N}:cell` has the large cell of each responder, so that
a move removes the old entry, and `live:{who:N}:until` has the expiry times.

A write takes one round trip, and a second one for responders who moved to another large cell:

1. Add each location to its cell, unless the cell has a newer one. Update the shard, which returns the
   previous cell.
2. Remove the entry from the previous cell unless it is newer. If the shard knows a newer location, remove the
   entry from the new cell instead.

If two phones of one person write concurrently in two processes, the newer location remains. Between the two
steps a responder may be in two cells; reads return the newer location. All keys expire when nothing was
written for the lifetime of a location.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha1
from typing import Any, Final
from urllib.parse import urlsplit

import h3.api.basic_int as h3
import orjson
import structlog
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import NoScriptError, RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry
from sqlalchemy import Connection

from aed.errors import LivePlacesUnavailable
from aed.geo import Position
from aed.responders.live.in_database import InDatabase
from aed.responders.queries import PlaceNearby
from aed.responders.rules import LIVE_LOCATION_LIFETIME, SPHERE_TOLERANCE, LiveLocation, cells_around

log = structlog.get_logger("aed")

LARGE: Final = 4
"""H3 resolution of large cells: a city has one to three, a country some thousands. Smaller cells would be
slower, since each needs a separate script call in a write."""
SHARDS: Final = 4
"""Number of shards. A lookup queries each one once for responders who are on duty elsewhere."""
DEFAULT_PORT: Final = 6379
ANSWERS_WITHIN_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 5.0
"""After a failure, lookups skip the cluster for this long."""
NORTHERNMOST: Final = 85.05
"""Maximum latitude of a geohash; positions nearer to the poles are clamped to it."""

_LASTS: Final = int(LIVE_LOCATION_LIFETIME.total_seconds()) + 60
"""Seconds after the last write at which a key expires."""
_NEVER: Final = 2**53
"""A moment later than all others."""
_SILENT: Final = "The store of live locations does not respond. Try again in a few seconds."
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_OVER: Final = """
local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
for _, id in ipairs(over) do redis.call('ZREM', KEYS[1], id); forget(id) end
"""
_PUT: Final = f"""
local function forget(id) redis.call('ZREM', KEYS[2], id); redis.call('HDEL', KEYS[3], id) end
{_OVER}
for n = 3, #ARGV, 5 do
  local id, until_ = ARGV[n], ARGV[n + 1]
  local known = redis.call('ZSCORE', KEYS[1], id)
  if not known or tonumber(known) <= tonumber(until_) then
    redis.call('ZADD', KEYS[1], until_, id)
    redis.call('GEOADD', KEYS[2], ARGV[n + 2], ARGV[n + 3], id)
    redis.call('HSET', KEYS[3], id, ARGV[n + 4])
  end
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[2]) end
"""
_TELL: Final = f"""
local function forget(id) redis.call('HDEL', KEYS[2], id) end
{_OVER}
local before = {{}}
for n = 3, #ARGV, 3 do
  local id, until_, cell = ARGV[n], ARGV[n + 1], ARGV[n + 2]
  local known = redis.call('ZSCORE', KEYS[1], id)
  if known and tonumber(known) > tonumber(until_) then
    before[#before + 1] = 'newer'
  else
    before[#before + 1] = redis.call('HGET', KEYS[2], id) or ''
    redis.call('ZADD', KEYS[1], until_, id)
    redis.call('HSET', KEYS[2], id, cell)
  end
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[2]) end
return before
"""
_TAKE_OUT: Final = """
for n = 1, #ARGV, 2 do
  local known = redis.call('ZSCORE', KEYS[1], ARGV[n])
  if known and tonumber(known) <= tonumber(ARGV[n + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[n])
    redis.call('ZREM', KEYS[2], ARGV[n])
    redis.call('HDEL', KEYS[3], ARGV[n])
  end
end
"""
_FORGET: Final = """
local cells = {}
for n, id in ipairs(ARGV) do
  cells[n] = redis.call('HGET', KEYS[2], id) or ''
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
return cells
"""
_EACH: Final = """
local found = {{}}
for n, id in ipairs(ARGV) do found[n] = redis.call('{command}', KEYS[{key}], id) or '' end
return found
"""
_CELLS: Final = _EACH.format(command="HGET", key=2)
_UNTIL: Final = _EACH.format(command="ZSCORE", key=1)
_KEPT: Final = _EACH.format(command="HGET", key=3)
_NEAR: Final = """
local ids = redis.call('GEOSEARCH', KEYS[2], 'FROMLONLAT', ARGV[1], ARGV[2], 'BYRADIUS', ARGV[3], 'm')
local kept = {}
for n, id in ipairs(ids) do kept[n] = redis.call('HGET', KEYS[3], id) or '' end
return {ids, kept}
"""


type _Script = tuple[str, tuple[float | str, ...]]
"""A script with its number of keys, the keys, and its other arguments."""


class InValkey:
    """A store in a cluster. It connects on first use, and reconnects after failures."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opening = threading.Lock()
        self._cluster: RedisCluster | None = None
        self._silent_until = 0.0
        self._is_map_old = False
        """Whether a node has failed since the map of slots was read: a replica may have taken its place."""

    def close(self) -> None:
        with self._opening:
            if self._cluster is not None:
                self._cluster.close()
                self._cluster = None

    def put(self, connection: Connection, places: Sequence[LiveLocation], *, at: datetime) -> None:
        newest = {place.responder_id: place for place in sorted(places, key=lambda place: place.at)}
        if not newest:
            return
        by_cell: dict[int, list[LiveLocation]] = defaultdict(list)
        by_shard: dict[int, list[tuple[int, LiveLocation]]] = defaultdict(list)
        for place in newest.values():
            cell = h3.latlng_to_cell(place.position.lat, place.position.lon, LARGE)
            by_cell[cell].append(place)
            by_shard[place.responder_id % SHARDS].append((cell, place))
        now = _micros(at)
        with self._asking() as ask:
            for cell, there in by_cell.items():
                ask.later(
                    _PUT, _keys_of_cell(cell), now, _LASTS, *(part for each in there for part in _entry(each))
                )
            for shard, args in by_shard.items():
                parts = ((place.responder_id, _micros(place.expires_at), cell) for cell, place in args)
                ask.later(
                    _TELL, _keys_of_shard(shard), now, _LASTS, *(part for each in parts for part in each)
                )
            before = ask.all()[len(by_cell) :]
            out: dict[str, list[int]] = defaultdict(list)
            for args, known in zip(by_shard.values(), before, strict=True):
                for (cell, place), was_in in zip(args, known, strict=True):
                    if was_in not in ("", str(cell)):
                        where = str(cell) if was_in == "newer" else was_in
                        out[where] += (place.responder_id, _micros(place.expires_at))
            for where, those in out.items():
                ask.later(_TAKE_OUT, _keys_of_cell(where), *those)
            ask.all()

    def held(
        self, connection: Connection, responder_ids: Collection[int], *, at: datetime
    ) -> dict[int, LiveLocation]:
        by_cell: dict[str, list[int]] = defaultdict(list)
        found: dict[int, LiveLocation] = {}
        with self._asking() as ask:
            by_shard = _by_shard(responder_ids)
            for shard, ids in by_shard.items():
                ask.later(_CELLS, _keys_of_shard(shard), *ids)
            for ids, cells in zip(by_shard.values(), ask.all(), strict=True):
                for key, cell in zip(ids, cells, strict=True):
                    if cell:
                        by_cell[cell].append(key)
            for cell, ids in by_cell.items():
                ask.later(_KEPT, _keys_of_cell(cell), *ids)
            for ids, kept in zip(by_cell.values(), ask.all(), strict=True):
                found |= {key: _place(key, each) for key, each in zip(ids, kept, strict=True) if each}
        return {key: place for key, place in found.items() if place.holds_at(at)}

    def forget(self, connection: Connection, responder_ids: Collection[int]) -> None:
        by_cell: dict[str, list[int]] = defaultdict(list)
        with self._asking(is_asked_again=True) as ask:
            by_shard = _by_shard(responder_ids)
            for shard, ids in by_shard.items():
                ask.later(_FORGET, _keys_of_shard(shard), *ids)
            for ids, cells in zip(by_shard.values(), ask.all(), strict=True):
                for key, cell in zip(ids, cells, strict=True):
                    if cell:
                        by_cell[cell] += (key, _NEVER)
            for cell, those in by_cell.items():
                ask.later(_TAKE_OUT, _keys_of_cell(cell), *those)
            ask.all()

    def expire(self, connection: Connection, *, at: datetime) -> int:
        """Delete expired locations that remain in the database from before the cluster was configured.

        In the cluster, keys expire by themselves and each write removes expired entries.
        """
        return InDatabase(0).expire(connection, at=at)

    def near(
        self, connection: Connection, here: Position, *, within_metres: float, at: datetime
    ) -> list[LiveLocation]:
        try:
            return self._places_near(here, within_metres, at)
        except LivePlacesUnavailable as error:
            log.warning("lookup without live locations", reason=error.detail)
            return []

    def without_those_on_duty(
        self, connection: Connection, places: Sequence[PlaceNearby], *, at: datetime
    ) -> Sequence[PlaceNearby]:
        by_shard, now = _by_shard({place.responder_id for place in places}), _micros(at)
        latest = _micros(at + LIVE_LOCATION_LIFETIME)
        on_duty: set[int] = set()
        try:
            with self._asking() as ask:
                for shard, ids in by_shard.items():
                    ask.later(_UNTIL, _keys_of_shard(shard), *ids)
                for ids, moments in zip(by_shard.values(), ask.all(), strict=True):
                    on_duty |= {
                        key
                        for key, until in zip(ids, moments, strict=True)
                        if until and now < int(float(until)) <= latest
                    }
        except LivePlacesUnavailable as error:
            log.warning("lookup without live locations", reason=error.detail)
        return [place for place in places if place.responder_id not in on_duty] if on_duty else places

    def _places_near(self, here: Position, within_metres: float, at: datetime) -> list[LiveLocation]:
        lat = min(max(here.lat, -NORTHERNMOST), NORTHERNMOST)
        found: dict[int, LiveLocation] = {}
        with self._asking() as ask:
            for cell in cells_around(here, within_metres, resolution=LARGE):
                ask.later(_NEAR, _keys_of_cell(cell), here.lon, lat, within_metres * SPHERE_TOLERANCE + 1.0)
            for answer in ask.all():
                for key, kept in zip(*answer, strict=True):
                    place = _place(int(key), kept)
                    known = found.get(place.responder_id)
                    if place.holds_at(at) and (known is None or known.at < place.at):
                        found[place.responder_id] = place
        return list(found.values())

    @contextmanager
    def _asking(self, *, is_asked_again: bool = False) -> Iterator[_Asking]:
        """Provide a batch of scripts; raise LivePlacesUnavailable on errors, and for a while after one."""
        if time.monotonic() < self._silent_until and not is_asked_again:
            raise LivePlacesUnavailable(_SILENT)
        try:
            yield _Asking(self._opened())
        except (RedisError, RedisClusterException, OSError) as error:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            self._is_map_old = True
            raise LivePlacesUnavailable(_SILENT) from error

    def _opened(self) -> RedisCluster:
        with self._opening:
            if self._cluster is None:
                url, others = _nodes_of(self._url)
                self._cluster = RedisCluster.from_url(
                    url,
                    startup_nodes=others,
                    decode_responses=True,
                    socket_timeout=ANSWERS_WITHIN_SECONDS,
                    socket_connect_timeout=ANSWERS_WITHIN_SECONDS,
                    retry=Retry(NoBackoff(), 0),
                )
            elif self._is_map_old:
                self._cluster.nodes_manager.initialize()
            self._is_map_old = False
            return self._cluster


def _nodes_of(url: str) -> tuple[str, list[ClusterNode]]:
    """Return the URL of the first node, and the others, which are asked where the first does not answer."""
    scheme, _, rest = url.partition("://")
    password, at, hosts = rest.rpartition("@")
    first, *others = hosts.split(",")
    parts = [urlsplit(f"//{host}") for host in others]
    nodes = [ClusterNode(part.hostname, part.port or DEFAULT_PORT) for part in parts]  # type: ignore[no-untyped-call] # untyped in redis-py
    return f"{scheme}://{password}{at}{first}", nodes


class _Asking:
    """A batch of scripts that runs in one round trip to each node.

    The cluster pipeline of redis-py first asks a node for the keys of each script, which would double the
    time.
    """

    def __init__(self, cluster: RedisCluster) -> None:
        self._cluster = cluster
        self._scripts: list[_Script] = []

    def later(self, script: str, keys: Sequence[str], *args: float | str) -> None:
        self._scripts.append((script, (len(keys), *keys, *args)))

    def all(self) -> list[Any]:
        """Run the scripts and return their results in order.

        Scripts whose slot has moved to another node, or whose node does not have them cached, are retried
        once. Others are not retried, since a second run could return a different result.
        """
        scripts, self._scripts = self._scripts, []
        answers = self._asked(scripts, lambda script: ("EVALSHA", _hash(script)))
        again = [number for number, answer in enumerate(answers) if isinstance(answer, Exception)]
        if again:
            errors = [answers[number] for number in again]
            if silent := [error for error in errors if isinstance(error, RedisTimeout)]:
                raise silent[0]
            if not all(isinstance(error, NoScriptError) for error in errors):
                self._cluster.nodes_manager.initialize()
            asked = self._asked([scripts[number] for number in again], lambda script: ("EVAL", script))
            for number, answer in zip(again, asked, strict=True):
                answers[number] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _asked(self, scripts: Sequence[_Script], named: Callable[[str], tuple[str, str]]) -> list[Any]:
        """Return the result of each script, or its error."""
        by_node: dict[str, list[int]] = defaultdict(list)
        nodes = {}
        for number, (_script, args) in enumerate(scripts):
            node = self._cluster.get_node_from_key(str(args[1]))  # type: ignore[no-untyped-call] # untyped in redis-py
            if node is None:
                raise RedisClusterException("no node has this slot")
            nodes[node.name] = node
            by_node[node.name].append(number)
        answers: list[Any] = [None] * len(scripts)
        for name, numbers in by_node.items():
            pipeline = self._cluster.get_redis_connection(nodes[name]).pipeline(transaction=False)
            for number in numbers:
                script, args = scripts[number]
                pipeline.execute_command(*named(script), *args)  # type: ignore[no-untyped-call] # untyped in redis-py
            try:
                found: Sequence[Any] = pipeline.execute(raise_on_error=False)
            except RedisTimeout:
                raise  # do not retry after a timeout
            except RedisError as error:  # the whole node
                found = [error] * len(numbers)
            for number, answer in zip(numbers, found, strict=True):
                answers[number] = answer
        return answers


@cache
def _hash(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


def _keys_of_cell(cell: int | str) -> tuple[str, str, str]:
    return f"live:{{{cell}}}:until", f"live:{{{cell}}}:geo", f"live:{{{cell}}}:what"


def _keys_of_shard(shard: int) -> tuple[str, str]:
    return f"live:{{who:{shard}}}:until", f"live:{{who:{shard}}}:cell"


def _by_shard(responder_ids: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for key in responder_ids:
        found[key % SHARDS].append(key)
    return found


def _entry(place: LiveLocation) -> tuple[int, int, float, float, str]:
    """Return the arguments of `_PUT`: responder, expiry, longitude, latitude and stored value."""
    here = place.position
    kept = orjson.dumps([place.cell, _micros(place.at)]).decode()
    lat = min(max(here.lat, -NORTHERNMOST), NORTHERNMOST)
    return place.responder_id, _micros(place.expires_at), here.lon, lat, kept


def _place(responder_id: int, kept: str) -> LiveLocation:
    cell, at = orjson.loads(kept)
    return LiveLocation(responder_id, cell, _EPOCH + timedelta(microseconds=at))


def _micros(at: datetime) -> int:
    """Return microseconds since 1970, an integer that a score (a double) represents exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)
