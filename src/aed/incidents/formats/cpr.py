"""What somebody at a patient's side does until the ambulance takes over, with a beat for compressions."""

from __future__ import annotations

from typing import Final

BEATS_PER_MINUTE: Final = 110
"""Compressions at 100 to 120 a minute, 5 to 6 cm deep, changed over every 2 minutes: European Resuscitation
Council 2021, American Heart Association 2020."""

_STEPS: Final = (
    ("叫患者、拍双肩：无反应、无正常呼吸？", "No response and no normal breathing?"),
    ("手机免提，保持与调度员通话。", "Phone on speaker, stay on the line with the dispatcher."),
    (
        "双手重叠，按压胸部正中，深5至6厘米，充分回弹。",
        "Centre of the chest, 5 to 6 cm deep, let it come up fully.",
    ),
    ("不要停。受过训练者每30次按压后人工呼吸2次。", "Do not stop. If trained: 2 breaths after every 30."),
    (
        "AED到：开机，按语音提示贴电极片；除颤时勿碰患者。",
        "AED here: switch it on, do as it says; stand clear.",
    ),
    ("每2分钟换人按压。", "Change over every 2 minutes."),
)


def _cpr() -> str:
    steps = "".join(f"<li>{zh} <span class=en>{en}</span></li>" for zh, en in _STEPS)
    start, stop = "开始节拍 Start the beat", "停止节拍 Stop the beat"
    return (
        '<div class="cpr"><h2>心肺复苏 CPR</h2>'
        f'<div class="beat" data-per-minute="{BEATS_PER_MINUTE}">'
        '<span class="dot" aria-hidden="true">1</span>'
        f"<p>每分钟{BEATS_PER_MINUTE}次 <span class=en>{BEATS_PER_MINUTE} a minute</span><br>"
        '<b class="change" hidden>换人按压 Change over</b></p></div>'
        f'<button type="button" id="start" data-start="{start}" data-stop="{stop}">{start}</button>'
        f"<ol>{steps}</ol></div>"
    )


CPR: Final = _cpr()
"""HTML; what people gave is not in it."""
