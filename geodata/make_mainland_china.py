"""Makes `src/aed/mainland_china.json`: where GCJ-02 shifts coordinates, as a land polygon of mainland China.

    python geodata/make_mainland_china.py COUNTRIES.json src/aed/mainland_china.json

COUNTRIES.json is `countries-10m.json` of the npm package world-atlas 2 (TopoJSON made from Natural Earth
1:10m, public domain). The same input gives the same bytes.

1. Take Natural Earth's China, and grow it by 0.35 degrees (30 to 39 km): reclaimed land, and hundreds of
   islands that the 1:10m map leaves out.
2. Add the few that lie farther out.
3. Take away the land of every neighbour, and 0.25 degrees of its sea except the 0.03 degrees along China's
   shore: so the growth shows at China's sea only.
4. Put right the border towns that the 1:10m line, good to 1-4 km, has on the wrong side.
5. Fill in the shores that have grown since, around Shenzhen, Zhuhai and Xiamen; then cut out Hong Kong, Macau
   and the islands held by Taiwan, along lines drawn by hand.
6. Classify cells of 0.1 degree as outside, inside or border, so that most questions are one look-up.

Rings are flat lists of lon, lat, lon, lat and so on, in units of 1e-5 degrees, each point as its difference
from the one before.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from pathlib import Path
from typing import TypedDict, cast

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Point, Polygon, box

SEAWARD_DEGREES = 0.35
NEIGHBOURS_SEAWARD_DEGREES = 0.25
SHORE_DEGREES = 0.03
COAST_TOLERANCE_DEGREES = 0.01
BORDER_TOLERANCE_DEGREES = 0.0008
UNITS_PER_DEGREE = 100_000

GRID_WEST, GRID_SOUTH, GRID_COLUMNS, GRID_ROWS, CELLS_PER_DEGREE = 73, 15, 630, 390, 10
CELL_MARGIN_DEGREES = 1e-6
OUTSIDE, INSIDE, BORDER = 0, 1, 2

NEIGHBOURS = (
    "Afghanistan", "Bhutan", "India", "Kazakhstan", "Kyrgyzstan", "Laos", "Mongolia", "Myanmar", "Nepal",
    "North Korea", "Pakistan", "Russia", "Siachen Glacier", "Tajikistan", "Vietnam",
)  # fmt: skip

LatLon = tuple[float, float]
"""Latitude and longitude in WGS-84 degrees, the way a person reads them off a map."""

HONG_KONG: tuple[LatLon, ...] = (
    # The limits of the Hong Kong SAR: the numbered points of the State Council's Decree 221 of 1 July 1997
    # (they are WGS-84), and between them the Shenzhen and Sha Tau Kok rivers as its Lands Department draws
    # them. (Its port area at Shenzhen Bay, 0.4 km2 on the mainland's shore, is left to the mainland.)
    (22.54367, 114.22635),  # point 1, the foot of Sha Tau Kok pier
    (22.54595, 114.22567),  # point 2, Chung Ying Street begins
    (22.54785, 114.22692),  # point 3, Chung Ying Street ends
    (22.55098, 114.22437),
    (22.55191, 114.22125),
    (22.55605, 114.21795),
    (22.55499, 114.21301),
    (22.55653, 114.20674),  # point 5, the saddle of Pak Kung Au
    (22.55616, 114.20242),
    (22.55726, 114.19647),
    (22.55580, 114.18733),
    (22.55470, 114.18660),
    (22.55570, 114.17784),
    (22.55890, 114.17742),
    (22.56017, 114.17621),
    (22.55977, 114.17054),
    (22.56213, 114.16714),
    (22.55930, 114.16341),
    (22.56199, 114.16164),
    (22.56053, 114.15929),
    (22.55445, 114.15594),
    (22.55505, 114.15248),  # Liantang
    (22.55162, 114.15164),
    (22.54858, 114.14949),
    (22.54794, 114.15162),
    (22.54398, 114.14847),
    (22.54095, 114.14498),
    (22.54353, 114.13810),
    (22.54151, 114.13380),
    (22.54167, 114.13013),
    (22.53962, 114.12760),  # Man Kam To
    (22.53827, 114.12278),
    (22.53534, 114.12042),
    (22.53379, 114.11645),
    (22.53115, 114.11546),
    (22.52962, 114.11224),  # Lo Wu
    (22.53056, 114.10964),
    (22.53349, 114.10785),
    (22.53509, 114.10426),
    (22.53418, 114.09801),
    (22.53674, 114.09307),
    (22.53669, 114.08970),
    (22.53292, 114.08588),
    (22.53068, 114.07978),
    (22.52843, 114.07751),
    (22.52077, 114.07479),  # Lok Ma Chau, Huanggang
    (22.51861, 114.07293),
    (22.51703, 114.06673),  # Futian port
    (22.51358, 114.06062),
    (22.51082, 114.05837),
    (22.50567, 114.05764),
    (22.50208, 114.05339),
    (22.50207, 114.04851),
    (22.50508, 114.04078),
    (22.50634, 114.03180),
    (22.50662, 114.02454),
    (22.50196, 114.01665),
    (22.50070, 114.01245),
    (22.50796, 114.00170),
    (22.51006, 113.99506),  # point 6, beacon B in Shenzhen Bay
    (22.47236, 113.94781),  # point 7, beacon A
    (22.42881, 113.86911),  # point 8
    (22.33333, 113.86911),
    (22.32468, 113.86599),
    (22.27312, 113.84739),
    (22.26772, 113.83899),
    (22.21706, 113.81710),
    (22.18386, 113.83238),
    (22.14253, 113.89655),
    (22.13673, 113.92238),
    (22.14848, 113.93955),
    (22.14848, 114.50246),  # the south-eastern corner
    (22.36513, 114.50246),
    (22.46871, 114.45492),
    (22.54497, 114.45517),
    (22.56200, 114.43400),
    (22.56833, 114.33300),
    (22.56549, 114.27605),
    (22.55572, 114.24868),
    (22.55072, 114.23708),
    (22.54366, 114.23366),
)

SHENZHEN: tuple[LatLon, ...] = (
    # From Bao'an round Shekou and along the river to Dapeng; its southern side runs through Hong Kong's
    # limits, which are cut out of it.
    (22.66, 113.78),
    (22.55, 113.82),
    (22.46, 113.84),
    (22.435, 113.875),
    (22.47, 113.945),
    (22.48, 114.00),
    (22.48, 114.06),
    (22.52, 114.13),
    (22.53, 114.25),
    (22.55, 114.33),
    (22.52, 114.45),
    (22.44, 114.47),
    (22.44, 114.58),
    (22.56, 114.60),
    (22.70, 114.50),
    (22.70, 113.90),
)

MACAU: tuple[LatLon, ...] = (
    # Decree 665 of 20 December 2015 names the land line (the border gate and the Canal dos Patos) and 85 km2
    # of sea to the east and south; the west is the middle of the inner harbour and of the strait of Hengqin.
    (22.21180, 113.53350),  # west of Ilha Verde, in the inner harbour
    (22.21250, 113.54000),  # Canal dos Patos
    (22.21480, 113.54280),
    (22.21600, 113.54720),
    (22.21720, 113.54900),  # north of the border gate building
    (22.21700, 113.55080),
    (22.21560, 113.55250),
    (22.21600, 113.55900),  # north of reclaimed zone A
    (22.21620, 113.58200),  # with the Macau port of the Hong Kong-Zhuhai-Macau Bridge
    (22.19500, 113.60500),
    (22.07700, 113.63000),
    (22.07700, 113.54800),
    (22.10500, 113.54700),
    (22.12000, 113.54780),
    (22.12250, 113.54780),  # the University of Macau on Hengqin, under Macau's law since 2013
    (22.12250, 113.54050),
    (22.13680, 113.54000),
    (22.13680, 113.54900),
    (22.14500, 113.54970),
    (22.15000, 113.54600),
    (22.15500, 113.54150),
    (22.16000, 113.53900),
    (22.16500, 113.53650),
    (22.17500, 113.53200),
    (22.18700, 113.52850),  # off Barra
    (22.19500, 113.53100),
    (22.20500, 113.53400),
)

ZHUHAI: tuple[LatLon, ...] = (
    # Wanzai, Hengqin and Gongbei out to Macau's line.
    (22.09, 113.49),
    (22.09, 113.56),
    (22.20, 113.56),
    (22.2080, 113.565),
    (22.23, 113.61),
    (22.28, 113.61),
    (22.28, 113.49),
)

XIAMEN: tuple[LatLon, ...] = (
    # Xiamen, Dadeng with its airport, and Xiaodeng; Kinmen is cut out of it.
    (24.630, 118.030),
    (24.400, 118.030),
    (24.395, 118.100),
    (24.430, 118.210),
    (24.490, 118.280),
    (24.500, 118.340),
    (24.540, 118.420),
    (24.630, 118.450),
)

KINMEN: tuple[LatLon, ...] = (
    # Kinmen, Lieyu, Dadan, Erdan and Beiding, about half-way to Xiamen, Dadeng and Jiaoyu.
    (24.355, 118.130),
    (24.390, 118.135),
    (24.412, 118.180),
    (24.445, 118.200),
    (24.475, 118.215),
    (24.500, 118.270),
    (24.508, 118.330),
    (24.536, 118.385),
    (24.541, 118.420),
    (24.510, 118.520),
    (24.440, 118.560),
    (24.350, 118.480),
)

MATSU: tuple[LatLon, ...] = (
    # Nangan, Beigan, Gaodeng, Liang, Juguang and Dongyin, half-way to the mainland.
    (25.900, 119.880),
    (26.120, 119.870),
    (26.250, 119.920),
    (26.315, 119.945),
    (26.400, 120.120),
    (26.430, 120.400),
    (26.430, 120.560),
    (26.300, 120.580),
    (25.900, 120.080),
)

TAIWAN_HELD_ISLETS: tuple[tuple[float, float, float], ...] = (
    # latitude, longitude, radius in degrees
    (24.995, 119.455, 0.06),  # Wuqiu
    (24.163, 118.232, 0.04),  # Dongding
)

ISLANDS_LEFT_OUT: tuple[tuple[float, float, float], ...] = (
    # latitude, longitude, radius in degrees: what is close to Kinmen, or farther out than step 1 reaches
    (24.365, 118.115, 0.012),  # Qingyu
    (24.335, 118.143, 0.014),  # Wuyu
    (24.553, 118.400, 0.010),  # Jiaoyu
    (21.860, 114.010, 0.060),  # Jiapeng and its neighbours, south of Hong Kong
    (28.885, 122.260, 0.080),  # Yushan
    (28.450, 121.900, 0.080),  # Dachen
    (26.995, 120.705, 0.060),  # Taishan
    (30.610, 122.080, 0.080),  # Yangshan
    (30.436, 122.934, 0.060),  # Langgang
    (30.195, 122.690, 0.100),  # Zhongjieshan
    (30.740, 122.820, 0.100),  # Gouqi, Shengshan
    (30.730, 123.150, 0.050),  # Haijiao
    (26.670, 120.350, 0.080),  # Sishuang
)

TOWNS_INSIDE: dict[str, tuple[LatLon, ...]] = {
    "Jiegao": ((24.020, 97.845), (24.020, 97.905), (23.994, 97.893), (23.975, 97.890), (23.972, 97.876)),
    "Wanding": ((24.083, 98.045), (24.082, 98.085), (24.110, 98.095), (24.110, 98.045)),
    "Alashankou": ((45.205, 82.540), (45.205, 82.620), (45.100, 82.620), (45.110, 82.530)),
    "Daluo": ((21.680, 100.035), (21.680, 100.055), (21.710, 100.055), (21.710, 100.030)),
    "Youyiguan": ((21.9765, 106.705), (21.9765, 106.725), (22.010, 106.740), (22.010, 106.700)),
    "Tianbao": ((22.938, 104.836), (22.940, 104.848), (22.985, 104.850), (22.985, 104.820)),
    "Changbai": ((41.4135, 128.165), (41.4145, 128.215), (41.440, 128.215), (41.440, 128.165)),
    "Sanhe": ((42.462, 129.715), (42.466, 129.742), (42.500, 129.760), (42.500, 129.715)),
    "Fangchuan": (
        *((42.600, 130.515), (42.550, 130.528), (42.520, 130.551), (42.490, 130.562), (42.460, 130.562)),
        *((42.440, 130.585), (42.422, 130.605), (42.430, 130.625), (42.460, 130.592), (42.490, 130.580)),
        *((42.520, 130.563), (42.550, 130.565), (42.580, 130.600), (42.600, 130.600)),
    ),
    "Heihe": (
        *((50.264, 127.465), (50.257, 127.485), (50.252, 127.500), (50.250, 127.530), (50.246, 127.550)),
        *((50.243, 127.570), (50.238, 127.590), (50.200, 127.590), (50.200, 127.465)),
    ),
    "Beiji": ((53.484, 122.330), (53.486, 122.385), (53.440, 122.400), (53.440, 122.300)),
}

TOWNS_OUTSIDE: dict[str, tuple[LatLon, ...]] = {
    "Mong Cai": (
        (21.534, 107.940),
        (21.5345, 107.968),
        (21.528, 107.985),
        (21.490, 107.985),
        (21.490, 107.940),
    ),
    "Boten": ((21.183, 101.660), (21.183, 101.690), (21.160, 101.690), (21.160, 101.660)),
    "Hyesan": ((41.4090, 128.165), (41.4100, 128.200), (41.380, 128.210), (41.380, 128.165)),
}


class Topology(TypedDict):
    """The part of a TopoJSON file that is read here."""

    arcs: list[list[list[int]]]
    transform: dict[str, list[float]]
    objects: dict[str, dict[str, list[Country]]]


class Country(TypedDict):
    """A country of the atlas: a Polygon's rings of arc numbers, or a MultiPolygon's polygons of them."""

    type: str
    properties: dict[str, str]
    arcs: list[list[int]] | list[list[list[int]]]


def polygons_of(country: Country) -> list[list[list[int]]]:
    """A country's polygons, each its rings, each its arc numbers."""
    if country["type"] == "Polygon":
        return [cast("list[list[int]]", country["arcs"])]
    return cast("list[list[list[int]]]", country["arcs"])


