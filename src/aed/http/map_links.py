"""Links that open a place, or the way to it, in map apps."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from aed.geo import Datum, Position, from_wgs84, in_mainland_china


def map_links(position: Position, *, label: str) -> dict[str, str]:
    """Return links that open maps at `position`: `amap`, `baidu`, `tencent`, `apple`, `google` and `osm`.

    - Links to AMap, Baidu and Tencent name the datum: their own in mainland China, elsewhere WGS-84, which
      they convert to the datum that they use there (Hong Kong and Macau are shifted too).
    - Apple and Google draw the streets of mainland China in GCJ-02 and do not accept a datum in a link, so
      that coordinates are GCJ-02 there and WGS-84 elsewhere. Google's satellite images are WGS-84 in the
      mainland too: the pin is correct on the street map, which the link opens, but about 500 m off on images.
    - OpenStreetMap uses WGS-84.

    Coordinates have six decimals (0.1 m). Google and OpenStreetMap do not accept a label.
    """
    lat, lon = f"{position.lat:.6f}", f"{position.lon:.6f}"
    if in_mainland_china(position):
        gcj02 = from_wgs84(position, Datum.GCJ02)
        bd09 = from_wgs84(position, Datum.BD09)
        street_lat, street_lon = f"{gcj02[0]:.6f}", f"{gcj02[1]:.6f}"
        baidu_pair = f"{bd09[0]:.6f},{bd09[1]:.6f}"
        amap_datum, tencent_datum, baidu_datum = "gaode", "2", "bd09ll"
    else:
        street_lat, street_lon = lat, lon
        baidu_pair = f"{lat},{lon}"
        amap_datum, tencent_datum, baidu_datum = "wgs84", "1", "wgs84"
    name, tencent_name = _in_a_link(label)
    return {
        "amap": (
            f"https://uri.amap.com/marker?position={street_lon},{street_lat}&name={name}"
            f"&coordinate={amap_datum}&callnative=1&src=aed"
        ),
        "baidu": (
            f"https://api.map.baidu.com/marker?location={baidu_pair}&title={name}&content={name}"
            f"&coord_type={baidu_datum}&output=html&src=webapp.aed.aed"
        ),
        "tencent": (
            f"https://apis.map.qq.com/uri/v1/marker?marker=coord:{street_lat},{street_lon};title:{tencent_name}"
            f";addr:{tencent_name}&coord_type={tencent_datum}&referer=aed"
        ),
        "apple": f"https://maps.apple.com/?ll={street_lat},{street_lon}&q={name}",
        "google": f"https://www.google.com/maps/search/?api=1&query={street_lat},{street_lon}",
        "osm": f"https://www.openstreetmap.org/?mlat={lat}&mlon={lon}#map=19/{lat}/{lon}",
    }


def route_links(position: Position, *, label: str, by_bicycle: bool = False) -> dict[str, str]:
    """Return links that open the way from the phone to `position`, on foot or by bicycle.

    `amap`, `tencent` and `google`, on foot also `apple`; the datum is as in `map_links`. AMap and Tencent are
    left out outside mainland China, where Tencent's routes take no other datum than GCJ-02.
    """
    lat, lon = position.lat, position.lon
    is_mainland = in_mainland_china(position)
    if is_mainland:
        lat, lon = from_wgs84(position, Datum.GCJ02)
    name, tencent_name = _in_a_link(label)
    links = {}
    if is_mainland:
        links["amap"] = (
            f"https://uri.amap.com/navigation?to={lon:.6f},{lat:.6f},{name}"
            f"&mode={'ride' if by_bicycle else 'walk'}&coordinate=gaode&callnative=1&src=aed"
        )
        links["tencent"] = (
            f"https://apis.map.qq.com/uri/v1/routeplan?type={'bike' if by_bicycle else 'walk'}"
            f"&to={tencent_name}&tocoord={lat:.6f},{lon:.6f}&referer=aed"
        )
    if not by_bicycle:
        links["apple"] = f"https://maps.apple.com/?daddr={lat:.6f},{lon:.6f}&dirflg=w"
    links["google"] = (
        f"https://www.google.com/maps/dir/?api=1&destination={lat:.6f},{lon:.6f}"
        f"&travelmode={'bicycling' if by_bicycle else 'walking'}"
    )
    return links


@lru_cache(maxsize=4096)
def _in_a_link(label: str) -> tuple[str, str]:
    """Escape a label for a query, and for Tencent's, where ; : | separate the marker's attributes."""
    label = label.strip() or "AED"  # required by Baidu and Tencent
    tencent = label.translate({ord(";"): "；", ord(":"): "：", ord("|"): "｜"})
    return quote(label, safe="", errors="replace"), quote(tencent, safe="", errors="replace")
