"""What the headings of lists that people keep by hand mean, in Chinese, English, French and German."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from aed.geo import Datum

type ColumnRole = str
"""What a column holds: a field of the register, a part of the position or place, or the row's number."""

_SIMPLIFIED: Final = str.maketrans(
    "場稱責負聯電號話經緯編點單園區樓層備註說開時間業務檢廠製維護極貼兒項棟築標規營對員裝擺產資",
    "场称责负联电号话经纬编点单园区楼层备注说开时间业务检厂制维护极贴儿项栋筑标规营对员装摆产资",
)
_EDGE: Final = "(?:(?<![a-zà-ž])(?=[a-zà-ž])|(?<=[a-zà-ž])(?![a-zà-ž]))"
"""The edge of a word in letters, also beside Chinese characters and digits."""
_PAST: Final = (
    r"(?!.*(?<!下次)(更换|更換|生产|安装|出厂|购买|replaced|installed|remplac|achat|ersetzt|getauscht))"
)
"""Not the day on which a part was fitted, which is no expiry."""
_NOT_OF_A_PART: Final = r"(?!.*(电池|電池|电极|電極|贴片|耗材|batter|akku|pads?\b|[ée]lectrode|elektrode))"
"""Not a date of the battery or the pads."""
_HEADINGS: Final[tuple[tuple[ColumnRole, re.Pattern[str]], ...]] = tuple(
    (role, re.compile(pattern.replace(r"\b", _EDGE)))
    for role, pattern in (
        ("number", r"序号|顺序|no\.?|nr\.?|n°|#|num(éro)?|lfd\.? ?nr\.?|pos\.?|item"),
        (
            "text",
            r".*(经纬度|經緯度|坐标|座標|coordinates?|coordonnées|koordinaten|lat.{0,3}lon.*|geo ?point).*"
            r"|gps",
        ),
        ("days", r".*(开放|使用|营业|服务)(日|日期|天数)|jours? .*|.*öffnungstage|opening days|days"),
        ("lon", r".*(经度|經度|东经|東經|经線|längengrad|longitude)|.*\b(lon|lng|long|länge)\b.*|x|x坐标"),
        ("lat", r".*(纬度|緯度|北纬|北緯|breitengrad|latitude)|.*\b(lat|breite)\b.*|y|y坐标"),
        (
            "child_pads_expire_on",
            _PAST
            + r".*(儿童|小儿|child|pediatric|pédiatri|enfant|kinder).*"
            + r"(电极|贴片|pads?|[ée]lectrode|elektrode).*"
            r"|" + _PAST + r".*([ée]lectrode|elektrode|pads?).*(child|pediatric|pédiatri|enfant|kinder).*",
        ),
        ("registration_number", r".*(注册证|注册号|备案号|registration (no|number)).*"),
        ("udi_di", r".*(\budi\b|唯一标识|\bgtin\b).*"),
        (
            "manufactured_on",
            _NOT_OF_A_PART + r".*(生产|制造|出厂)(日期|时间|年月).*|.*(date of manufacture|manufactur\w* date"
            r"|herstellungsdatum|date de fabrication).*",
        ),
        (
            "end_of_life_on",
            _NOT_OF_A_PART
            + r".*(使用期限|使用年限|使用寿命|报废).*(日期|到期|届满|截止|至).*|.*end[ -]of[ -]life.*",
        ),
        (
            "cartridge_expires_on",
            _PAST + r".*(一体盒|一体包|电极电池盒|pad-?pak|cartridge|cartouche|kartusche).*",
        ),
        ("battery_expires_on", _PAST + r".*(电池|電池|batter|akku|\bpile).*"),
        ("pads_expire_on", _PAST + r".*(电极|電極|贴片|\bpads?\b|[ée]lectrode|elektrode|耗材).*"),
        (
            "last_checked_on",
            r"(?!.*(下次|next|prochain|nächste)).*(巡检|检查|点检|检测|维护|last check|inspection"
            r"|vérification|maintenance|prüfung|wartung"
            r"|kontrolle).*",
        ),
        ("keeper_phone", r".*(电话|電話|手机|联系方式|phone|mobile|mobil|telefon|téléphone|\bt[ée]l\b).*"),
        (
            "keeper_name",
            r".*(负责人|责任|管理员|管理人|联系人|保管|keeper|contact|responsable|référent|verantwort|ansprechpartner"
            r"|kontakt).*",
        ),
        (
            "hours",
            r".*(开放|使用|营业|服务|可用|取用|对外|开门).*(时间|时段).*|.*(\bhours\b|horaires|öffnungszeit|verfügbarkeit"
            r"|availability|disponibilit).*",
        ),
        (
            "serial",
            r".*(序列号|机身号|出厂编号|出厂号|serial|seriennummer|série).*|s/?n",
        ),
        (
            "id",
            r".*(设备|点位|资产|aed|device).{0,2}(编号|编码|号|id)|编号|编码|.*\bid|identifiant|kennung|inventarn.*"
            r"|ger[äa]te-?(nummer|nr\.?)|(n°|numéro) (de l'|du |de )?(appareil|dae|défibrillateur)",
        ),
        (
            "maker",
            r".*(品牌|厂家|厂商|制造商|maker|manufacturer|brand|marque|fabricant|hersteller)(?!.*型号).*",
        ),
        ("model", r".*(型号|規格|规格|机型|model|modèle|modell|typ\b).*"),
        ("floor", r".*(楼层|層|层数|所在层|floor|étage|stockwerk|etage|geschoss).*"),
        (
            "access_instructions",
            r".*(备注|说明|取用|description|remark|notes?\b|remarque|observation|bemerkung|hinweis|comment).*",
        ),
        (
            "spot",
            r".*(位置|放置|摆放|安放|location|localisation|emplacement|standort|placement|position|\bplace\b|lieu).*",
        ),
        (
            "address",
            r".*(地址|住址|address|adresse|straße|strasse|\brue\b|\bplz\b|\bort\b|ville|commune|\bcity\b|postcode).*",
        ),
        (
            "name",
            r".*(项目|小区|楼盘|园区|单位|名称|场所|建筑|楼栋|地点|\bsite\b|\bname\b|\bnom\b|établissement|bezeichnung"
            r"|gebäude|objekt|building).*",
        ),
    )
)
NAMES_KEEPER: Final = re.compile("负责|責任|责任|管理|联系人|保管")
DATES: Final = (
    "pads_expire_on",
    "child_pads_expire_on",
    "battery_expires_on",
    "cartridge_expires_on",
    "last_checked_on",
    "manufactured_on",
    "end_of_life_on",
)
PLACE: Final[tuple[ColumnRole, ...]] = ("name", "address", "spot")
SINGLE: Final[tuple[ColumnRole, ...]] = (
    "maker",
    "model",
    "serial",
    "registration_number",
    "udi_di",
    "keeper_name",
)
DATUMS: Final = {
    Datum.BD09: re.compile(r"百度|bd-?09|baidu"),
    Datum.GCJ02: re.compile(r"高德|腾讯|火星|gcj-?02|amap"),
    Datum.WGS84: re.compile(r"wgs-?84|\bgps\b"),
}
ABOUT_COORDINATES: Final = re.compile("坐标|座標|经纬|經緯|coordinate|coordonnées|koordinaten")
_LANGUAGES: Final = {
    "ja": re.compile(r"[ぁ-んァ-ヶ]"),
    "ko": re.compile(r"[가-힣]"),
    "zh": re.compile(r"[一-龥]"),
    "fr": re.compile(r"étage|électrode|batterie|adresse|horaires|nom\b|emplacement|téléphone|responsable"),
    "de": re.compile(
        r"breite|länge|standort|straße|stockwerk|elektrode|öffnungs|ansprech|hersteller|batterie"
    ),
}
COUNTS_FROM_ONE: Final = ("ja", "ko", "zh", None)
NUMBER: Final = re.compile(r"[0-9][0-9:./-]*")
MAX_HEADING_LENGTH: Final = 40
MAX_CHINESE_LENGTH: Final = 16
"""Maximum number of Chinese characters in a heading; longer texts are descriptions."""


