"""Due upkeep as an iCalendar file."""

from __future__ import annotations

from datetime import datetime, timedelta

from aed.upkeep.due.queries import Duties
from aed.upkeep.due.rules import DUE_WORDS
from aed.upkeep.rules import short_number


def due_calendar(duties: Duties, *, at: datetime) -> bytes:
    """Return an iCalendar file with one whole-day event per due task.

    Overdue tasks are shown on the current day. Each task keeps its UID between fetches, so that calendar
    programs move the event instead of duplicating it.
    """
    from icalendar import Calendar, Event  # imported late to save 3 MB

    calendar = Calendar()
    calendar.add("prodid", "-//AED network//upkeep//ZH")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", "AED 维护 upkeep")
    calendar.add("refresh-interval", timedelta(hours=12), parameters={"VALUE": "DURATION"})
    for due in duties.dues:
        device, today = duties.devices[due.device_id], duties.today[due.device_id]
        en, zh = DUE_WORDS[due.due_kind]
        late = due.overdue_days(today)
        day = max(due.due_on, today)
        event = Event()
        event.add("uid", f"due-{due.device_id}-{due.due_kind}@aed")
        event.add("dtstamp", at)
        event.add("dtstart", day)
        event.add("dtend", day + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
        overdue = f"（逾期{late}天 {late} days overdue）" if late else ""
        event.add("summary", f"AED {short_number(due.device_id)} {zh} {en}{overdue}")
        places = (device.estate_zh or device.estate_en, device.place_zh or device.place_en)
        if where := " ".join(each for each in places if each):
            event.add("location", where)
        model = " ".join(each for each in (device.maker, device.model, device.serial) if each)
        event.add("description", f"{due.due_on:%Y-%m-%d} {zh} {en}" + (f"\n{model}" if model else ""))
        calendar.add_component(event)
    made: bytes = calendar.to_ical()
    return made
