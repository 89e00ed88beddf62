"""Makes `src/aed/country_outlines.json`: where the land of each country is, for the linter of lists.

    python geodata/make_country_outlines.py COUNTRIES.json src/aed/country_outlines.json

COUNTRIES.json is `countries-10m.json` of the npm package world-atlas 2 (TopoJSON made from Natural Earth
1:10m, public domain). The same input gives the same bytes.

1. Simplify each arc, once for the two countries that it parts: to 0.02 degrees (2.2 km at most), and to 0.05
   degrees in the far north and south, where the coasts are long and the lists short. A small island keeps
   four points.
2. Round to 1/500 degree.
3. Name each country by its ISO 3166-1 code; what Natural Earth draws apart without a code of its own goes by
   that of the country whose code is in use there. Reefs and bases that have none are land of no country.

An arc is the number of its points, then their differences, lon and lat in turn, from the point before. A
country is the number of its polygons, and of each the number of its rings, and of each the number of its arcs
and then the arcs, each as its difference from the one before in that country (a negative one is the arc of
its complement, backwards). Both are variable-length numbers (seven bits a byte, the lowest first, the sign in
the lowest bit), compressed with zlib and written in base 85. An outline says where a point most likely lies,
and nothing about whose land it is.
"""

from __future__ import annotations

import base64
import json
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import numpy as np
import shapely
from numpy.typing import NDArray

UNITS_PER_DEGREE = 500
TOLERANCE_DEGREES = 0.02
FAR_TOLERANCE_DEGREES, FAR_NORTH, FAR_SOUTH = 0.05, 69.5, -50.0
ANTARCTIC_TOLERANCE_DEGREES, ANTARCTIC = 1.0, -60.0
POINTS_OF_AN_ISLAND = 4

CODES = """
AD020 AE784 AF004 AG028 AI660 AL008 AM051 AO024 AQ010 AR032 AS016 AT040 AU036 AW533 AX248 AZ031 BA070 BB052
BD050 BE056 BF854 BG100 BH048 BI108 BJ204 BL652 BM060 BN096 BO068 BR076 BS044 BT064 BW072 BY112 BZ084 CA124
CD180 CF140 CG178 CH756 CI384 CK184 CL152 CM120 CN156 CO170 CR188 CU192 CV132 CW531 CY196 CZ203 DE276 DJ262
DK208 DM212 DO214 DZ012 EC218 EE233 EG818 EH732 ER232 ES724 ET231 FI246 FJ242 FK238 FM583 FO234 FR250 GA266
GB826 GD308 GE268 GG831 GH288 GI292 GL304 GM270 GN324 GQ226 GR300 GS239 GT320 GU316 GW624 GY328 HK344 HM334
HN340 HR191 HT332 HU348 ID360 IE372 IL376 IM833 IN356 IO086 IQ368 IR364 IS352 IT380 JE832 JM388 JO400 JP392
KE404 KG417 KH116 KI296 KM174 KN659 KP408 KR410 KW414 KY136 KZ398 LA418 LB422 LC662 LI438 LK144 LR430 LS426
LT440 LU442 LV428 LY434 MA504 MC492 MD498 ME499 MF663 MG450 MH584 MK807 ML466 MM104 MN496 MO446 MP580 MR478
MS500 MT470 MU480 MV462 MW454 MX484 MY458 MZ508 NA516 NC540 NE562 NF574 NG566 NI558 NL528 NO578 NP524 NR520
NU570 NZ554 OM512 PA591 PE604 PF258 PG598 PH608 PK586 PL616 PM666 PN612 PR630 PS275 PT620 PW585 PY600 QA634
RO642 RS688 RU643 RW646 SA682 SB090 SC690 SD729 SE752 SG702 SH654 SI705 SK703 SL694 SM674 SN686 SO706 SR740
SS728 ST678 SV222 SX534 SY760 SZ748 TC796 TD148 TF260 TG768 TH764 TJ762 TL626 TM795 TN788 TO776 TR792 TT780
TV798 TW158 TZ834 UA804 UG800 UM581 US840 UY858 UZ860 VA336 VC670 VE862 VG092 VI850 VN704 VU548 WF876 WS882
YE887 ZA710 ZM894 ZW716
"""
WITHOUT_A_NUMBER = {
    "Kosovo": "XK",
    "N. Cyprus": "CY",
    "Dhekelia": "CY",
    "Akrotiri": "CY",
    "Cyprus U.N. Buffer Zone": "CY",
    "Somaliland": "SO",
    "Baikonur": "KZ",
    "Indian Ocean Ter.": "AU",
    "Coral Sea Is.": "AU",
    "Clipperton I.": "FR",
}


