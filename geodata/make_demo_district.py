"""Make the demo district: an invented quarter of a dozen gated estates, with its devices and responders.

    python geodata/make_demo_district.py [--out DIR]

The district is drawn on a flat *plan* in metres (u to the east, v to the north), bent a little so that it
looks grown, and laid on the ground around 30.29 N, 120.10 E. Everything in it is invented. There is no chance
and no clock in it: two runs write the same bytes.

    v  880  ------ Weaver Bird Road ------ metro          (reached by the underpass at u=0, or by u=-700)
       815  ====== expressway (nobody walks here) ======
       760  ------ Brass Bell Street -----------------
             school       paper-crane   kite          cloud-ladder (towers on a podium)
       400  ====== Quill Avenue ======================
             teapot       whale-song    abacus|cricket  market and offices
         0  ~~~~~~ Slow Oar Canal: bridges only at u=-350 and u=700 ~~~~~~
             owl-ferry    park          sundial       lantern
      -440  ====== Persimmon Lamp Road ===============
             waterworks   inkstone      pine          health centre
      -840  ------ Nine Kites Street -----------------
          u=-700       -350           0            350            700
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

import osmium
import osmium.io
import osmium.osm.mutable as osm_out
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from aed.geo import Datum, Position, from_wgs84, to_wgs84

HERE = Path(__file__).resolve().parent / "demo_district"
SOURCE = "demo-district"
CITY = "CN-3399"

# ------------------------------------------------------------------------------------------------------------
# The plan and the ground
# ------------------------------------------------------------------------------------------------------------

ORIGIN = Position(lat=30.29, lon=120.10)
METRES_PER_DEGREE_LAT = 110_857.4  # at 30.29 N on the WGS-84 spheroid
METRES_PER_DEGREE_LON = 96_205.0
TURN = math.radians(5)  # the grid does not look north exactly
VERTEX_EVERY_METRES = 30.0

type Tags = dict[str, str]
type Side = Literal["north", "south", "west", "east"]


class Point(NamedTuple):
    """A place on the plan: metres east and north, and the level (0 ground, 1 bridge or deck, -1 tunnel)."""

    u: float
    v: float
    level: int = 0


def point(u: float, v: float, level: int = 0) -> Point:
    """To the millimetre, so that two ways that meet have the same point."""
    return Point(round(u, 3) + 0.0, round(v, 3) + 0.0, level)


def metres_on_the_ground(p: Point) -> tuple[float, float]:
    """Where a plan point is, in metres east and north of the origin: turned, and bent like a grown street."""
    east = p.u * math.cos(TURN) - p.v * math.sin(TURN) + 14 * math.sin(p.v / 260)
    north = p.u * math.sin(TURN) + p.v * math.cos(TURN) + 16 * math.sin(p.u / 310)
    return east, north


def position_of(p: Point) -> Position:
    """The WGS-84 position of a plan point, rounded as OSM stores it."""
    east, north = metres_on_the_ground(p)
    return Position(
        lat=round(ORIGIN.lat + north / METRES_PER_DEGREE_LAT, 7),
        lon=round(ORIGIN.lon + east / METRES_PER_DEGREE_LON, 7),
    )


def ground_metres(position: Position) -> tuple[float, float]:
    """Metres east and north of the origin: the inverse of the last step of `position_of`."""
    return (
        (position.lon - ORIGIN.lon) * METRES_PER_DEGREE_LON,
        (position.lat - ORIGIN.lat) * METRES_PER_DEGREE_LAT,
    )


# ------------------------------------------------------------------------------------------------------------
# Tables: what there is
# ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Street:
    """A straight street on the plan: along v at a fixed u ("north"), or along u at a fixed v ("east")."""

    name_en: str
    name_zh: str
    highway: str
    runs: Literal["north", "east"]
    at: float
    start: float
    end: float
    bridge: bool = False  # over the canal
    oneway: bool = False

    @property
    def has_pavements(self) -> bool:
        return self.highway in ("primary", "secondary")


STREETS = (
    Street("Tortoise Shell Road", "龟甲路", "residential", "north", -700, -870, -20),
    Street("Tortoise Shell Road", "龟甲路", "residential", "north", -700, 20, 760),
    Street("Heron Bridge Avenue", "鹭桥大道", "primary", "north", -350, -870, 760, bridge=True),
    Street("Spilt Ink Road", "泼墨路", "residential", "north", 0, -870, -20),
    Street("Spilt Ink Road", "泼墨路", "residential", "north", 0, 20, 760),
    Street("Thimble Lane", "顶针弄", "residential", "north", 175, 20, 400, oneway=True),
    Street("Silk Button Road", "丝扣路", "residential", "north", 350, -870, -20),
    Street("Silk Button Road", "丝扣路", "residential", "north", 350, 20, 760),
    Street("Needle Lane", "绣针弄", "residential", "north", 525, -840, -440, oneway=True),
    Street("Copper Oar Avenue", "铜桨大道", "secondary", "north", 700, -870, 760, bridge=True),
    Street("Nine Kites Street", "九鸢街", "residential", "east", -840, -740, 740, oneway=True),
    Street("Persimmon Lamp Road", "柿灯路", "secondary", "east", -440, -740, 740),
    Street("Canal Promenade South", "慢桨河南岸步道", "pedestrian", "east", -20, -720, 720),
    Street("Canal Promenade North", "慢桨河北岸步道", "pedestrian", "east", 20, -720, 720),
    Street("Quill Avenue", "羽笔大道", "primary", "east", 400, -740, 740),
    Street("Brass Bell Street", "铜铃街", "residential", "east", 760, -740, 740),
    Street("Weaver Bird Road", "织布鸟路", "residential", "east", 880, -740, 420),
)
PAVEMENT_METRES = 10.0  # from the middle of an avenue to its pavements
CANAL_HALF_WIDTH_METRES = 12.0


class Gate(NamedTuple):
    """`along` is the share of the side from its west or south end."""

    side: Side
    along: float
    passage: Literal["open", "guarded", "residents"]
    opening_hours: str | None = None


@dataclass(frozen=True)
class Estate:
    """A block of the plan with rows of houses in it; `cut` takes a piece out of one corner."""

    source_id: str
    name_en: str
    name_zh: str
    neighbourhood: str
    west: float
    south: float
    east: float
    north: float
    gates: tuple[Gate, ...]
    rows: int = 5
    house: tuple[float, float] = (46, 13)  # length along the row, depth
    gap: float = 16
    levels: int = 6
    cut: tuple[Literal["ne", "nw", "se", "sw"], float, float] | None = None
    podium: bool = False


ESTATES = (
    # North of Quill Avenue
    Estate(
        "paper-crane", "Paper Crane Gardens", "纸鹤花园", "quill-north", -330, 420, -14, 746,
        (Gate("south", 0.42, "guarded", "24/7"), Gate("north", 0.62, "open", "06:00-23:00"),
         Gate("east", 0.45, "residents")),
        rows=5, levels=11, cut=("ne", 84, 96),
    ),
    Estate(
        "kite", "Kite Workshop Village", "风筝坊新村", "quill-north", 14, 420, 338, 746,
        (Gate("west", 0.38, "guarded", "24/7"), Gate("south", 0.66, "open", "06:30-22:00"),
         Gate("north", 0.3, "open", "06:00-23:00"), Gate("east", 0.62, "residents")),
        rows=7, house=(58, 11), gap=12, levels=5,
    ),
    Estate(
        "cloud-ladder", "Cloud Ladder Towers", "云梯台", "quill-north", 362, 420, 680, 746,
        (Gate("west", 0.84, "guarded", "24/7"), Gate("south", 0.3, "residents"),
         Gate("north", 0.25, "residents")),
        levels=32, podium=True,
    ),
    # Between the canal and Quill Avenue
    Estate(
        "teapot", "Teapot Court", "紫砂壶里", "canal-north", -688, 34, -370, 380,
        (Gate("east", 0.55, "guarded", "06:00-23:00"), Gate("south", 0.35, "open", "06:30-22:00")),
        rows=5, house=(40, 12), levels=6, cut=("nw", 90, 80),
    ),
    Estate(
        "whale-song", "Whale Song Residence", "鲸歌公寓", "canal-north", -330, 34, -14, 380,
        (Gate("north", 0.5, "guarded", "24/7"), Gate("south", 0.7, "residents"),
         Gate("east", 0.3, "open", "06:00-23:00")),
        rows=4, house=(32, 22), gap=34, levels=26,
    ),
    Estate(
        "abacus", "Abacus Houses", "算珠雅舍", "canal-north", 14, 34, 165, 380,
        (Gate("west", 0.5, "guarded", "24/7"), Gate("east", 0.2, "residents", "06:00-23:00")),
        rows=6, house=(38, 12), gap=12, levels=7,
    ),
    Estate(
        "cricket", "Cricket Song Court", "蛐鸣小苑", "canal-north", 185, 34, 338, 380,
        (Gate("west", 0.7, "open"), Gate("south", 0.5, "residents"),
         Gate("east", 0.42, "guarded", "06:00-23:00")),
        rows=6, house=(38, 12), gap=12, levels=7,
    ),
    # South of the canal
    Estate(
        "owl-ferry", "Owl Ferry Homes", "枭渡家园", "canal-south", -688, -420, -370, -34,
        (Gate("east", 0.4, "guarded", "24/7"), Gate("north", 0.6, "open", "06:00-23:00"),
         Gate("south", 0.5, "residents")),
        rows=6, house=(50, 12), levels=6, cut=("se", 76, 88),
    ),
    Estate(
        "sundial", "Sundial Garden", "日晷庭", "canal-south", 14, -420, 338, -34,
        (Gate("south", 0.5, "guarded", "24/7"), Gate("north", 0.55, "open", "06:00-23:00"),
         Gate("west", 0.7, "residents"), Gate("east", 0.25, "open", "06:30-22:00")),
        rows=6, house=(36, 14), gap=22, levels=15,
    ),
    Estate(
        "lantern", "Lantern Slope", "灯笼坡上", "canal-south", 362, -420, 680, -34,
        (Gate("west", 0.5, "guarded", "24/7"), Gate("north", 0.3, "open", "06:00-23:00"),
         Gate("south", 0.75, "residents")),
        rows=5, house=(30, 20), gap=36, levels=24, cut=("ne", 100, 70),
    ),
    Estate(
        "inkstone", "Inkstone Compound", "砚台别院", "canal-south", -330, -828, -14, -460,
        (Gate("north", 0.3, "residents"), Gate("south", 0.6, "residents")),
        rows=6, house=(22, 13), gap=22, levels=3,
    ),
    Estate(
        "pine", "Pine Needle Terraces", "松针台", "canal-south", 14, -828, 338, -460,
        (Gate("north", 0.55, "guarded", "24/7"), Gate("west", 0.35, "residents"),
         Gate("south", 0.4, "open", "06:00-23:00")),
        rows=7, house=(48, 11), gap=14, levels=5, cut=("sw", 70, 70),
    ),
)  # fmt: skip
RING_METRES = 22.0  # from the wall to the road inside it
NEIGHBOURHOODS = ("quill-north", "canal-north", "canal-south")


class Premises(NamedTuple):
    """A building outside the estates; `way_in` leads from a street to its door (the last point)."""

    key: str
    name_en: str
    name_zh: str
    west: float
    south: float
    east: float
    north: float
    levels: int
    way_in: tuple[Point, ...]
    tags: Mapping[str, str]


PREMISES = (
    Premises("metro", "Weaver Bird Metro Station", "织布鸟地铁站", 18, 862, 60, 874, 1,
             (point(40, 880), point(40, 874)), {"building": "train_station"}),
    Premises("school", "Tadpole Primary School", "小蝌蚪小学", -630, 560, -480, 600, 4,
             (point(-550, 400), point(-550, 560)), {"building": "school", "amenity": "school"}),
    Premises("bookhouse", "Moth Lamp Reading Room", "蛾灯书房", -470, 690, -420, 720, 2,
             (point(-440, 760), point(-440, 720)), {"building": "public", "amenity": "library"}),
    Premises("market", "Copper Ladle Market", "铜勺菜场", 380, 60, 470, 130, 2,
             (point(350, 95), point(380, 95)), {"building": "retail", "amenity": "marketplace"}),
    Premises("teahouse", "Late Moon Teahouse", "迟月茶馆", 545, 60, 590, 90, 2,
             (point(525, 75), point(545, 75)), {"building": "retail", "amenity": "cafe"}),
    Premises("convenience", "Night Sparrow Shop", "夜雀便利店", 545, 140, 575, 160, 1,
             (point(525, 150), point(545, 150)), {"building": "retail", "shop": "convenience"}),
    Premises("offices", "Quartz Thread Office Tower", "石英线大厦", 590, 260, 660, 330, 18,
             (point(700, 295), point(660, 295)), {"building": "office"}),
    Premises("bank", "Acorn Savings Hall", "橡果营业厅", 390, 290, 450, 340, 3,
             (point(420, 400), point(420, 340)), {"building": "commercial"}),
    Premises("community", "Neighbourhood Community Centre", "慢桨社区服务中心", -100, -412, -40, -376, 3,
             (point(0, -394), point(-40, -394)), {"building": "civic", "amenity": "community_centre"}),
    Premises("pharmacy", "Three Herbs Pharmacy", "三味草药房", -320, -110, -290, -86, 1,
             (point(-350, -98), point(-320, -98)), {"building": "retail", "amenity": "pharmacy"}),
    Premises("sports", "Leapfrog Sports Hall", "跳蛙体育馆", -470, -560, -390, -500, 2,
             (point(-350, -530), point(-390, -530)), {"building": "sports_hall", "leisure": "sports_centre"}),
    Premises("waterworks", "Dewdrop Waterworks", "露珠水厂", -580, -740, -480, -680, 1,
             (point(-530, -840), point(-530, -740)), {"building": "industrial"}),
    Premises("health", "Seven Sparrows Health Centre", "七雀社区卫生服务中心", 380, -580, 480, -520, 5,
             (point(430, -440), point(430, -520)), {"building": "hospital", "amenity": "clinic"}),
    Premises("buses", "Heron Bus Depot", "白鹭公交场站", 560, -800, 660, -700, 1,
             (point(525, -750), point(560, -750)), {"building": "transportation"}),
)  # fmt: skip

OPEN_LAND: tuple[tuple[str, str, tuple[float, float, float, float], Tags], ...] = (
    ("Slow Oar Park", "慢桨公园", (-334, -424, -12, -30), {"leisure": "park"}),
    ("Leapfrog Playing Field", "跳蛙球场", (-650, -600, -520, -480), {"leisure": "pitch"}),
    ("Tadpole Playing Field", "小蝌蚪操场", (-650, 620, -520, 720), {"leisure": "pitch"}),
)

PATHS: tuple[tuple[Tags, tuple[Point, ...]], ...] = (
    # Slow Oar Park
    ({"highway": "footway"}, (point(-350, -50), point(-230, -150), point(-170, -240), point(-60, -330),
                              point(0, -350))),
    ({"highway": "footway"}, (point(0, -80), point(-90, -160), point(-170, -240), point(-260, -320),
                              point(-350, -410))),
    ({"highway": "footway"}, (point(-170, -20), point(-170, -240), point(-170, -440))),
    ({"highway": "steps"}, (point(-60, -20), point(-60, -60), point(-90, -160))),
    # The market quarter
    ({"highway": "pedestrian", "name": "铜勺步行街", "name:zh": "铜勺步行街",
      "name:en": "Copper Ladle Walk"}, (point(350, 210), point(700, 210))),
    ({"highway": "service"}, (point(525, 20), point(525, 400))),
    ({"highway": "footway"}, (point(350, 150), point(525, 150))),
    # A road that is no short cut: through the waterworks
    ({"highway": "service", "service": "driveway", "access": "private"},
     (point(-700, -640), point(-530, -640), point(-350, -640))),
    # Round the health centre and the buses
    ({"highway": "service"}, (point(350, -600), point(525, -600))),
    ({"highway": "footway"}, (point(525, -640), point(700, -640))),
    # The playing fields
    ({"highway": "footway"}, (point(-700, 610), point(-350, 610))),
    ({"highway": "footway"}, (point(-550, 560), point(-550, 610))),
    ({"highway": "footway"}, (point(-510, 610), point(-510, 760))),
    ({"highway": "footway"}, (point(-510, -440), point(-510, -610), point(-390, -610), point(-350, -580))),
)  # fmt: skip
# Rows of shops that have no name: west and south of the first, how many, how far apart, width and depth.
SHOP_ROWS = (
    (546, 352, 5, 28, 22, 24),
    (366, 172, 5, 30, 24, 20),
    (610, 80, 3, 26, 20, 60),
    (542, -478, 5, 28, 22, 20),
    (370, -800, 4, 36, 28, 24),
    (-684, 424, 4, 32, 26, 18),
    (-536, 424, 5, 32, 26, 18),
    (-684, -820, 4, 36, 28, 22),
    (-514, -820, 4, 36, 28, 22),
    (-330, 894, 6, 40, 30, 16),
)

# Cloud Ladder: a block of shops 12 m high with the towers on its roof, and two ways up.
PODIUM = (412.0, 472.0, 632.0, 694.0)
DECK_RING = (452.0, 540.0, 592.0, 630.0)
TOWER_DOORS = (  # middle of the tower, its door on the deck
    (point(432, 502), point(452, 540, 1)),
    (point(522, 502), point(522, 540, 1)),
    (point(612, 502), point(592, 540, 1)),
    (point(432, 664), point(452, 630, 1)),
    (point(522, 664), point(522, 630, 1)),
    (point(612, 664), point(592, 630, 1)),
)
TOWER_HALF_METRES = 13.0
WAYS_UP: tuple[tuple[str, tuple[Point, ...]], ...] = (
    ("steps", (point(384, 600), point(412, 600, 0), point(430, 600, 1), point(452, 600, 1))),
    ("footway", (point(522, 724), point(490, 712, 0), point(490, 690, 1), point(490, 630, 1))),
)

# ------------------------------------------------------------------------------------------------------------
# Drawing: from the tables to ways on the plan
# ------------------------------------------------------------------------------------------------------------


@dataclass
class Way:
    tags: Tags
    points: list[Point]

    @property
    def is_road(self) -> bool:
        return "highway" in self.tags

    @property
    def is_building(self) -> bool:
        return "building" in self.tags


class Building(NamedTuple):
    number: int
    levels: int
    door: Point
    inside: Point  # three metres behind the door


@dataclass
class Drawing:
    """The district on the plan. Ways that meet on one level share a point once `join` has run."""

    ways: list[Way] = field(default_factory=list)
    point_tags: dict[Point, Tags] = field(default_factory=dict)
    gates: dict[tuple[str, Side], Point] = field(default_factory=dict)
    buildings: dict[tuple[str, int], Building] = field(default_factory=dict)
    walls: dict[str, Way] = field(default_factory=dict)

    def add(self, tags: Mapping[str, str], points: Iterable[Point]) -> Way:
        given = list(points)
        way = Way(dict(tags), given[:1] + [b for a, b in pairwise(given) if a != b])
        self.ways.append(way)
        return way


def draw_district() -> Drawing:
    """Everything, joined and with a vertex every 30 m."""
    drawing = Drawing()
    draw_canal(drawing)
    draw_expressway(drawing)
    for name_en, name_zh, sides, tags in OPEN_LAND:
        drawing.add(named(name_en, name_zh) | tags, rectangle(*sides))
    for street in STREETS:
        draw_street(drawing, street)
    for path_tags, points in PATHS:
        drawing.add(path_tags, points)
    for premises in PREMISES:
        draw_premises(drawing, premises)
    for west, south, count, step, width, depth in SHOP_ROWS:
        for left in range(west, west + count * step, step):
            drawing.add({"building": "retail"}, rectangle(left, south, left + width, south + depth))
    for estate in ESTATES:
        draw_estate(drawing, estate)
    join(drawing.ways)
    for way in drawing.ways:
        if not way.is_building:
            way.points = list(with_vertices(way.points))
    tag_crossings(drawing)
    return drawing


def named(name_en: str, name_zh: str) -> Tags:
    return {"name": name_zh, "name:zh": name_zh, "name:en": name_en}


def rectangle(west: float, south: float, east: float, north: float, level: int = 0) -> list[Point]:
    """A closed ring, counter-clockwise from the south-west."""
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return [point(u, v, level) for u, v in corners]


def draw_canal(drawing: Drawing) -> None:
    name = named("Slow Oar Canal", "慢桨河")
    half = CANAL_HALF_WIDTH_METRES
    drawing.add(name | {"waterway": "canal"}, [point(-760, 0), point(760, 0)])
    drawing.add(name | {"natural": "water", "water": "canal"}, rectangle(-760, -half, 760, half))


def draw_expressway(drawing: Drawing) -> None:
    """Two carriageways with a slip road that nobody walks on, and the two ways beneath them."""
    motorway = named("Paper Lantern Expressway", "纸灯快速路") | {"highway": "motorway", "oneway": "yes"}
    drawing.add(motorway, [point(-760, 806), point(760, 806)])
    drawing.add(motorway, [point(760, 826), point(-760, 826)])
    drawing.add(
        {"highway": "motorway_link", "oneway": "yes"}, [point(430, 806), point(560, 790), point(640, 760)]
    )

    foot = named("Dragonfly Underpass", "蜻蜓地道") | {"highway": "footway"}
    road = named("Tortoise Shell Road", "龟甲路") | {"highway": "residential"}
    for u, tags in ((0, foot), (-700, road)):
        into, out = point(u, 790), point(u, 842)
        drawing.add(tags, [point(u, 760), into])
        drawing.add(
            tags | {"tunnel": "yes", "layer": "-1"}, [into, point(u, 796, -1), point(u, 836, -1), out]
        )
        drawing.add(tags, [out, point(u, 880)])


def draw_street(drawing: Drawing, street: Street) -> None:
    """The carriageway; along an avenue also its pavements, and a crossing beside every side street."""
    tags = named(street.name_en, street.name_zh) | {"highway": street.highway}
    if street.oneway:
        tags["oneway"] = "yes"
    if not street.has_pavements:
        draw_run(drawing, street, tags, beside=0)
        return
    draw_run(drawing, street, tags | {"sidewalk": "separate", "lanes": "4"}, beside=0)
    for beside in (-PAVEMENT_METRES, PAVEMENT_METRES):
        draw_run(drawing, street, {"highway": "footway", "footway": "sidewalk"}, beside=beside)
    for other in STREETS:
        if other.runs != street.runs and street.start < other.at < street.end and abs(other.at) > 20:
            along = other.at + 16
            ends = [on_street(street, along, beside) for beside in (-PAVEMENT_METRES, PAVEMENT_METRES)]
            drawing.add({"highway": "footway", "footway": "crossing"}, ends)


def on_street(street: Street, along: float, beside: float, level: int = 0) -> Point:
    across = street.at + beside
    return point(across, along, level) if street.runs == "north" else point(along, across, level)


def draw_run(drawing: Drawing, street: Street, tags: Tags, beside: float) -> None:
    """One line along the street; where it bridges the canal the middle part is a way of its own."""
    if not street.bridge:
        drawing.add(tags, [on_street(street, along, beside) for along in (street.start, street.end)])
        return
    drawing.add(tags, [on_street(street, along, beside) for along in (street.start, -20)])
    over = [
        on_street(street, along, beside, level) for along, level in ((-20, 0), (-14, 1), (14, 1), (20, 0))
    ]
    drawing.add(tags | {"bridge": "yes", "layer": "1"}, over)
    drawing.add(tags, [on_street(street, along, beside) for along in (20, street.end)])


def draw_premises(drawing: Drawing, premises: Premises) -> None:
    sides = (premises.west, premises.south, premises.east, premises.north)
    tags = named(premises.name_en, premises.name_zh) | {"building:levels": str(premises.levels)}
    drawing.add(tags | dict(premises.tags), rectangle(*sides))
    drawing.add({"highway": "footway"}, premises.way_in)
    door = premises.way_in[-1]
    middle = point((premises.west + premises.east) / 2, (premises.south + premises.north) / 2)
    drawing.buildings[premises.key, 1] = Building(1, premises.levels, door, towards(door, middle, 3))
    drawing.point_tags[door] = {"entrance": "main"}
    if premises.key == "metro":
        drawing.point_tags[door] |= named(premises.name_en, premises.name_zh) | {"railway": "subway_entrance"}


def draw_estate(drawing: Drawing, estate: Estate) -> None:
    """The wall with its gates, the ring road inside it, and the houses in rows or on the podium."""
    corners = outline(estate)
    ring = inset(corners, RING_METRES)
    drawing.walls[estate.source_id] = drawing.add({"barrier": "wall"}, closed(corners))
    drawing.add(named(estate.name_en, estate.name_zh) | {"landuse": "residential"}, closed(corners))
    drawing.add({"highway": "service"}, closed(ring))
    for gate in estate.gates:
        draw_gate(drawing, estate, gate, ring)
    if estate.podium:
        draw_podium(drawing, estate)
    else:
        draw_rows(drawing, estate, ring)


def outline(estate: Estate) -> list[Point]:
    """The corners of the estate, counter-clockwise from the south-west, with its cut taken out."""
    west, south, east, north = estate.west, estate.south, estate.east, estate.north
    corners = [[(west, south)], [(east, south)], [(east, north)], [(west, north)]]
    if estate.cut is not None:
        where, wide, deep = estate.cut
        if where == "sw":
            corners[0] = [(west, south + deep), (west + wide, south + deep), (west + wide, south)]
        elif where == "se":
            corners[1] = [(east - wide, south), (east - wide, south + deep), (east, south + deep)]
        elif where == "ne":
            corners[2] = [(east, north - deep), (east - wide, north - deep), (east - wide, north)]
        else:
            corners[3] = [(west + wide, north), (west + wide, north - deep), (west, north - deep)]
    return [point(u, v) for corner in corners for u, v in corner]


def inset(corners: Sequence[Point], metres: float) -> list[Point]:
    """The corners of a right-angled, counter-clockwise outline moved inwards."""
    moved = []
    for before, here, after in zip(
        [corners[-1], *corners[:-1]], corners, [*corners[1:], corners[0]], strict=True
    ):
        shift_u = shift_v = 0.0
        for a, b in ((before, here), (here, after)):
            if a.v == b.v:  # inwards is north of an eastward side
                shift_v = math.copysign(metres, b.u - a.u)
            else:  # and west of a northward one
                shift_u = -math.copysign(metres, b.v - a.v)
        moved.append(point(here.u + shift_u, here.v + shift_v))
    return moved


def closed(corners: Sequence[Point]) -> list[Point]:
    return [*corners, corners[0]]


OUTWARDS: dict[Side, tuple[int, int]] = {"north": (0, 1), "south": (0, -1), "west": (-1, 0), "east": (1, 0)}
SIDES_ZH: dict[Side, str] = {"north": "北", "south": "南", "west": "西", "east": "东"}


def draw_gate(drawing: Drawing, estate: Estate, gate: Gate, ring: Sequence[Point]) -> None:
    """The gate in the wall, from the ring road inside to the nearest street outside."""
    at = gate_point(estate, gate)
    drawing.gates[estate.source_id, gate.side] = at
    drawing.point_tags[at] = gate_tags(gate)
    out_u, out_v = OUTWARDS[gate.side]
    highway = {"highway": "service" if gate.passage == "guarded" else "footway"}
    drawing.add(highway, [at, first_on_the_way(at, (-out_u, -out_v), pairwise(closed(ring)))])
    streets = [[on_street(s, along, 0) for along in (s.start, s.end)] for s in STREETS]
    drawing.add(highway, [at, first_on_the_way(at, (out_u, out_v), ((a, b) for a, b in streets))])
    if gate.passage == "guarded":
        hut = guard_post(drawing, estate.source_id, gate.side)
        drawing.add({"building": "guardhouse"}, rectangle(hut.u - 3, hut.v - 2, hut.u + 3, hut.v + 2))


def gate_point(estate: Estate, gate: Gate) -> Point:
    u = estate.west + gate.along * (estate.east - estate.west)
    v = estate.south + gate.along * (estate.north - estate.south)
    sides = {
        "north": (u, estate.north),
        "south": (u, estate.south),
        "west": (estate.west, v),
        "east": (estate.east, v),
    }
    return point(*sides[gate.side])


def gate_name(gate: Gate) -> tuple[str, str]:
    return f"{gate.side.capitalize()} Gate", f"{SIDES_ZH[gate.side]}门"


def gate_tags(gate: Gate) -> Tags:
    tags = {"barrier": "gate"} | named(*gate_name(gate))
    if gate.passage == "open":
        tags["access"] = "yes"
    elif gate.passage == "guarded":
        tags |= {"access": "permissive", "barrier:personnel": "yes"}
    else:
        tags |= {"access": "private", "locked": "yes"}
    if gate.opening_hours is not None:
        tags["opening_hours"] = gate.opening_hours
    return tags


def guard_post(drawing: Drawing, estate_id: str, side: Side) -> Point:
    """The middle of the guard's hut: inside the wall, beside the way."""
    at, (out_u, out_v) = drawing.gates[estate_id, side], OUTWARDS[side]
    return point(at.u - 5 * out_u + 7 * abs(out_v), at.v - 5 * out_v + 7 * abs(out_u))