def polygons_in(geometry: shapely.Geometry) -> list[Polygon]:
    """The polygons of a geometry, whatever else is in it."""
    return [part for part in shapely.get_parts(geometry).tolist() if isinstance(part, Polygon)]


def countries(topology: Topology) -> dict[str, shapely.Geometry]:
    """Each country's land by its name, in degrees."""
    scale = np.array(topology["transform"]["scale"])
    origin = np.array(topology["transform"]["translate"])
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + origin for arc in topology["arcs"]]

    def ring(numbers: list[int]) -> NDArray[np.float64]:
        # A negative number means the arc of its complement, backwards. Arcs share their ends.
        parts = [arcs[number] if number >= 0 else arcs[~number][::-1] for number in numbers]
        return np.vstack([parts[0], *(part[1:] for part in parts[1:])])

    land: dict[str, shapely.Geometry] = {}
    for country in topology["objects"]["countries"]["geometries"]:
        polygons = polygons_of(country)
        rings = [[ring(numbers) for numbers in polygon] for polygon in polygons]
        whole = MultiPolygon([Polygon(r[0], r[1:]) for r in rings if len(r[0]) > 3])
        land[country["properties"]["name"]] = shapely.make_valid(whole)
    return land


def drawn(points: tuple[LatLon, ...]) -> Polygon:
    """The polygon of hand-drawn latitudes and longitudes."""
    return Polygon([(lon, lat) for lat, lon in points])


