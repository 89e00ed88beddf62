"""Japan's national AED list schema as CSV (the newer version, 39 columns)."""

from __future__ import annotations

from collections.abc import Iterator

from aed.exports.formats.tables import Cell, Pages, csv_of
from aed.exports.queries import PublishedDevice
from aed.exports.rules import plain_hours
from aed.registry.devices.rules import DeviceState

COLUMNS = (
    "全国地方公共団体コード",
    "ID",
    "地方公共団体名",
    "名称",
    "名称_カナ",
    "名称_英字",
    "所在地_全国地方公共団体コード",
    "町字ID",
    "所在地_連結表記",
    "所在地_都道府県",
    "所在地_市区町村",
    "所在地_町字",
    "所在地_番地以下",
    "建物名等(方書)",
    "緯度",
    "経度",
    "高度の種別",
    "高度の値",
    "設置位置",
    "電話番号",
    "内線番号",
    "連絡先メールアドレス",
    "連絡先FormURL",
    "連絡先備考（その他、SNSなど）",
    "郵便番号",
    "法人番号",
    "団体名",
    "利用可能曜日",
    "開始時間",
    "終了時間",
    "利用可能日時特記事項",
    "小児対応設備の有無",
    "URL",
    "画像1",
    "画像1_ライセンス",
    "画像2",
    "画像2_ライセンス",
    "外部利用不可",
    "備考",
)
_DAYS = "月火水木金土日"


def japan_csv(pages: Pages) -> Iterator[bytes]:
    """Yield the CSV as UTF-8 with a byte order mark."""
    return csv_of(COLUMNS, pages, _row)


def _row(device: PublishedDevice) -> list[Cell]:
    row = device.row
    fields: dict[str, Cell] = {
        "ID": row.source_id,
        "名称": row.place_zh or row.place_en or row.source_id,
        "名称_英字": row.place_en,
        "緯度": row.lat,
        "経度": row.lon,
        "設置位置": _place_text(device),
        "小児対応設備の有無": "有" if device.child_pads_expire_on is not None else None,
        "備考": f"使用不可 {row.out_of_service_reason}" if row.state is DeviceState.OUT_OF_SERVICE else None,
        **_hours(row.opening_hours, row.opening_hours_raw),
    }
    return [fields.get(column) for column in COLUMNS]


def _place_text(device: PublishedDevice) -> str | None:
    floor = device.row.floor
    words = [
        f"地下{-floor}階"
        if floor < 0
        else f"{floor + 1}階"
        if floor > 0
        else None,  # 1階 is the ground floor
        device.row.access_instructions_zh or device.row.access_instructions_en,
    ]
    return " ".join(word for word in words if word) or None


def _hours(expression: str | None, written: str | None) -> dict[str, Cell]:
    plain = plain_hours(expression)
    if plain is None:
        return {"利用可能日時特記事項": expression or written}
    return {
        "利用可能曜日": "".join(_DAYS[day] for day in plain.days),
        "開始時間": plain.opens,
        "終了時間": "23:59" if plain.closes == "24:00" else plain.closes,
        "利用可能日時特記事項": "24時間利用可" if plain.is_always else None,
    }
