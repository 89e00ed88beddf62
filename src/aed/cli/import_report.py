"""Print the result of an import of devices, or of a dry run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aed.cli.language import either, is_chinese
from aed.cli.screen import plural, say, table
from aed.imports.devices.answers import OF_DEVICE, Answers
from aed.imports.devices.import_rows import ImportedRow
from aed.imports.devices.preview import Preview
from aed.imports.devices.questions import SHOWN_FIELDS, DuplicateQuestion, Unanswered, shown_fields
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Decision
from aed.translation import CHINESE, SOURCE, translate

SHOWN = 20
SHOWN_COLUMNS = 40


def print_report(report: DeviceReport, *, in_detail: bool) -> None:
    """Print a sentence for each result beyond new, changed and unchanged; in detail, each row too."""
    if report.merged:
        say(f"Merged with devices of another list: {report.merged}.")
    if in_detail:
        _tables(report)
    if report.waiting:
        say(f"Possibly registered by another list: {report.waiting}. `aed reviews list` shows them.")
    if report.conflicting:
        say(f"Different from another list: {report.conflicting}. `aed reviews list` shows the differences.")
    for gone in report.gone:
        if gone.is_held_back:
            say(
                f"{plural(len(gone.source_ids), 'device')} of {gone.source} missing from the list: too "
                "many to mark as gone without a decision. `aed reviews list` shows the question."
            )
        else:
            say(f"{plural(len(gone.source_ids), 'device')} of {gone.source} not listed now: marked as gone.")
    if report.unnamed:
        say("No device is marked as gone, because not every row identifies its device.")


def print_preview(found: Preview, *, region: str | None = None, answers: Answers | None = None) -> None:
    """Print how a list would be read: its columns, five rows, and what a person should check."""
    for note in found.notes:
        say(translate(note.template, CHINESE if is_chinese() else SOURCE, note.values))
    not_read = either("not read", "不读取")
    columns = [(each.heading, each.field or not_read, each.example) for each in found.columns[:SHOWN_COLUMNS]]
    if columns:
        table(either("Columns", "列"), ["heading 标题", "field 字段", "example 例"], columns)
    if len(found.columns) > SHOWN_COLUMNS:
        say(f"… and {len(found.columns) - SHOWN_COLUMNS} more columns.")
    for row in found.samples:
        say(f"{row.where}: " + ", ".join(f"{name}={value}" for name, value in row.fields.items()))
        if row.estate is not None:
            say(f"  estate: {row.estate.name_zh} {row.estate.name_en}")
    say(
        either(
            f"{plural(found.rows, 'row')}: {found.good} can be imported, {len(found.bad)} cannot.",
            f"共 {found.rows} 行：可导入 {found.good} 行，不能导入 {len(found.bad)} 行。",
        )
    )
    for estate, count in list(found.estates.items())[:SHOWN]:
        say(f"{estate.name_zh} {estate.name_en}: {count}")
    if found.outside and region is not None:
        say(
            either(
                f"{plural(found.outside, 'device')} in no registered estate: of the region {region}.",
                f"{found.outside} 台不在任何已登记的园区内，归入区域 {region}。",
            )
        )
    elif found.outside:
        say(
            either(
                f"{plural(found.outside, 'device')} in no registered estate: give their --region.",
                f"{found.outside} 台不在任何已登记的园区内；请用 --region 指定区域。",
            )
        )
    _questions(found.questions, answers or {})
    if found.bad:
        rows = [(row.where, row.reason) for row in found.bad[:SHOWN]]
        table(either("Rows that cannot be imported", "不能导入的行"), ["where", "reason"], rows)


def _questions(asked: Sequence[DuplicateQuestion], answers: Answers) -> None:
    """Print the questions about duplicates, with both side by side and how to answer."""
    for each in asked[:SHOWN]:
        row, known = shown_fields(each.row), shown_fields(each.known)
        other = each.other_where or each.other.replace(":", " ")
        rows = [
            (name, _words(row.get(name)), _words(known.get(name)))
            for name in SHOWN_FIELDS
            if name in row or name in known
        ]
        say(str(each))
        table(None, ["", each.where, other], rows)
        answer = answers.get(each.number, {}).get(each.other)
        named = each.other.removeprefix(OF_DEVICE)
        if answer is None:
            say(_UNANSWERED[each.unanswered](f"--same {each.number}={named}", f"--different {each.number}"))
        else:
            say(either(f"Answered: {answer}.", f"已回答：{_ANSWERED[answer]}。"))
    if len(asked) > SHOWN:
        count = len(asked) - SHOWN
        say(either(f"… and {plural(count, 'more question')}.", f"……还有 {count} 个问题。"))


_ANSWERED: Final = {Decision.SAME: "同一台", Decision.DIFFERENT: "不是同一台"}
_UNANSWERED: Final[Mapping[Unanswered, Callable[[str, str], str]]] = {
    Unanswered.JOINED: lambda same, different: either(
        f"Counts as the same. If it is another device: {different}",
        f"按同一台处理。若不是同一台，请用 {different}",
    ),
    Unanswered.WAITING: lambda same, different: either(
        f"Answer with {same} or {different}; without an answer the row waits (aed reviews).",
        f"请用 {same} 或 {different} 回答；不回答则该行待决（aed reviews）。",
    ),
    Unanswered.REGISTERED: lambda same, different: either(
        f"Answer with {same} or {different}; without an answer both are registered.",
        f"请用 {same} 或 {different} 回答；不回答则两台都登记。",
    ),
}


def _tables(report: DeviceReport) -> None:
    _table("New", ["where", "source", "id"], [_row(each) for each in report.added], report.new)
    changed = [
        (*_row(each), name, _words(before), _words(now))
        for each in report.amended
        for name, (before, now) in sorted(each.changes.items())
    ]
    columns = ["where", "source", "id", "what", "before", "now"]
    _table("Changed", columns, changed, report.changed and len(changed))
    matched = [
        (
            *_row(each),
            each.match.device_id,
            f"{each.match.likeness.score:.2f}",
            "merged" if each.match.is_sure else "asked",
            "; ".join(sign.reason for sign in each.match.likeness.signs),
        )
        for each in report.matched
        if each.match is not None
    ]
    columns = ["where", "source", "id", "device", "score", "", "reasons"]
    _table("Possibly registered already", columns, matched, report.merged + report.waiting)
    disputed = [(*_row(each), each.device_id, ", ".join(each.conflicts)) for each in report.disputed]
    _table("Two lists disagree", ["where", "source", "id", "device", "about"], disputed, report.conflicting)
    gone = [
        (each.source, source_id, "waiting for a decision" if each.is_held_back else "")
        for each in report.gone
        for source_id in each.source_ids[:SHOWN]
    ]
    count = sum(len(each.source_ids) for each in report.gone)
    _table("No longer listed", ["source", "id", ""], gone, count)


def _row(taken: ImportedRow) -> tuple[str, str, str]:
    return taken.entry.where, taken.entry.source, taken.entry.source_id


def _table(title: str, columns: list[str], rows: list[Any], count: int) -> None:
    if not rows:
        return
    table(title, columns, rows[:SHOWN])
    if count > SHOWN:
        say(f"… and {count - SHOWN} more.")


def _words(value: Any) -> str:
    if isinstance(value, dict):
        parts_given = {name: part for name, part in value.items() if part is not None}
        if "given" in parts_given:
            lat, lon, datum = parts_given["given"]
            return f"{lat} {lon} {datum}"
        return " · ".join(str(part) for part in parts_given.values())
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
