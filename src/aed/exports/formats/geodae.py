"""France's national schema (GeoDAE) as CSV; columns that the register cannot fill are empty.

The columns are those of the schema of the ARS (gitlab.com/arsante/atlasante/schema-dae, 1.0.2), with the
`c_` that the published file puts before each name. It has no combined cartridges: their date stands for both
pads and battery. Its `id_euro` is the "identifiant unique du dispositif (IUD européen)", the UDI of
regulation (EU) 2017/745, article 27; the register keeps the device identifier (UDI-DI, IUD-ID) of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from aed.exports.formats.tables import Cell, Pages, csv_of
from aed.exports.queries import PublishedDevice
from aed.exports.rules import plain_hours
from aed.registry.devices.rules import DeviceState, EntryMode

COLUMNS = (
    "c_gid",
    "c_nom",
    "c_lat_coor1",
    "c_long_coor1",
    "c_acc",
    "c_acc_lib",
    "c_acc_etg",
    "c_acc_complt",
    "c_disp_j",
    "c_disp_h",
    "c_disp_complt",
    "c_date_instal",
    "c_etat_fonct",
    "c_etat_valid",
    "c_fab_rais",
    "c_modele",
    "c_num_serie",
    "c_id_euro",
    "c_lc_ped",
    "c_dtpr_lcped",
    "c_dtpr_lcad",
    "c_dtpr_bat",
    "c_freq_mnt",
    "c_dermnt",
    "c_doublon",
)
_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_STATES = {
    DeviceState.IN_SERVICE: "En fonctionnement",
    DeviceState.OUT_OF_SERVICE: "Hors service",
    DeviceState.WITHDRAWN: "Supprimé définitivement",
}
_FREE = {EntryMode.FREE: "t", EntryMode.ASSISTED: "f", EntryMode.UNKNOWN: ""}


def geodae_csv(pages: Pages) -> Iterator[bytes]:
    """Yield the CSV with semicolons, like the published file."""
    return csv_of(COLUMNS, pages, _row, separator=";", begins="")


def _row(device: PublishedDevice) -> list[Cell]:
    row = device.row
    days, span, remark = _hours(row.opening_hours, row.opening_hours_raw)
    place = row.place_en or row.place_zh
    fields: dict[str, Cell] = {
        "c_gid": row.id,
        "c_nom": place or row.source_id,
        "c_lat_coor1": row.lat,
        "c_long_coor1": row.lon,
        "c_acc_lib": _FREE[row.entry],
        "c_acc_etg": row.floor,
        "c_acc_complt": row.access_instructions_en or row.access_instructions_zh,
        "c_disp_j": days,
        "c_disp_h": span,
        "c_disp_complt": remark,
        "c_etat_fonct": _STATES[row.state],
        "c_fab_rais": row.maker,
        "c_modele": row.model,
        "c_num_serie": device.serial,
        "c_id_euro": row.udi_di,
        "c_lc_ped": "t" if device.child_pads_expire_on is not None else None,
        "c_dtpr_lcped": _day(device.child_pads_expire_on),
        "c_dtpr_lcad": _day(device.pads_expire_on or device.cartridge_expires_on),
        "c_dtpr_bat": _day(device.battery_expires_on or device.cartridge_expires_on),
        "c_dermnt": _day(row.last_checked_on),
    }
    return [fields.get(column) for column in COLUMNS]


def _hours(expression: str | None, written: str | None) -> tuple[str | None, str, str | None]:
    """Return days, hours and remark. The schema only knows whole days; other hours go into the remark."""
    plain = plain_hours(expression)
    if plain is None:
        return None, "{non renseigné}", expression or written
    days = "{7j/7}" if len(plain.days) == 7 else "{" + ",".join(_DAYS[day] for day in plain.days) + "}"
    if (plain.opens, plain.closes) == ("00:00", "24:00"):
        return days, "{24h/24}", None
    return days, "{non renseigné}", expression


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None