def street_wall(drawing: Drawing, estate_id: str, side: Side) -> Point:
    """A place on the outer side of the wall, beside the gate."""
    at, (out_u, out_v) = drawing.gates[estate_id, side], OUTWARDS[side]
    return point(at.u + 2 * out_u + 6 * abs(out_v), at.v + 2 * out_v + 6 * abs(out_u))


def first_on_the_way(start: Point, direction: tuple[int, int], lines: Iterable[tuple[Point, Point]]) -> Point:
    """Where a straight walk first meets one of the lines."""
    far = point(start.u + 400 * direction[0], start.v + 400 * direction[1])
    met = [where for a, b in lines if (where := meeting(start, far, a, b)) is not None]
    return min((p for p in met if p != start), key=lambda p: math.dist(p, start))


def draw_rows(drawing: Drawing, estate: Estate, ring: Sequence[Point]) -> None:
    """Rows of houses, each with its door to the footway on its north side."""
    length, depth = estate.house
    south, north = min(p.v for p in ring), max(p.v for p in ring)
    pitch = (north - south) / estate.rows
    number = 0
    for row in range(1, estate.rows + 1):
        path_v = south + row * pitch
        front_v = path_v - 7
        west, east = span(ring, path_v - 0.5, front_v - depth - 4)
        if path_v < north:
            drawing.add({"highway": "footway"}, [point(*end) for end in ((west, path_v), (east, path_v))])
        houses = int((east - west - 16 + estate.gap) // (length + estate.gap))
        pitch_u = (east - west - 16 + estate.gap) / houses
        for house in range(houses):
            number += 1
            left = west + 8 + house * pitch_u + (pitch_u - estate.gap - length) / 2
            outside = rectangle(left, front_v - depth, left + length, front_v)
            door = point(left + length / 2, front_v)
            draw_house(drawing, estate, number, outside, [door, point(door.u, path_v)])


def span(ring: Sequence[Point], *at_v: float) -> tuple[float, float]:
    """The width inside the ring that is free at all of these v."""
    west, east = -math.inf, math.inf
    for v in at_v:
        crossed = sorted(
            a.u for a, b in pairwise(closed(ring)) if min(a.v, b.v) <= v <= max(a.v, b.v) and a.u == b.u
        )
        if crossed:
            west, east = max(west, crossed[0]), min(east, crossed[-1])
    return west, east


def draw_house(
    drawing: Drawing, estate: Estate, number: int, outside: list[Point], way_out: list[Point]
) -> None:
    door = way_out[0]
    middle = point((outside[0].u + outside[2].u) / 2, (outside[0].v + outside[2].v) / 2, door.level)
    word_en, word_zh = ("Tower", "号塔楼") if estate.podium else ("Building", "幢")
    tags = named(f"{word_en} {number}", f"{number}{word_zh}") | {
        "building": "apartments",
        "building:levels": str(estate.levels),
        "addr:place": estate.name_zh,
        "addr:place:en": estate.name_en,
        "addr:housenumber": str(number),
    }
    if door.level:
        tags |= {"building:min_level": "3", "layer": str(door.level)}
    drawing.add(tags, outside)
    drawing.add({"highway": "footway"} | ({"layer": str(door.level)} if door.level else {}), way_out)
    drawing.point_tags[door] = {"entrance": "yes"}
    drawing.buildings[estate.source_id, number] = Building(
        number, estate.levels, door, towards(door, middle, 3)
    )


def draw_podium(drawing: Drawing, estate: Estate) -> None:
    """Towers on a roof garden: next door on the map, far on foot."""
    west, south, east, north = PODIUM
    drawing.add(
        named("Cloud Ladder Podium", "云梯台裙楼") | {"building": "retail", "building:levels": "3"},
        rectangle(west, south, east, north),
    )
    deck = {"highway": "footway", "layer": "1", "level": "3"}
    drawing.add(deck, rectangle(*DECK_RING, level=1))
    for kind, points in WAYS_UP:
        drawing.add(deck | {"highway": kind}, points)
    half = TOWER_HALF_METRES
    for number, (middle, turn) in enumerate(TOWER_DOORS, start=1):
        outside = rectangle(middle.u - half, middle.v - half, middle.u + half, middle.v + half, level=1)
        front_v = middle.v + half if turn.v > middle.v else middle.v - half
        door = point(middle.u, front_v, 1)
        draw_house(drawing, estate, number, outside, [door, point(middle.u, turn.v, 1), turn])


def towards(start: Point, end: Point, metres: float) -> Point:
    share = metres / math.dist(start[:2], end[:2])
    return point(start.u + share * (end.u - start.u), start.v + share * (end.v - start.v), start.level)


def join(ways: Sequence[Way]) -> None:
    """Give ways that meet on one level a common point.

    1. Two roads share a point wherever they cross or touch.
    2. A wall, an outline or a building gets a point where a road ends on it: a gate, a door.
    """
    segments = [
        (w, s, a, b)
        for w, way in enumerate(ways)
        for s, (a, b) in enumerate(pairwise(way.points))
        if a.level == b.level
    ]
    roads = [segment for segment in segments if ways[segment[0]].is_road]
    cuts: dict[tuple[int, int], set[Point]] = {}
    for i, (w, s, a, b) in enumerate(roads):
        for x, t, c, d in roads[i + 1 :]:
            if w != x and (where := meeting(a, b, c, d)) is not None:
                cuts.setdefault((w, s), set()).add(where)
                cuts.setdefault((x, t), set()).add(where)
    ends = sorted({end for way in ways if way.is_road for end in (way.points[0], way.points[-1])})
    for w, s, a, b in segments:
        for end in ends:
            if end.level == a.level and off_segment(end, a, b) < 0.002:
                cuts.setdefault((w, s), set()).add(end)
    for w, way in enumerate(ways):
        joined = [way.points[0]]
        for s, (a, b) in enumerate(pairwise(way.points)):
            on_it = sorted(cuts.get((w, s), ()), key=lambda p, a=a: math.dist(p, a))
            joined += [p for p in [*on_it, b] if p != joined[-1]]
        way.points = joined


def meeting(a: Point, b: Point, c: Point, d: Point) -> Point | None:
    """Where two segments of one level cross or touch; None where they do not, or lie along each other."""
    if a.level != c.level:
        return None
    turn = (b.u - a.u) * (d.v - c.v) - (b.v - a.v) * (d.u - c.u)
    if turn == 0:
        return None
    along_first = ((c.u - a.u) * (d.v - c.v) - (c.v - a.v) * (d.u - c.u)) / turn
    along_second = ((c.u - a.u) * (b.v - a.v) - (c.v - a.v) * (b.u - a.u)) / turn
    if not (-1e-9 <= along_first <= 1 + 1e-9 and -1e-9 <= along_second <= 1 + 1e-9):
        return None
    return point(a.u + along_first * (b.u - a.u), a.v + along_first * (b.v - a.v), a.level)


def off_segment(p: Point, a: Point, b: Point) -> float:
    """How far a point is from a segment, in metres on the plan."""
    du, dv = b.u - a.u, b.v - a.v
    share = ((p.u - a.u) * du + (p.v - a.v) * dv) / (du * du + dv * dv)
    share = min(1.0, max(0.0, share))
    return math.hypot(p.u - a.u - share * du, p.v - a.v - share * dv)


def with_vertices(points: Sequence[Point]) -> Iterator[Point]:
    """The same line with a vertex every 30 m at least, so that it can bend with the ground."""
    yield points[0]
    for a, b in pairwise(points):
        pieces = math.ceil(math.dist(a[:2], b[:2]) / VERTEX_EVERY_METRES)
        for piece in range(1, pieces):
            share = piece / pieces
            level = a.level if a.level == b.level else max(a.level, b.level, key=abs)
            yield point(a.u + share * (b.u - a.u), a.v + share * (b.v - a.v), level)
        yield b


def tag_crossings(drawing: Drawing) -> None:
    """Mark where a footway meets an avenue."""
    avenues = {
        p for way in drawing.ways if way.tags.get("highway") in ("primary", "secondary") for p in way.points
    }
    footways = {p for way in drawing.ways if way.tags.get("footway") == "crossing" for p in way.points}
    for p in sorted(avenues & footways):
        drawing.point_tags.setdefault(p, {"highway": "crossing", "crossing": "traffic_signals"})


# ------------------------------------------------------------------------------------------------------------
# Devices
# ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """A usual place for a device in an estate."""

    place_en: str
    place_zh: str
    floor: int
    opening_hours: str | None
    entry: Literal["free", "assisted"]
    how_en: str
    how_zh: str
    cabinet: Literal["none", "unlocked", "alarmed", "locked"]


GUARD_POST = Setting(
    "Outside wall of the guard post, {gate_en}", "{gate_zh}门岗外墙", 0, "24/7", "free",
    "Red cabinet beside the guard's window. Opening it sounds an alarm.",
    "门岗窗口旁的红色外箱柜体，打开时会响铃。", "alarmed",
)  # fmt: skip
STREET_WALL = Setting(
    "Street side of the wall, {gate_en}", "{gate_zh}外侧临街围墙", 0, "24/7", "free",
    "Red cabinet on the wall beside the gate. Opening it sounds an alarm.",
    "大门旁临街围墙上的红色外箱柜体，打开时会响铃。", "alarmed",
)  # fmt: skip
LOBBY = Setting(
    "Lobby of Building {n}", "{n}幢大堂", 0, None, "assisted",
    "Press 0 on the door panel: the guard opens. On the left behind the letter boxes.",
    "按门禁面板“0”请保安开门，信箱左后方。", "unlocked",
)  # fmt: skip
CLUB_HOUSE = Setting(
    "Club house, 2nd floor, Building {n}", "{n}幢会所二楼", 1, "Mo-Su 07:00-22:00", "assisted",
    "Stairs on the right of the entrance; at the front desk of the gym.",
    "进门右侧楼梯上二楼，健身房前台。", "unlocked",
)  # fmt: skip
GARAGE = Setting(
    "Basement garage under Building {n}, by the lift", "{n}幢地下车库电梯口", -1, "24/7", "free",
    "Lift to -1, or on foot down the ramp; on the pillar opposite the lift.",
    "乘电梯至负一层或由坡道步行，电梯对面立柱上。", "alarmed",
)  # fmt: skip
OFFICE = Setting(
    "Management office, Building {n}", "{n}幢物业服务中心", 0, "Mo-Fr 08:30-17:30; PH off", "assisted",
    "Ask at the counter: the key of the cabinet hangs there.",
    "向前台索取外箱柜体钥匙。", "locked",
)  # fmt: skip
DECK = Setting(
    "Podium garden beside Tower {n}", "{n}号塔楼旁裙楼花园", 3, "24/7", "free",
    "On the podium roof (level 3): by the stairs on the west side or the ramp on the north side.",
    "位于裙楼屋顶（三层），走西侧台阶或北侧坡道。", "unlocked",
)  # fmt: skip

type Audience = Literal["estate", "neighbours", "dispatch", "public"]


@dataclass(frozen=True)
class EstateDevice:
    """`where` is the side of a gate for a guard post or a wall, else the number of a building."""

    estate: str
    setting: Setting
    where: Side | int
    audience: Audience


@dataclass(frozen=True)
class PublicPlace:
    """A device in one of the PREMISES."""

    premises: str
    place_en: str
    place_zh: str
    floor: int
    opening_hours: str | None
    entry: Literal["free", "assisted"]
    how_en: str
    how_zh: str
    cabinet: Literal["none", "unlocked", "alarmed", "locked"]
    audience: Audience


ESTATE_DEVICES = (
    EstateDevice("paper-crane", GUARD_POST, "south", "public"),
    EstateDevice("paper-crane", LOBBY, 5, "estate"),
    EstateDevice("paper-crane", CLUB_HOUSE, 11, "neighbours"),
    EstateDevice("kite", STREET_WALL, "west", "estate"),
    EstateDevice("kite", OFFICE, 9, "dispatch"),
    EstateDevice("kite", LOBBY, 3, "estate"),
    EstateDevice("cloud-ladder", GUARD_POST, "west", "public"),
    EstateDevice("cloud-ladder", DECK, 6, "neighbours"),
    EstateDevice("cloud-ladder", STREET_WALL, "west", "estate"),
    EstateDevice("teapot", GUARD_POST, "east", "public"),
    EstateDevice("teapot", OFFICE, 14, "neighbours"),
    EstateDevice("whale-song", GUARD_POST, "north", "public"),
    EstateDevice("whale-song", CLUB_HOUSE, 2, "dispatch"),
    EstateDevice("whale-song", GARAGE, 9, "estate"),
    EstateDevice("abacus", GUARD_POST, "west", "public"),
    EstateDevice("abacus", LOBBY, 3, "neighbours"),
    EstateDevice("cricket", LOBBY, 8, "neighbours"),
    EstateDevice("owl-ferry", GUARD_POST, "east", "public"),
    EstateDevice("owl-ferry", LOBBY, 18, "estate"),
    EstateDevice("sundial", GUARD_POST, "south", "public"),
    EstateDevice("sundial", CLUB_HOUSE, 22, "public"),
    EstateDevice("sundial", OFFICE, 12, "dispatch"),
    EstateDevice("lantern", GUARD_POST, "west", "public"),
    EstateDevice("lantern", GARAGE, 7, "estate"),
    EstateDevice("inkstone", LOBBY, 16, "estate"),
    EstateDevice("inkstone", CLUB_HOUSE, 27, "dispatch"),
    EstateDevice("pine", GUARD_POST, "north", "public"),
    EstateDevice("pine", LOBBY, 14, "neighbours"),
)

PUBLIC_PLACES = (
    PublicPlace("metro", "Concourse, by the ticket machines", "站厅售票机旁", -1, "05:45-23:30", "free",
                "Exit B, down the escalator; beside the service window.", "B口扶梯下行，客服窗口旁。",
                "alarmed", "public"),
    PublicPlace("school", "Porter's lodge", "门卫室", 0, "Mo-Fr 07:00-17:30; PH off; SH off", "assisted",
                "Ring at the school gate.", "按校门门铃。", "locked", "dispatch"),
    PublicPlace("bookhouse", "Reading room, ground floor", "一楼阅览室", 0, "Tu-Su 09:00-21:00", "free",
                "Beside the return desk.", "还书台旁。", "unlocked", "public"),
    PublicPlace("market", "Market office", "市场管理办公室", 0, "Mo-Su 05:30-18:30", "assisted",
                "At the fish stalls' end; ask the market warden.", "水产区尽头，请找市场管理员。",
                "unlocked", "public"),
    PublicPlace("teahouse", "Behind the counter", "柜台后方", 0, "Mo-Su 17:00-02:00", "assisted",
                "Ask the staff.", "请店员取用。", "none", "public"),
    PublicPlace("convenience", "By the door", "门口", 0, "24/7", "free",
                "Left of the door, inside.", "进门左侧。", "unlocked", "public"),
    PublicPlace("offices", "Reception, ground floor", "一楼前台", 0, "Mo-Fr 08:00-20:00; PH off", "assisted",
                "Reception lets you through.", "前台放行。", "unlocked", "public"),
    PublicPlace("bank", "Customer hall", "营业大厅", 0, "Mo-Su 09:00-17:00", "free",
                "Beside the queue tickets.", "取号机旁。", "unlocked", "public"),
    PublicPlace("community", "Community service centre, hall", "社区服务中心大厅", 0,
                "Mo-Fr 08:30-17:30; PH off", "free", "Right of the entrance.", "进门右侧。", "unlocked",
                "public"),
    PublicPlace("pharmacy", "Pharmacy, sales room", "药房店内", 0, "Mo-Su 08:00-21:30", "assisted",
                "Ask the pharmacist; at night ring the bell.", "请药师取用，夜间按铃。", "none", "public"),
    PublicPlace("sports", "Hall entrance, 1st floor gallery", "二层看台入口", 1, "Mo-Su 06:30-21:30", "free",
                "Up the stairs from the foyer.", "由门厅楼梯上行。", "alarmed", "public"),
    PublicPlace("waterworks", "Pump hall, control desk", "泵房值班台", 0, None, "assisted",
                "Ring at the south door; the drive on the north side is private.",
                "在南门按铃，北侧车道为专用道。", "locked", "dispatch"),
    PublicPlace("health", "Emergency entrance", "急诊入口", 0, "24/7", "free",
                "On the wall by the triage desk.", "分诊台旁墙上。", "unlocked", "public"),
    PublicPlace("buses", "Drivers' room", "司机休息室", 0, "Mo-Su 05:00-23:30", "assisted",
                "Ask the dispatcher of the depot.", "请找场站调度员。", "unlocked", "dispatch"),
)  # fmt: skip

MODELS = (
    ("Pebblebeat", "PB-200"),
    ("Quaver Rescue", "Q1 Home"),
    ("Tongbell", "TB-7"),
    ("Pebblebeat", "PB-350"),
)
DATUMS = {3: Datum.GCJ02, 9: Datum.GCJ02, 14: Datum.GCJ02, 21: Datum.GCJ02, 29: Datum.GCJ02, 36: Datum.GCJ02,
          31: Datum.BD09}  # fmt: skip
PADS_EXPIRED = {6: date(2026, 6, 15), 22: date(2026, 6, 30)}
OUT_OF_SERVICE = {
    35: "Fault light on at the check of 18 September; sent to the maker. 9月18日巡检故障灯亮，已返厂。"
}
NEVER_CHECKED = {8, 27, 41}


def device_rows(drawing: Drawing) -> Iterator[dict[str, object]]:
    """The rows of devices.csv. What is not in the tables above follows from the row's number."""
    for number, (place, at) in enumerate(device_places(drawing), start=1):
        datum = DATUMS.get(number, Datum.WGS84)
        lat, lon = from_wgs84(position_of(at), datum)
        maker, model = MODELS[number % len(MODELS)]
        checked = date(2026, 9, 1) + timedelta(days=number * 11 % 18)
        yield {
            "source": SOURCE, "source_id": f"aed-{number:02}", "lat": f"{lat:.6f}", "lon": f"{lon:.6f}",
            "datum": datum.value, **place, "maker": maker, "model": model,
            "serial": f"{model.split()[0].replace('-', '')}-{260_000 + number * 137}",
            "keeper_name": person_name(number + 60), "keeper_phone": f"+86 100 0000 {2000 + number}",
            "state": "out_of_service" if number in OUT_OF_SERVICE else "in_service",
            "out_of_service_reason": OUT_OF_SERVICE.get(number),
            "pads_expire_on": PADS_EXPIRED.get(number, date(2027, 2, 1) + timedelta(days=number * 97 % 1000)),
            "battery_expires_on": date(2027, 5, 1) + timedelta(days=number * 61 % 950),
            "last_checked_on": None if number in NEVER_CHECKED else checked,
        }  # fmt: skip


def device_places(drawing: Drawing) -> Iterator[tuple[dict[str, object], Point]]:
    """The columns that say where a device is and who may use it, with the place on the plan."""
    yield from (estate_device_place(drawing, device) for device in ESTATE_DEVICES)
    yield from (public_place(drawing, place) for place in PUBLIC_PLACES)


def estate_device_place(drawing: Drawing, device: EstateDevice) -> tuple[dict[str, object], Point]:
    estate = next(e for e in ESTATES if e.source_id == device.estate)
    setting = device.setting
    if isinstance(device.where, int):
        at = drawing.buildings[device.estate, device.where].inside
        words = {"n": device.where}
        place_en, place_zh = setting.place_en.format(**words), setting.place_zh.format(**words)
    else:
        place = street_wall if setting is STREET_WALL else guard_post
        at = place(drawing, device.estate, device.where)
        gate_en, gate_zh = gate_name(next(g for g in estate.gates if g.side == device.where))
        place_en, place_zh = (
            setting.place_en.format(gate_en=gate_en),
            setting.place_zh.format(gate_zh=gate_zh),
        )
    row: dict[str, object] = {
        "estate": device.estate, "region": None, "place_en": f"{estate.name_en}: {place_en}",
        "place_zh": f"{estate.name_zh}{place_zh}", "floor": setting.floor,
        "opening_hours": setting.opening_hours, "entry": setting.entry,
        "access_instructions_en": setting.how_en, "access_instructions_zh": setting.how_zh,
        "cabinet": setting.cabinet, "audience": device.audience,
    }  # fmt: skip
    return row, at


def public_place(drawing: Drawing, place: PublicPlace) -> tuple[dict[str, object], Point]:
    premises = next(p for p in PREMISES if p.key == place.premises)
    row: dict[str, object] = {
        "estate": None, "region": CITY, "place_en": f"{premises.name_en}: {place.place_en}",
        "place_zh": f"{premises.name_zh}{place.place_zh}", "floor": place.floor,
        "opening_hours": place.opening_hours, "entry": place.entry, "access_instructions_en": place.how_en,
        "access_instructions_zh": place.how_zh, "cabinet": place.cabinet, "audience": place.audience,
    }  # fmt: skip
    return row, drawing.buildings[place.premises, 1].inside


# ------------------------------------------------------------------------------------------------------------
# Responders
# ------------------------------------------------------------------------------------------------------------

SURNAMES = (
    ("鹿", "Lu"), ("墨", "Mo"), ("桑", "Sang"), ("竺", "Zhu"), ("芮", "Rui"), ("滕", "Teng"), ("骆", "Luo"),
    ("粟", "Su"), ("柏", "Bai"), ("甄", "Zhen"), ("茅", "Mao"), ("阚", "Kan"), ("牧", "Mu"),
)  # fmt: skip
GIVEN_NAMES = (
    ("听禾", "Tinghe"), ("闻笛", "Wendi"), ("望舟", "Wangzhou"), ("砚秋", "Yanqiu"), ("知更", "Zhigeng"),
    ("小满", "Xiaoman"), ("拾月", "Shiyue"), ("引之", "Yinzhi"), ("枕书", "Zhenshu"), ("半夏", "Banxia"),
    ("临溪", "Linxi"),
)  # fmt: skip
VISITORS = {17: "Odalys Brightwater", 33: "Tomke Vanterpool", 51: "Ishaan Quillfeather"}

LAPSED = {7: date(2026, 3, 31), 24: date(2026, 8, 20), 43: date(2025, 12, 31)}
PAUSED_UNTIL = {
    12: "2027-01-31T00:00:00+08:00",
    30: "2026-10-08T00:00:00+08:00",
    55: "2027-06-30T00:00:00+08:00",
}
AVAILABILITY = (
    "24/7",
    "Mo-Fr 18:00-23:00; Sa,Su 08:00-22:00",
    None,
    "Mo-Su 06:30-22:30",
    "Mo-Fr 08:30-17:30; PH off",
    "Mo-Su 20:00-06:00",
)
CERTIFICATES = ("cpr_aed", "first_aid", "cpr_aed", "first_aid", "cpr_aed", "professional")
HOME_HOURS = ("Mo-Fr 00:00-08:00,18:30-24:00; Sa,Su 00:00-24:00", None, "Mo-Su 19:00-07:30")
WORK_HOURS = ("Mo-Fr 09:00-17:30; PH off", "Mo-Sa 07:00-15:00", "Mo-Su 14:00-22:00")
RESPONDERS = 60


def person_name(number: int) -> str:
    """An invented name, Chinese with its reading; no two of the first 143 are the same."""
    (surname, surname_en), (given, given_en) = SURNAMES[number % 13], GIVEN_NAMES[number % 11]
    return f"{surname}{given} {surname_en} {given_en}"


def responder_rows(drawing: Drawing) -> Iterator[dict[str, object]]:
    """The rows of responders.csv: a home for everyone but four, and a workplace for every third."""
    for number in range(1, RESPONDERS + 1):
        estate = ESTATES[number * 5 % len(ESTATES)]
        in_estate = number % 15 != 0
        valid_until = LAPSED.get(number, date(2027, 1, 15) + timedelta(days=number * 83 % 1020))
        issued_on = valid_until.replace(year=valid_until.year - 3)
        person: dict[str, object] = {
            "source": SOURCE, "source_id": f"responder-{number:02}",
            "name": VISITORS.get(number, person_name(number)), "phone": f"+86 100 0000 {1000 + number}",
            "language": "en" if number in VISITORS else "zh", "region": CITY,
            "estate": estate.source_id if in_estate else None,
            "certificate_kind": CERTIFICATES[number % 6],
            "certificate_issuer": "Demo City Red Cross (invented) 示范市红十字会（虚构）",
            "certificate_number": f"DEMO-{4000 + number * 7}",
            "certificate_issued_on": issued_on,
            "certificate_valid_until": valid_until, "certificate_trust": "verified",
            "availability": AVAILABILITY[number % 6], "paused_until": PAUSED_UNTIL.get(number),
        }  # fmt: skip
        if in_estate:
            homes = [b for (of, _), b in drawing.buildings.items() if of == estate.source_id]
            home = homes[number * 7 % len(homes)]
            floor = number * 5 % home.levels + (3 if estate.podium else 0)
            yield person | responder_place("home", home, floor, HOME_HOURS[number % 3], number % 20 == 6)
        if number % 3 == 0:
            work = drawing.buildings[PREMISES[number // 3 % len(PREMISES)].key, 1]
            floor = number % work.levels
            yield person | responder_place("work", work, floor, WORK_HOURS[number // 3 % 3], False)


def responder_place(
    place: Literal["home", "work"],
    building: Building,
    floor: int,
    hours: str | None,
    from_a_chinese_map: bool,
) -> dict[str, object]:
    datum = Datum.GCJ02 if from_a_chinese_map else Datum.WGS84
    lat, lon = from_wgs84(position_of(building.inside), datum)
    return {
        "place": place, "lat": f"{lat:.6f}", "lon": f"{lon:.6f}", "datum": datum.value, "floor": floor,
        "place_hours": hours,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------
# Questions
# ------------------------------------------------------------------------------------------------------------


class Question(NamedTuple):
    name_en: str
    name_zh: str
    at: Point
    floor: int
    moment: str
    asked_by: str
    note: str


CANAL_SIDE = point(150, -20)
PODIUM_DOOR = point(522, 515, 1)
QUESTIONS = (
    Question("Collapsed jogger on the south bank of the canal, in the morning", "上午，慢桨河南岸慢跑者倒地",
             CANAL_SIDE, 0, "2026-09-22T10:00:00+08:00", "anonymous",
             "The north gate of Sundial Garden is open, and so is the club house behind it."),
    Question("The same place at two in the night", "凌晨两点，同一地点",
             CANAL_SIDE, 0, "2026-09-22T02:00:00+08:00", "anonymous",
             "The gate and the club house are shut. In a straight line the nearest device is then the one of "
             "Abacus Houses, across the water and 500 m from a bridge: Lantern Slope is nearer on foot."),
    Question("In the resident-only compound, asked by a visitor", "砚台别院内，访客求助",
             point(-172, -640), 0, "2026-09-22T15:00:00+08:00", "anonymous",
             "Both gates of Inkstone Compound are for residents: a stranger sees none of its devices and "
             "cannot count on getting out and in again."),
    Question("In the resident-only compound, asked by a resident", "砚台别院内，业主求助",
             point(-172, -640), 0, "2026-09-22T15:00:00+08:00", "estate:inkstone",
             "The same place and moment: a resident passes the gates and sees the device in the lobby."),
    Question("National Day morning outside the community centre", "国庆节上午，社区服务中心门外",
             point(-10, -394), 0, "2026-10-01T10:00:00+08:00", "anonymous",
             "A Thursday, but a public holiday: the community centre (Mo-Fr, PH off) is closed."),
    Question("The same place on the make-up Saturday", "国庆调休上班的星期六，同一地点",
             point(-10, -394), 0, "2026-10-10T10:00:00+08:00", "anonymous",
             "A Saturday that is worked in exchange for the holiday: the centre keeps its weekday hours."),
    Question("At the door of Tower 2 on the podium, three floors up", "云梯台裙楼三层，2号塔楼门口",
             PODIUM_DOOR, 3, "2026-09-22T10:30:00+08:00", "anonymous",
             "In a straight line the savings hall across the avenue is nearest; on foot it is more than "
             "twice as far as the guard post: the ways up to the podium are on its other sides."),
    Question("Late guest at the teahouse, half past one, seen by the dispatcher",
             "凌晨一点半，茶馆客人，调度员查询",
             point(540, 75), 0, "2026-09-23T01:30:00+08:00", "dispatcher",
             "The teahouse is open past midnight (17:00-02:00), the market beside it is not. The dispatcher "
             "sees every device and who may come."),
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------
# Writing
# ------------------------------------------------------------------------------------------------------------


def make(out: Path) -> None:
    """Write every file of the demo district into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    drawing = draw_district()
    write_streets(out / "streets.osm.pbf", drawing)
    write_json(out / "estates.geojson", estates_collection(drawing))
    write_csv(out / "devices.csv", DEVICE_COLUMNS, device_rows(drawing))
    write_csv(out / "responders.csv", RESPONDER_COLUMNS, responder_rows(drawing))
    write_json(out / "questions.json", question_list())
    (out / "map.svg").write_text(map_svg(drawing), encoding="utf-8", newline="\n")


def write_streets(path: Path, drawing: Drawing) -> None:
    """The ways as OSM. Uncompressed, so that the bytes do not depend on the zlib that wrote them."""
    ids = {
        p: number
        for number, p in enumerate(dict.fromkeys(p for w in drawing.ways for p in w.points), start=1)
    }
    header = osmium.io.Header()
    header.set("generator", "make_demo_district.py (invented data)")
    file = osmium.io.File(path, "pbf,pbf_compression=none,add_metadata=false")
    with osmium.SimpleWriter(file, header=header, overwrite=True) as writer:
        for p, number in ids.items():
            here = position_of(p)
            tags = drawing.point_tags.get(p, {})
            writer.add_node(osm_out.Node(id=number, location=(here.lon, here.lat), tags=tags))
        for number, way in enumerate(drawing.ways, start=1):
            writer.add_way(osm_out.Way(id=number, nodes=[ids[p] for p in way.points], tags=way.tags))


DEVICE_COLUMNS = (
    "source", "source_id", "lat", "lon", "datum", "estate", "region", "place_en", "place_zh", "floor",
    "opening_hours", "entry", "access_instructions_en", "access_instructions_zh", "cabinet", "maker", "model",
    "serial",
    "keeper_name", "keeper_phone", "audience", "state", "out_of_service_reason", "pads_expire_on",
    "battery_expires_on", "last_checked_on",
)  # fmt: skip
RESPONDER_COLUMNS = (
    "source", "source_id", "name", "phone", "language", "region", "estate", "certificate_kind",
    "certificate_issuer", "certificate_number", "certificate_issued_on", "certificate_valid_until",
    "certificate_trust",
    "availability", "paused_until", "place", "lat", "lon", "datum", "floor", "place_hours",
)  # fmt: skip


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


REGIONS: tuple[dict[str, str | None], ...] = (
    {"code": "CN", "name_en": "China", "name_zh": "中国", "parent": None},
    {"code": "CN-33", "name_en": "Zhejiang", "name_zh": "浙江省", "parent": "CN"},
    {"code": CITY, "name_en": "Demo City (invented)", "name_zh": "示范市（虚构）", "parent": "CN-33"},
)


def estates_collection(drawing: Drawing) -> dict[str, object]:
    features: list[dict[str, object]] = []
    country = {
        "country": "CN",
        "time_zone": "Asia/Shanghai",
        "emergency_number": "120",
        "holiday_calendar": "CN",
    }
    features += [feature({"kind": "region"} | region | country, None) for region in REGIONS]
    for number, estate in enumerate(ESTATES, start=1):
        wall = [lon_lat(p) for p in drawing.walls[estate.source_id].points]
        properties: dict[str, str | None] = {
            "kind": "estate", "source": SOURCE, "source_id": estate.source_id, "name_en": estate.name_en,
            "name_zh": estate.name_zh, "region": CITY, "neighbourhood": estate.neighbourhood,
            "time_zone": None, "guard_phone": f"+86 571 0555 {100 + number:04}",
        }  # fmt: skip
        features.append(feature(properties, {"type": "Polygon", "coordinates": [wall]}))
    for estate in ESTATES:
        for gate in estate.gates:
            name_en, name_zh = gate_name(gate)
            properties = {
                "kind": "gate", "source": SOURCE, "source_id": f"{estate.source_id}-{gate.side}",
                "estate": estate.source_id, "name_en": f"{estate.name_en}, {name_en}",
                "name_zh": f"{estate.name_zh}{name_zh}", "passage": gate.passage,
                "opening_hours": gate.opening_hours,
            }  # fmt: skip
            at = lon_lat(drawing.gates[estate.source_id, gate.side])
            features.append(feature(properties, {"type": "Point", "coordinates": at}))
    return {"type": "FeatureCollection", "features": features}


def feature(properties: Mapping[str, str | None], geometry: Mapping[str, object] | None) -> dict[str, object]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def lon_lat(p: Point) -> list[float]:
    here = position_of(p)
    return [here.lon, here.lat]


def question_list() -> list[dict[str, object]]:
    return [
        {
            "name_en": q.name_en, "name_zh": q.name_zh, "lat": round(position_of(q.at).lat, 6),
            "lon": round(position_of(q.at).lon, 6), "floor": q.floor, "at": q.moment, "as": q.asked_by,
            "note": q.note,
        }
        for q in QUESTIONS
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------
# The map
# ------------------------------------------------------------------------------------------------------------

MAP_WEST, MAP_EAST, MAP_SOUTH, MAP_NORTH = -860.0, 860.0, -960.0, 960.0
LEGEND_METRES = 120.0
FILLS = {"quill-north": "#f3e3d3", "canal-north": "#e6e8f2", "canal-south": "#f2ecd0"}
GATE_COLOURS = {"open": "#2e9e4f", "guarded": "#e08a00", "residents": "#c8323c"}
ROAD_STYLES: dict[str, tuple[str, float, str]] = {  # colour, width in metres, dashes
    "motorway": ("#d98a6a", 14, ""),
    "motorway_link": ("#d98a6a", 8, ""),
    "primary": ("#ffffff", 15, ""),
    "secondary": ("#ffffff", 13, ""),
    "residential": ("#ffffff", 9, ""),
    "pedestrian": ("#efe7f5", 7, ""),
    "service": ("#ffffff", 4.5, ""),
    "footway": ("#b98d6a", 1.6, "4 3"),
    "steps": ("#c0504d", 4, "1.5 1.5"),
}


def map_svg(drawing: Drawing) -> str:
    """A drawing of the district: one unit is one metre, north is up."""
    height = MAP_NORTH - MAP_SOUTH + LEGEND_METRES
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {MAP_EAST - MAP_WEST:g} {height:g}" '
        f'width="1032" font-family="Noto Sans CJK SC, Noto Sans, sans-serif">',
        "<title>The demo district (invented)</title>",
        '<rect width="100%" height="100%" fill="#ecebe4"/>',
        *map_areas(drawing),
        *map_roads(drawing),
        *map_labels(),
        *map_gates_and_devices(drawing),
        *map_legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def map_xy(p: Point) -> tuple[float, float]:
    east, north = metres_on_the_ground(p)
    return round(east - MAP_WEST, 1), round(MAP_NORTH - north, 1)


def map_path(points: Iterable[Point]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in map(map_xy, points))


def map_areas(drawing: Drawing) -> Iterator[str]:
    for way in drawing.ways:
        if "leisure" in way.tags and not way.is_building:
            yield f'<path d="{map_path(way.points)}Z" fill="#cfe3bd"/>'
        elif way.tags.get("natural") == "water":
            yield f'<path d="{map_path(way.points)}Z" fill="#9cc5e0"/>'
    for estate in ESTATES:
        wall = map_path(drawing.walls[estate.source_id].points)
        yield f'<path d="{wall}Z" fill="{FILLS[estate.neighbourhood]}" stroke="#5a5148" stroke-width="2.5"/>'


def map_roads(drawing: Drawing) -> Iterator[str]:
    """Casings first, then roads from the broad to the narrow, tunnels dashed; buildings between."""
    order = list(ROAD_STYLES)
    roads = [way for way in drawing.ways if way.is_road]
    roads.sort(key=lambda way: order.index(way.tags["highway"]))
    low = [way for way in roads if way.tags.get("layer") != "1"]
    high = [way for way in roads if way.tags.get("layer") == "1"]
    for way in low:
        colour, width, dashes = ROAD_STYLES[way.tags["highway"]]
        if not dashes:
            yield map_line(way, "#bdb7ab", width + 2.4, "")
    for way in low:
        colour, width, dashes = ROAD_STYLES[way.tags["highway"]]
        if way.tags.get("access") == "private":
            colour = "#e7b7b7"
        yield map_line(way, colour, width, "6 4" if "tunnel" in way.tags else dashes)
    for way in drawing.ways:
        if way.is_building:
            fill = "#c9bfb0" if way.tags["building"] == "apartments" else "#b5b0c4"
            if way.tags.get("name:en") == "Cloud Ladder Podium":
                fill = "#dccdb8"
            yield f'<path d="{map_path(way.points)}Z" fill="{fill}" stroke="#8d8375" stroke-width="0.8"/>'
    for way in high:
        colour, width, dashes = ROAD_STYLES[way.tags["highway"]]
        if "bridge" in way.tags and not dashes:
            yield map_line(way, "#5a5148", width + 4, "")
        yield map_line(way, colour, width, dashes)


def map_line(way: Way, colour: str, width: float, dashes: str) -> str:
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path d="{map_path(way.points)}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dash}/>'


def map_gates_and_devices(drawing: Drawing) -> Iterator[str]:
    for estate in ESTATES:
        for gate in estate.gates:
            x, y = map_xy(drawing.gates[estate.source_id, gate.side])
            yield map_gate(x, y, gate.passage, at_night=gate.opening_hours in (None, "24/7"))
    for _, at in device_places(drawing):
        yield map_device(*map_xy(at))


def map_gate(x: float, y: float, passage: str, *, at_night: bool) -> str:
    dot = "" if at_night else f'<circle cx="{x:g}" cy="{y:g}" r="3.4" fill="#1c1c3c"/>'
    colour = GATE_COLOURS[passage]
    return f'<circle cx="{x:g}" cy="{y:g}" r="8" fill="{colour}" stroke="#fff" stroke-width="1.5"/>{dot}'


def map_device(x: float, y: float) -> str:
    return (
        f'<path d="M{x - 6:g},{y - 6:g}h12v12h-12Z" fill="#7a1fa2" stroke="#fff" stroke-width="1.2"/>'
        f'<path d="M{x - 3.6:g},{y:g}h7.2M{x:g},{y - 3.6:g}v7.2" stroke="#fff" stroke-width="2"/>'
    )


def map_labels() -> Iterator[str]:
    for estate in ESTATES:
        x, y = map_xy(point((estate.west + estate.east) / 2, (estate.south + estate.north) / 2))
        narrow = estate.east - estate.west < 200
        yield map_text(x, y - 4, estate.name_zh, 19 if narrow else 24, bold=True)
        yield map_text(x, y + 15, estate.name_en, 12 if narrow else 16)
    for premises in PREMISES:
        x, y = map_xy(point((premises.west + premises.east) / 2, premises.south))
        yield map_text(x, y + 12, premises.name_zh, 11)
        yield map_text(x, y + 23, premises.name_en, 9.5)
    x, y = map_xy(point(-170, -205))
    yield map_text(x, y, "慢桨公园 Slow Oar Park", 14)
    x, y = map_xy(point(520, 0))
    yield map_text(x, y + 5, "慢桨河 Slow Oar Canal", 13, turn=-5)
    x, y = map_xy(point(-420, 816))
    yield map_text(x, y + 4, "纸灯快速路 Paper Lantern Expressway", 12, turn=-5)
    labelled: set[str] = set()
    for street in STREETS:
        if street.name_en in labelled or street.highway == "pedestrian":
            continue
        labelled.add(street.name_en)
        north = street.runs == "north"
        along = {"Thimble Lane": 290.0, "Needle Lane": -640.0}.get(
            street.name_en, -640.0 if north else -560.0
        )
        x, y = map_xy(on_street(street, along, 0))
        yield map_text(x, y + 4, f"{street.name_zh} {street.name_en}", 11, turn=-95 if north else -5)


def map_text(x: float, y: float, words: str, size: float, *, bold: bool = False, turn: int = 0) -> str:
    weight = ' font-weight="bold"' if bold else ""
    rotate = f' transform="rotate({turn} {x:g} {y:g})"' if turn else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="middle" fill="#2b2620" stroke="#fff" '
        f'stroke-width="{size / 5:g}" stroke-opacity="0.8" paint-order="stroke"{weight}{rotate}>'
        f"{escape(words)}</text>"
    )


def map_legend() -> Iterator[str]:
    top = MAP_NORTH - MAP_SOUTH
    yield f'<rect x="0" y="{top:g}" width="100%" height="{LEGEND_METRES:g}" fill="#fff"/>'
    entries = [
        ("open", True, "open 开放"),
        ("guarded", True, "guarded 有保安"),
        ("residents", True, "residents 业主"),
        ("open", False, "dark dot: closed at night 夜间关闭"),
    ]
    for (passage, at_night, words), x in zip(entries, (60, 250, 470, 700), strict=True):
        yield map_gate(x, top + 38, passage, at_night=at_night)
        yield f'<text x="{x + 16}" y="{top + 45:g}" font-size="19">{words}</text>'
    yield map_device(1130, top + 38)
    yield f'<text x="1148" y="{top + 45:g}" font-size="19">AED</text>'
    scale_bar = f"M1260,{top + 38:g}h200M1260,{top + 30:g}v16M1460,{top + 30:g}v16"
    yield f'<path d="{scale_bar}" stroke="#000" stroke-width="2"/>'
    yield f'<text x="1474" y="{top + 45:g}" font-size="19">200 m</text>'
    words = "Everything here is invented. 本图所有园区、道路与名称均为虚构。"
    yield f'<text x="52" y="{top + 92:g}" font-size="19">{words}</text>'


# ------------------------------------------------------------------------------------------------------------
# Checking what was written
# ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Streets:
    """The street file as read back: positions and tags by node id, ways, and what a person may walk."""

    nodes: dict[int, Position]
    node_tags: dict[int, Tags]
    ways: list[tuple[Tags, list[int]]]

    def walkable_edges(self) -> Iterator[tuple[int, int]]:
        for tags, ids in self.ways:
            if tags.get("highway", "motorway").startswith("motorway") or tags.get("access") in (
                "private",
                "no",
            ):
                continue
            yield from pairwise(ids)


def read_streets(path: Path) -> Streets:
    nodes: dict[int, Position] = {}
    node_tags: dict[int, Tags] = {}
    ways: list[tuple[Tags, list[int]]] = []
    for item in osmium.FileProcessor(path):
        if isinstance(item, osmium.osm.Node):
            nodes[item.id] = Position(lat=item.lat, lon=item.lon)
            node_tags[item.id] = {tag.k: tag.v for tag in item.tags}
        elif isinstance(item, osmium.osm.Way):
            ways.append(({tag.k: tag.v for tag in item.tags}, [node.ref for node in item.nodes]))
    return Streets(nodes, node_tags, ways)


def faults(directory: Path) -> list[str]:
    """What is wrong with a demo district on disk, in sentences; none when it is as promised."""
    streets = read_streets(directory / "streets.osm.pbf")
    features = json.loads((directory / "estates.geojson").read_text(encoding="utf-8"))["features"]
    boundaries = {
        f["properties"]["source_id"]: shapely.Polygon(
            [ground_metres(Position(lat=lat, lon=lon)) for lon, lat in f["geometry"]["coordinates"][0]]
        )
        for f in features
        if f["properties"]["kind"] == "estate"
    }
    gates = {
        f["properties"]["source_id"]: (
            f["properties"]["estate"],
            Position(lat=f["geometry"]["coordinates"][1], lon=f["geometry"]["coordinates"][0]),
        )
        for f in features
        if f["properties"]["kind"] == "gate"
    }
    return [
        *size_faults(directory, streets),
        *overlap_faults(boundaries),
        *gate_faults(streets, boundaries, gates),
        *device_faults(directory / "devices.csv", boundaries),
        *walking_faults(streets),
    ]


def size_faults(directory: Path, streets: Streets) -> Iterator[str]:
    if not 3_000 <= len(streets.nodes) <= 8_000:
        yield f"{len(streets.nodes)} nodes are not between 3,000 and 8,000"
    if (size := (directory / "streets.osm.pbf").stat().st_size) >= 300_000:
        yield f"the street file has {size} bytes"


def overlap_faults(boundaries: Mapping[str, shapely.Polygon]) -> Iterator[str]:
    names = list(boundaries)
    for i, one in enumerate(names):
        if not boundaries[one].is_valid:
            yield f"the boundary of {one} crosses itself"
        for other in names[i + 1 :]:
            if boundaries[one].intersection(boundaries[other]).area > 0.01:
                yield f"{one} and {other} overlap"


def gate_faults(
    streets: Streets, boundaries: Mapping[str, shapely.Polygon], gates: Mapping[str, tuple[str, Position]]
) -> Iterator[str]:
    """Each gate is a gate node that joins inside and outside, and nothing else passes a wall."""
    node_at = {
        position: number
        for number, position in streets.nodes.items()
        if "barrier" in streets.node_tags[number]
    }
    gate_of: dict[int, str] = {}
    for name, (estate, position) in gates.items():
        if position not in node_at:
            yield f"no gate node lies at {name}"
        else:
            gate_of[node_at[position]] = estate
    walked = sorted({number for edge in streets.walkable_edges() for number in edge})
    places = shapely.points([ground_metres(streets.nodes[number]) for number in walked])
    joins: dict[int, set[str]] = {number: set() for number in gate_of}
    for estate, boundary in boundaries.items():
        on_the_wall = shapely.dwithin(boundary.exterior, places, 0.05)
        within = shapely.contains(boundary, places)
        side = {
            number: "wall" if wall else "inside" if inside else "outside"
            for number, wall, inside in zip(walked, on_the_wall, within, strict=True)
        }
        for number, of in gate_of.items():
            if of == estate and side.get(number) != "wall":
                yield f"the gate node {number} is not on the boundary of {estate}"
        for a, b in streets.walkable_edges():
            for here, there in ((a, b), (b, a)):
                if side[here] == "wall" and gate_of.get(here) == estate:
                    joins[here].add(side[there])
                elif side[here] == "wall":
                    yield f"the walkable node {here} lies on the wall of {estate} and is no gate"
            if {side[a], side[b]} == {"inside", "outside"}:
                yield f"the walkable edge {a}-{b} goes through the wall of {estate}"
    for number, sides in joins.items():
        if sides != {"inside", "outside"}:
            yield f"the gate node {number} of {gate_of[number]} joins only {sorted(sides)}"


def device_faults(path: Path, boundaries: Mapping[str, shapely.Polygon]) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["estate"]:
                continue
            here = to_wgs84(float(row["lat"]), float(row["lon"]), Datum(row["datum"]))
            if boundaries[row["estate"]].distance(shapely.Point(ground_metres(here))) > 10:
                yield f"{row['source_id']} is more than 10 m outside {row['estate']}"


def walking_faults(streets: Streets) -> Iterator[str]:
    """With all gates open everyone can go everywhere; the water and the podium make it far."""
    graph, _ = walking_graph(streets)
    components, _ = connected_components(graph, directed=False)
    if components != 1:
        yield f"the walkable ways fall into {components} parts"
    if not 2.3 <= (ratio := podium_detour(streets)) <= 2.5:
        yield f"the way onto the podium is {ratio:.2f} times the straight line, not 2.4"
    if (ratio := canal_detour(streets)) < 15:
        yield f"the way round by the bridges is only {ratio:.1f} times the straight line"


def walking_graph(streets: Streets) -> tuple[csr_array, dict[int, int]]:
    """The walkable ways as a matrix of metres, and which row a node has."""
    edges = sorted({(min(edge), max(edge)) for edge in streets.walkable_edges()})
    rows = {number: row for row, number in enumerate(sorted({n for edge in edges for n in edge}))}
    metres = [math.dist(ground_metres(streets.nodes[a]), ground_metres(streets.nodes[b])) for a, b in edges]
    here, there = [rows[a] for a, _ in edges], [rows[b] for _, b in edges]
    return csr_array((metres, (here, there)), shape=(len(rows), len(rows))), rows


def podium_detour(streets: Streets) -> float:
    """Walk over straight line between the tower doors and the streets around: the median of all pairs."""
    doors = [turn for _, turn in TOWER_DOORS]
    around = [point(u, v) for u in range(350, 701, 50) for v in (400, 760)]
    around += [point(u, v) for u in (350, 700) for v in range(450, 751, 50)]
    return statistics.median(detours(streets, doors, around))


def canal_detour(streets: Streets) -> float:
    """Walk over straight line from one bank to the other, half way between the bridges."""
    return detours(streets, [CANAL_SIDE], [CANAL_SIDE._replace(v=-CANAL_SIDE.v)])[0]


def detours(streets: Streets, starts: Sequence[Point], ends: Sequence[Point]) -> list[float]:
    """How many times longer the walk is than the straight line, for each start and each end."""
    graph, rows = walking_graph(streets)
    from_nodes, to_nodes = ([nearest_node(streets, rows, p) for p in points] for points in (starts, ends))
    metres = dijkstra(graph, directed=False, indices=[rows[node] for node in from_nodes])
    return [
        float(metres[i, rows[b]])
        / math.dist(ground_metres(streets.nodes[a]), ground_metres(streets.nodes[b]))
        for i, a in enumerate(from_nodes)
        for b in to_nodes
    ]


def nearest_node(streets: Streets, among: Iterable[int], p: Point) -> int:
    here = metres_on_the_ground(p)
    return min(among, key=lambda number: math.dist(ground_metres(streets.nodes[number]), here))


# ------------------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the invented demo district.")
    parser.add_argument("--out", type=Path, default=HERE, help="where to write (default: beside this script)")
    out: Path = parser.parse_args().out
    make(out)
    wrong = faults(out)
    for sentence in wrong:
        sys.stderr.write(f"{sentence}\n")
    sys.stdout.write(f"The demo district is in {out}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