def discs(islands: tuple[tuple[float, float, float], ...]) -> shapely.Geometry:
    """Discs (nearly: degrees of longitude are shorter) around islands."""
    return shapely.union_all([Point(lon, lat).buffer(radius, quad_segs=3) for lat, lon, radius in islands])


def mainland(land: dict[str, shapely.Geometry]) -> MultiPolygon:
    """Where GCJ-02 is in force, by the steps in this file's first lines."""
    china = shapely.simplify(land["China"], BORDER_TOLERANCE_DEGREES)
    seaward = shapely.simplify(shapely.buffer(china, SEAWARD_DEGREES, quad_segs=2), COAST_TOLERANCE_DEGREES)
    neighbours = shapely.union_all([land[name] for name in NEIGHBOURS])
    beside = shapely.intersection(neighbours, shapely.buffer(seaward, 0.3))
    their_sea = shapely.difference(
        shapely.buffer(beside, NEIGHBOURS_SEAWARD_DEGREES, quad_segs=2),
        shapely.buffer(china, SHORE_DEGREES, quad_segs=2),
    )
    near = shapely.union(
        shapely.simplify(beside, BORDER_TOLERANCE_DEGREES),
        shapely.simplify(their_sea, COAST_TOLERANCE_DEGREES / 2),
    )

    whole = shapely.union_all([seaward, china, discs(ISLANDS_LEFT_OUT)]).difference(near)
    whole = whole.union(shapely.union_all([drawn(town) for town in TOWNS_INSIDE.values()]))
    whole = whole.difference(shapely.union_all([drawn(town) for town in TOWNS_OUTSIDE.values()]))
    whole = whole.union(shapely.union_all([drawn(SHENZHEN), drawn(ZHUHAI), drawn(XIAMEN)]))
    # A hole is a bay, or a sliver where simplified lines differ.
    filled = shapely.union_all([Polygon(polygon.exterior) for polygon in polygons_in(whole)])

    held = shapely.union_all(
        [drawn(HONG_KONG), drawn(MACAU), drawn(KINMEN), drawn(MATSU), discs(TAIWAN_HELD_ISLETS)]
    )
    between_xiamen_and_kinmen = discs(tuple(island for island in ISLANDS_LEFT_OUT if 24.3 < island[0] < 24.6))
    cut = shapely.union(shapely.difference(filled, held), between_xiamen_and_kinmen)
    rounded = shapely.set_precision(cut, 1 / UNITS_PER_DEGREE)
    lasting = [polygon for polygon in polygons_in(rounded) if polygon.area > 5e-5]
    lasting.sort(key=lambda polygon: -polygon.area)
    return MultiPolygon(lasting)


