"""What the headings of lists that people keep by hand mean, in the languages of AED lists."""

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
            r".*(经纬度|經緯度|坐标|座標|coordinates?|coordonnées|koordinaten|geo ?point"
            r"|lat(itude)?.{0,3}lon.*).*|gps",
        ),
        ("days", r".*(开放|使用|营业|服务)(日|日期|天数)|jours? .*|.*öffnungstage|opening days|days"),
        (
            "lon",
            r".*(经度|經度|東經|东经|经線|経度|경도|längengrad|longitude?|longitudine|lengtegraad)"
            r"|.*\b(lon|lng|long|länge)\b.*|x|x坐标",
        ),
        (
            "lat",
            r".*(纬度|緯度|北纬|北緯|위도|breitengrad|latitude?|latitudine|breedtegraad)"
            r"|.*\b(lat|breite)\b.*|y|y坐标",
        ),
        (
            "child_pads_expire_on",
            _PAST
            + r".*(儿童|小儿|child|infant|pa?edi|\bpa?eds?\b|pédi|enfant|kinder).*"
            + r"(电极|贴片|pads?|[ée]lectrode|elektrode).*"
            r"|"
            + _PAST
            + r".*([ée]lectrode|elektrode|pads?).*(child|infant|pa?edi|\bpa?eds?\b|pédi|enfant|kinder).*",
        ),
        ("registration_number", r".*(注册证|注册号|备案号|registration (no|number)).*"),
        (
            "state",
            r"(aed|设备|設備|仪器|运行|使用|当前|目前)*状[态況况]|(current |aed )?(status|condition)"
            r"|état( de fonctionnement)?|(betriebs)?(zustand|status)|estado|stato",
        ),
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
        (
            "battery_expires_on",
            _PAST + r".*(电池|電池|batter|batería|バッテリ|배터리|akku|\bpile).*",
        ),
        (
            "pads_expire_on",
            _PAST + r".*(电极|電極|贴片|\bpads?\b|[ée]lectrod|elektrode|elettrod|parches|パッド|패드|耗材).*",
        ),
        (
            "last_checked_on",
            r"(?!.*(下次|next|prochain|nächste)).*(巡检|检查|点检|检测|维护|last check|inspection"
            r"|vérification|maintenance|prüfung|wartung"
            r"|kontrolle|last inspected|点検日|점검일|revisión|revisione|laatste controle).*",
        ),
        (
            "keeper_phone",
            r".*(电话|電話|手机|联系方式|phone|mobile|mobil|telefo|teléfono|téléphone|\bt[ée]l\b|rufnummer|連絡先"
            r"|연락처|전화).*",
        ),
        (
            "keeper_name",
            r".*(负责人|责任|管理员|管理人|管理者|管理单位|管理部门|联系人|保管|店长|站长|관리책임자|관리자|keeper|contact"
            r"|responsable|référent|referente|verantwort|ansprechpartner|kontakt|beheerder|coordinator).*|姓名",
        ),
        (
            "hours",
            r".*(开放|使用|营业|服务|可用|取用|对外|开门|利用).*(时间|时段).*"
            r"|.*((이용|사용|개방|운영) ?(가능)? ?시간|\bhours\b|horaires|horario|\borari\b|öffnungszeit"
            r"|openingstijden|verfügbarkeit|availability|disponibilit).*",
        ),
        (
            "serial",
            r".*(序列号|机身号|出厂编号|出厂号|serial|seriennummer|série).*|s/?n",
        ),
        (
            "id",
            r".*(设备|点位|场所|门店|资产|aed|device).{0,2}(编号|编码|(?<!型)号|id)|编号|编码|.*\bid|identifiant|kennung|inventarn.*"
            r"|ger[äa]te-?(nummer|nr\.?)|(n°|numéro) (de l'|du |de )?(appareil|dae|défibrillateur)",
        ),
        (
            "maker",
            r".*(品牌|厂家|厂商|制造商|maker|manufacturer|brand|marque|fabricant|hersteller|제조사|メーカー)(?!.*型号).*"
            r"|make|marca|merk",
        ),
        ("model", r".*(型号|規格|规格|机型|機種|model|modèle|typ\b|모델).*"),
        (
            "floor",
            r".*(楼层|層|层数|所在层|floor|étage|stockwerk|etage|geschoss|verdieping|설치층).*|planta|piso|piano|設置階",
        ),
        (
            "access_instructions",
            r".*(备注|说明|取用|description|remark|notes?\b|remarque|observa[tc]ion|bemerkung|hinweis|comment|opmerking|비고"
            r"|备考).*",
        ),
        (
            "spot",
            r".*(位置|放置|摆放|安放|location|localisation|emplacement|standort|placement|position|\bplace\b|lieu"
            r"|設置场所|설치 ?(장소|위치)|ubicación|ubicazione|locatie aed|aed.locatie).*",
        ),
        (
            "address",
            r".*(地址|住址|address|adresse|straße|strasse|\brue\b|\bplz\b|\bort\b|ville|commune|\bcity\b|postcode"
            r"|住所|所在地|주소|dirección|indirizzo|adres|plaats|\bcomune\b).*",
        ),
        (
            "name",
            r".*(项目|小区|楼盘|园区|单位|名称|场所|建筑|楼栋|地点|\bsite\b|\bname\b|\bnom\b|établissement|bezeichnung"
            r"|gebäude|objekt|building|facility|施設名|기관명|nombre|denominazione|\bnaam\b).*",
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
IN_SERVICE: Final = (
    *(
        "正常",
        "在用",
        "使用中",
        "正常使用",
        "在使用",
        "启用",
        "已启用",
        "良好",
        "完好",
        "可用",
        "运行中",
        "正常运行",
    ),
    *(
        "啟用",
        "正常使用中",
        "ok",
        "good",
        "active",
        "in service",
        "in use",
        "working",
        "operational",
        "ready",
    ),
    *("en service", "en fonctionnement", "fonctionnel", "in betrieb", "einsatzbereit", "aktiv"),
    *("operativo", "en servicio", "activo", "attivo", "in servizio", "in gebruik"),
)
"""What lists say of a device that can be used."""
OUT_OF_SERVICE: Final = (
    *(
        "停用",
        "已停用",
        "暂停使用",
        "禁用",
        "故障",
        "损坏",
        "维修",
        "维修中",
        "送修",
        "待维修",
        "待修",
        "检修",
        "检修中",
    ),
    *(
        "报废",
        "已报废",
        "待报废",
        "失效",
        "过期",
        "已过期",
        "缺失",
        "丢失",
        "异常",
        "不可用",
        "不能使用",
        "未启用",
    ),
    *("已拆除", "拆除", "停機", "停止使用", "暫停使用", "故障中", "維修中"),
    *(
        "out of service",
        "out of order",
        "not in service",
        "inactive",
        "broken",
        "faulty",
        "missing",
        "expired",
    ),
    *("in repair", "under repair", "removed", "retired", "hors service", "en panne", "en maintenance"),
    *("außer betrieb", "ausser betrieb", "defekt", "in reparatur", "fuera de servicio", "averiado"),
    *("fuori servizio", "guasto", "buiten gebruik", "defect"),
)
"""What lists say of a device that must not be relied on."""
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
    "es": re.compile(
        r"longitud\b|latitud\b|ubicación|dirección|horario\b|teléfono|planta\b|caducidad|nombre|batería"
    ),
    "it": re.compile(r"latitudine|longitudine|ubicazione|indirizzo|orari|telefono|scadenza|piano\b|comune\b"),
    "nl": re.compile(
        r"breedtegraad|lengtegraad|locatie|adres\b|openingstijden|verdieping|vervaldatum|naam|merk\b"
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
    counts = {each: len(set(_LANGUAGES[each].findall(words))) for each in ("fr", "de", "es", "it", "nl")}
    best = max(counts, key=lambda each: counts[each])
    is_clear = list(counts.values()).count(counts[best]) == 1
    return best if counts[best] >= 1 and is_clear else None