def plain_heading(heading: str) -> str:
    """Normalise a heading; drop what stands in brackets, such as a unit or an example."""
    text = " ".join(unicodedata.normalize("NFKC", heading).casefold().replace("_", " ").split())
    text = text.translate(_SIMPLIFIED)
    return (re.sub(r"[(（【\[][^)）】\]]*[)）】\]]?", "", text).strip(" *:：") or text)[:60]


def roles_of(cells: Sequence[str]) -> dict[int, ColumnRole]:
    roles: dict[int, ColumnRole] = {}
    for place, cell in enumerate(cells):
        heading = plain_heading(cell)
        chinese = sum("一" <= sign <= "龥" for sign in heading)
        is_short = len(heading) <= MAX_HEADING_LENGTH and chinese <= MAX_CHINESE_LENGTH
        if heading and is_short and not heading.replace(".", "").isdigit():
            found = next((role for role, pattern in _HEADINGS if pattern.fullmatch(heading)), None)
            if found == "text":
                found = _axis_named(cell) or found
            if found is not None:
                roles[place] = found
    if len(set(cells)) == 1:  # a title over all columns
        return {}
    return roles


_AXES: Final = {
    "lat": re.compile(r"(?<!经)纬度|北纬|latitude|\blat\b|\bbreite|\by\b".replace(r"\b", _EDGE)),
    "lon": re.compile(r"经度|东经|longitude|\b(lon|lng|long)\b|\blänge|\bx\b".replace(r"\b", _EDGE)),
}


def _axis_named(cell: str) -> ColumnRole | None:
    """Return the one coordinate that a heading such as "GPS (lat)" names; None if it names both or none."""
    text = unicodedata.normalize("NFKC", cell).casefold().replace("_", " ").translate(_SIMPLIFIED)
    named = [axis for axis, pattern in _AXES.items() if pattern.search(text)]
    return named[0] if len(named) == 1 else None


def language_of_headings(headings: Sequence[str]) -> str | None:
    words = unicodedata.normalize("NFKC", " ".join(headings)).casefold()
    if any(
        pattern.search(words) for language, pattern in _LANGUAGES.items() if language in ("ja", "ko", "zh")
    ):
        return next(language for language, pattern in _LANGUAGES.items() if pattern.search(words))
    counts = {each: len(set(_LANGUAGES[each].findall(words))) for each in ("fr", "de")}
    best = max(counts, key=lambda each: counts[each])
    return best if counts[best] >= 1 and len(set(counts.values())) > 1 else None