class Topology(TypedDict):
    """The part of a TopoJSON file that is read here."""

    arcs: list[list[list[int]]]
    transform: dict[str, list[float]]
    objects: dict[str, dict[str, list[Country]]]


class Country(TypedDict):
    """A Polygon's rings of arc numbers, or a MultiPolygon's polygons of them."""

    type: str
    id: NotRequired[str]
    properties: dict[str, str]
    arcs: list[list[int]] | list[list[list[int]]]


def simplified(arc: NDArray[np.float64]) -> NDArray[np.int64]:
    """The arc with fewer points, in units."""
    lat = arc[:, 1]
    is_far = lat.min() > FAR_NORTH or lat.max() < FAR_SOUTH
    tolerance = FAR_TOLERANCE_DEGREES if is_far else TOLERANCE_DEGREES
    if lat.max() < ANTARCTIC:
        tolerance = ANTARCTIC_TOLERANCE_DEGREES
    kept = arc
    if len(arc) > 2:
        kept = shapely.get_coordinates(shapely.simplify(shapely.LineString(arc), tolerance))
    if np.array_equal(arc[0], arc[-1]) and len(kept) < POINTS_OF_AN_ISLAND:
        places = np.linspace(0, len(arc) - 1, min(len(arc), POINTS_OF_AN_ISLAND)).astype(int)
        kept = arc[places]
    units = np.rint(kept * UNITS_PER_DEGREE).astype(np.int64)
    moves = np.any(np.diff(units, axis=0) != 0, axis=1)
    moves[-1:] = True  # both ends stay, so that arcs meet
    result: NDArray[np.int64] = units[np.insert(moves, 0, True)]
    return result


def packed(numbers: Iterable[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        left = number << 1 if number >= 0 else (-number << 1) - 1
        while left >= 0x80:
            out.append(left & 0x7F | 0x80)
            left >>= 7
        out.append(left)
    return bytes(out)


def polygons_of(country: Country) -> list[list[list[int]]]:
    # TopoJSON: a polygon has rings of arcs, a multipolygon has polygons; which it is stands in `type` alone.
    if country["type"] == "Polygon":
        return [cast("list[list[int]]", country["arcs"])]
    return cast("list[list[list[int]]]", country["arcs"])


def flat(polygons: list[list[list[int]]]) -> list[int]:
    """How many polygons, how many rings each, how many arcs each, and the arcs: each as its difference from
    the one before."""
    numbers = [len(polygons)]
    before = 0
    for polygon in polygons:
        numbers.append(len(polygon))
        for ring in polygon:
            numbers.append(len(ring))
            for arc in ring:
                numbers.append(arc - before)
                before = arc
    return numbers


def written(numbers: Iterable[int]) -> str:
    return base64.b85encode(zlib.compress(packed(numbers), 9)).decode("ascii")


def main(atlas: Path, out: Path) -> None:
    topology: Topology = json.loads(atlas.read_text(encoding="utf-8"))
    scale, origin = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    numbers: list[int] = []
    for each in topology["arcs"]:
        arc = simplified(np.cumsum(np.array(each), axis=0) * scale + origin)
        differences = np.diff(arc, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
        numbers += [len(arc), *differences.ravel().tolist()]
    codes = {each[2:]: each[:2] for each in CODES.split()}
    countries = []
    polygons: list[int] = []
    for country in topology["objects"]["countries"]["geometries"]:
        name = country["properties"]["name"]
        code = codes[country["id"]] if country.get("id") else WITHOUT_A_NUMBER.get(name, "")
        countries.append({"code": code, "name": name})
        polygons += flat(polygons_of(country))
    content = {
        "about": (
            "Outlines of the land of countries, good to about 5 km; small islands are missing. From Natural "
            "Earth 1:10m (public domain, naturalearthdata.com) by way of world-atlas 2. Made by "
            "geodata/make_country_outlines.py. They say nothing about whose land it is."
        ),
        "units_per_degree": UNITS_PER_DEGREE,
        "arcs": written(numbers),
        "polygons": written(polygons),
        "countries": countries,
    }
    out.write_text(
        json.dumps(content, separators=(",", ":"), ensure_ascii=False, sort_keys=True) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
