"""Labels in English and Chinese: items, values, moments, tasks, and reasons of plans."""

from __future__ import annotations

from typing import Final

from aed.incidents.plan.rules.planner import NotAskedReason
from aed.incidents.rules import AlertReply, AlertState, IncidentKind, IncidentOutcome, Task

type Label = tuple[str, str]
"""(English, Chinese)"""

ITEM_LABELS: Final[dict[str, Label]] = {
    "arrest": ("Confirmed as cardiac arrest", "确认为心脏骤停"),
    "resuscitation": ("Resuscitation attempted by the ambulance crew", "急救人员实施复苏"),
    "pathogenesis": ("Pathogenesis", "病因"),
    "witnessed": ("Witnessed", "目击情况"),
    "location": ("Location type", "发生场所"),
    "age": ("Age", "年龄"),
    "age_years": ("Age", "年龄"),
    "sex": ("Sex", "性别"),
    "bystander_cpr": ("Bystander CPR", "旁观者心肺复苏"),
    "dispatcher_cpr": ("Dispatcher-assisted CPR", "调度员指导心肺复苏"),
    "bystander_aed": ("Bystander AED use", "旁观者使用AED"),
    "first_rhythm": ("First monitored rhythm", "首次监测心律"),
    "first_shock_at": ("First shock, recorded afterwards", "首次除颤（事后告知）"),
    "rosc": ("Return of spontaneous circulation", "自主循环恢复"),
    "survived_event": ("Survived the event", "存活入院"),
    "survived": ("Survived to discharge or 30 days", "存活出院或30天存活"),
    "cpc": ("CPC", "CPC评分"),
    "mrs": ("mRS", "mRS评分"),
    "cpc_or_mrs": ("CPC or mRS", "CPC或mRS评分"),
}
VALUE_LABELS: Final[dict[str, Label]] = {
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "unknown": ("unknown", "未知"),
    "medical": ("medical", "疾病"),
    "trauma": ("trauma", "创伤"),
    "overdose": ("drug overdose", "药物过量"),
    "drowning": ("drowning", "溺水"),
    "electrocution": ("electrocution", "触电"),
    "asphyxial": ("asphyxia", "窒息"),
    "bystander": ("by a bystander", "旁观者目击"),
    "ems": ("by the ambulance crew", "急救人员目击"),
    "unwitnessed": ("not witnessed", "无目击者"),
    "home": ("home", "住宅"),
    "workplace": ("workplace", "工作场所"),
    "sports": ("sports or recreation", "体育或休闲场所"),
    "street": ("street", "街道"),
    "public_building": ("public building", "公共建筑"),
    "care_home": ("care home", "养老机构"),
    "education": ("school or university", "教育机构"),
    "other": ("other", "其他"),
    "female": ("female", "女"),
    "male": ("male", "男"),
    "none": ("none", "无"),
    "compressions": ("compressions only", "仅胸外按压"),
    "with_breaths": ("compressions and breaths", "按压及人工呼吸"),
    "of_some_kind": ("yes, kind not known", "有，方式不详"),
    "not_used": ("not used", "未使用"),
    "no_shock": ("pads attached, no shock", "已贴片，未除颤"),
    "shock": ("shock given", "已除颤"),
    "vf": ("ventricular fibrillation", "室颤"),
    "pulseless_vt": ("pulseless ventricular tachycardia", "无脉性室速"),
    "pea": ("pulseless electrical activity", "无脉性电活动"),
    "asystole": ("asystole", "心搏停止"),
    "bradycardia": ("bradycardia", "心动过缓"),
    "aed_shockable": ("shockable, by an AED", "AED判断可除颤"),
    "aed_not_shockable": ("not shockable, by an AED", "AED判断不可除颤"),
}
GROUP_LABELS: Final[dict[str, Label]] = {
    "all": ("all with attempted resuscitation", "全部实施复苏者"),
    "utstein_comparator": (
        "Utstein comparator: bystander witnessed, shockable",
        "Utstein对照组：旁观者目击且可除颤",
    ),
    "comparator_with_bystander_cpr": ("of these, with bystander CPR", "其中有旁观者心肺复苏"),
    "bystander_witnessed_not_shockable": ("bystander witnessed, not shockable", "旁观者目击且不可除颤"),
    "unwitnessed": ("unwitnessed", "无目击者"),
    "ems_witnessed": ("witnessed by the ambulance crew", "急救人员目击"),
    "bystander_aed_shock": ("shock given by a bystander", "旁观者已除颤"),
}
MOMENT_LABELS: Final[dict[str, Label]] = {
    "collapsed_at": ("Collapse", "倒地"),
    "called_at": ("Call", "呼救"),
    "asked_at": ("First person asked", "首次呼叫急救志愿者"),
    "accepted_at": ("First acceptance", "首次接受"),
    "first_there_at": ("First responder on scene", "首名急救志愿者到场"),
    "compressions_at": ("Compressions known to have started", "已知有人按压"),
    "device_there_at": ("First AED on scene", "首台AED到场"),
    "attached_at": ("Pads attached", "贴上电极片"),
    "shock_at": ("First shock", "首次除颤"),
    "first_shock_recorded": ("First shock, recorded afterwards", "首次除颤（事后告知）"),
    "ambulance_there_at": ("Ambulance on scene", "救护车到场"),
    "closed_at": ("Closed", "结束"),
}
KIND_LABELS: Final[dict[IncidentKind, Label]] = {
    IncidentKind.REAL: ("real", "真实事件"),
    IncidentKind.EXERCISE: ("EXERCISE", "演练"),
    IncidentKind.TEST: ("TEST", "线路测试"),
}
OUTCOME_LABELS: Final[dict[IncidentOutcome, Label]] = {
    IncidentOutcome.HANDED_OVER: ("handed over to the ambulance", "已移交120急救人员"),
    IncidentOutcome.FALSE_ALARM: ("false alarm", "误报"),
    IncidentOutcome.CALLED_OFF: ("called off, no help needed", "已取消，无需救援"),
    IncidentOutcome.LAPSED: ("closed automatically", "超时自动结束"),
}
TASK_LABELS: Final[dict[str, Label]] = {
    "all": ("all", "合计"),
    Task.DIRECT: ("straight to the patient", "直接前往"),
    Task.FETCH: ("fetch an AED", "取AED"),
    Task.GUIDE: ("open the gate, guide", "接应引导"),
}
STATE_LABELS: Final[dict[AlertState, Label]] = {
    AlertState.ASKED: ("no answer", "未答复"),
    AlertState.SEEN: ("seen", "已查看"),
    AlertState.ACCEPTED: ("accepted", "已接受"),
    AlertState.ON_THE_WAY: ("on the way", "途中"),
    AlertState.THERE: ("there", "已到场"),
    AlertState.DECLINED: ("declined", "已拒绝"),
    AlertState.STOPPED: ("called off", "已叫停"),
    AlertState.STOOD_DOWN: ("not needed, enough people came", "人手已足，无需前往"),
}
NOT_ASKED_LABELS: Final[dict[NotAskedReason, Label]] = {
    NotAskedReason.PROMISE_MET: ("enough others go straight to the patient", "直接前往人数已足够"),
    NotAskedReason.TWO_TO_THIS_DEVICE: ("two others are fetching that AED", "已有两人取用该AED"),
    NotAskedReason.GAINS_TOO_LITTLE: ("would help too little", "作用太小"),
    NotAskedReason.AFTER_THE_AMBULANCE: ("would arrive after the ambulance", "晚于救护车"),
    NotAskedReason.WAVE_IS_FULL: ("wave full", "本批已满"),
}
_PLAN_REASON_LABELS: Final[dict[str, Label]] = {
    "opened": ("first report", "首次报告"),
    "reported again": ("reported again", "再次报告"),
    "ambulance": ("ambulance update", "救护车消息"),
    "signs": ("patient update", "患者情况"),
    "wave is over": ("too few had accepted", "接受人数不足"),
    "place corrected": ("patient's location corrected", "患者位置更正"),
    "another patient": ("split off as another patient", "拆分为另一名患者"),
    "resumed": ("alerting resumed", "恢复呼叫"),
    "asked for more": ("dispatcher asked for more people", "调度员要求增派"),
    "radius": ("search radius changed", "搜索半径调整"),
    "hazard": ("hazard at the scene changed", "现场危险情况变化"),
    "exclusion": ("person or device excluded", "排除人员或设备"),
    "exclusion lifted": ("exclusion lifted", "取消排除"),
}
_REPLY_LABELS: Final[dict[str, Label]] = {
    AlertReply.SEEN: ("seen by", "已查看"),
    AlertReply.ACCEPT: ("accepted by", "已接受"),
    AlertReply.DECLINE: ("declined by", "已拒绝"),
    AlertReply.ON_THE_WAY: ("on the way:", "途中"),
    AlertReply.THERE: ("there:", "已到场"),
    AlertReply.DEVICE_TAKEN: ("device taken by", "已取到AED"),
    AlertReply.DEVICE_NOT_THERE: ("device not there, reported by", "报告AED不在原位"),
    AlertReply.CANNOT_OPEN: ("cabinet cannot be opened, reported by", "报告外箱柜体打不开"),
    AlertReply.DEVICE_RETURNED: ("device returned by", "已放回AED"),
    AlertReply.DEVICE_ATTACHED: ("pads attached by", "已贴片"),
    AlertReply.SHOCK_GIVEN: ("shock given by", "已除颤"),
    AlertReply.HANDED_OVER: ("handed over by", "已移交120急救人员"),
}


def plan_reason_label(reason: str) -> Label:
    """Return why a plan was made; an unknown reason is returned as it is."""
    if reason in _PLAN_REASON_LABELS:
        return _PLAN_REASON_LABELS[reason]
    reply, _, number = reason.partition(" by ")
    if reply in _REPLY_LABELS:
        en, zh = _REPLY_LABELS[reply]
        return f"{en} call {number}", f"{number}号{zh}"
    return reason, reason