def grid(area: MultiPolygon) -> bytes:
    """One byte a cell, row by row from the south: OUTSIDE, INSIDE, or BORDER where the outline comes by."""
    shapely.prepare(area)
    outline = area.boundary
    shapely.prepare(outline)
    columns, rows = np.meshgrid(np.arange(GRID_COLUMNS), np.arange(GRID_ROWS))
    west, south = GRID_WEST + columns / CELLS_PER_DEGREE, GRID_SOUTH + rows / CELLS_PER_DEGREE
    size, margin = 1 / CELLS_PER_DEGREE, CELL_MARGIN_DEGREES
    cells = box(west - margin, south - margin, west + size + margin, south + size + margin)
    inside = shapely.contains_xy(area, west + size / 2, south + size / 2)
    kinds = np.where(shapely.intersects(outline, cells), BORDER, np.where(inside, INSIDE, OUTSIDE))
    return kinds.astype(np.uint8).tobytes()


def flat(ring: shapely.LinearRing) -> list[int]:
    """A ring without its last point, in units, each number as its difference from the one two before."""
    units = np.rint(shapely.get_coordinates(ring)[:-1] * UNITS_PER_DEGREE).astype(int)
    return np.diff(units, axis=0, prepend=np.zeros((1, 2), dtype=int)).ravel().tolist()


def main(atlas: Path, out: Path) -> None:
    area = mainland(countries(json.loads(atlas.read_text(encoding="utf-8"))))
    content = {
        "about": (
            "Where GCJ-02 shifts coordinates: mainland China with about 35 km of sea, without Hong Kong, "
            "Macau and what Taiwan holds. From Natural Earth 1:10m (public domain, naturalearthdata.com) by "
            "way of world-atlas 2; limits of Hong Kong after Decree 221 (1997), of Macau after Decree 665 "
            "(2015), Kinmen and border towns drawn by hand. Made by geodata/make_mainland_china.py. It says "
            "where a datum is in use, and nothing about whose land it is."
        ),
        "units_per_degree": UNITS_PER_DEGREE,
        "polygons": [[flat(ring) for ring in (p.exterior, *p.interiors)] for p in area.geoms],
        "grid": {
            "west": GRID_WEST,
            "south": GRID_SOUTH,
            "columns": GRID_COLUMNS,
            "rows": GRID_ROWS,
            "cells_per_degree": CELLS_PER_DEGREE,
            "kinds": base64.b64encode(zlib.compress(grid(area), 9)).decode("ascii"),
        },
    }
    out.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
