"""The HTML page behind the link in a reminder message, with answer buttons for each reminder."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from aed.http.pages import Page, page
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.reminders.message_lines import ReminderLine
from aed.upkeep.reminders.rules import ANSWERS
from aed.upkeep.rules import short_number

_STYLE: Final = """
main{text-align:left}section{border-top:1px solid #ddd;padding:.8rem 0}
button{width:auto;background:#fff;color:#1c1c1c;border:1px solid #999;margin:.2rem .3rem 0 0}
button[aria-pressed=true]{background:#14602a;color:#fff}[role=status]{min-height:1.2rem;color:#14602a}
"""
_SCRIPT: Final = """
for (const part of document.querySelectorAll("section")) {
  const said = part.querySelector("[role=status]"), buttons = part.querySelectorAll("button");
  for (const button of buttons) button.onclick = async () => {
    buttons.forEach(each => { each.disabled = true; });
    try {
      const answer = await fetch(location.pathname.replace(/\\/+$/, "") + "/" + part.dataset.id, {
        method: "PUT", credentials: "omit", body: JSON.stringify({answer: button.value}),
        headers: {"Content-Type": "application/json", "Accept": "application/json"}});
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.detail);
      buttons.forEach(each => { each.ariaPressed = String(each === button); });
      said.textContent = told.said_zh + " " + told.said_en;
    } catch (error) { said.textContent = error.message; }
    buttons.forEach(each => { each.disabled = false; });
  };
}
"""


def message_page(told: Sequence[ReminderLine]) -> Page:
    """Return the page in Chinese and English; reminders that are done have no buttons."""
    body = "<h1>AED 待办<br>What is due</h1>" + "".join(_section(each) for each in told)
    return page("AED 待办 What is due", body, script=_SCRIPT, style=_STYLE)


def refusal_page(detail: str) -> Page:
    """Return the page shown for an invalid or expired link."""
    return page("AED 待办 What is due", f"<h1>AED 待办</h1><p>{escape(detail)}</p>")


def _section(each: ReminderLine) -> str:
    """Return the HTML of one reminder."""
    en, zh = DUE_WORDS[each.matter]
    words = (
        f'<section data-id="{each.reminder_id}"><p><b>{escape(zh)}</b> · {each.due_on.isoformat()}<br>'
        f"{short_number(each.device_id)} {escape(each.where_zh)}</p>"
        f'<p class="en">{escape(en)}: {short_number(each.device_id)} {escape(each.where_en)}</p>'
    )
    if not each.is_open:
        return words + '<p role="status">已办结 This is done.</p></section>'
    buttons = "".join(
        f'<button value="{answer}" aria-pressed="{"true" if each.answer is answer else "false"}">'
        f"{escape(of.zh)} {escape(of.en)}</button>"
        for answer, of in ANSWERS.items()
    )
    return words + buttons + '<p role="status"></p></section>'
