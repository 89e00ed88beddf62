"""The pages of endpoints, outgoing messages and jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.masking import mask_recipient
from aed.accounts.permissions import Viewer
from aed.notifications import queries as message_queries
from aed.notifications.models import OutboxMessage
from aed.notifications.rules import OWN_CHANNELS, PHONE_CHANNELS, Channel, OutboxState, WaitingFor, WaitReason
from aed.notifications.schemas import state_of
from aed.web.administration.rules import Asked, Button, Cell, Content, Form, Input, Listing, Row, Words
from aed.web.words import noop
from aed.worker import queries as worker_queries
from aed.worker.jobs import Job
from aed.worker.models import JobRun
from aed.worker.rules import RunState, next_due, schedule_words

SHOWN: Final = 50
AT: Final = noop("When")
NAME: Final = noop("Name")
STATE: Final = noop("State")
CHANNEL: Final = noop("Channel")
REMOVE: Final = noop("Remove")
CHANNELS: Final = {
    Channel.SMS: Words(noop("text message")),
    Channel.VOICE: Words(noop("voice call")),
    Channel.EMAIL: Words(noop("e-mail")),
    Channel.WEB_PUSH: Words(noop("browser notification")),
    Channel.DINGTALK: Words(noop("DingTalk group")),
    Channel.WECOM: Words(noop("WeCom group")),
    Channel.FEISHU: Words(noop("Feishu group")),
    Channel.WECHAT: Words(noop("WeChat mini program")),
    Channel.WECOM_APP: Words(noop("WeCom member")),
    Channel.DINGTALK_APP: Words(noop("DingTalk member")),
    Channel.WEBHOOK: Words("Webhook"),
    Channel.APPRISE: Words("Apprise"),
}
_ADDABLE: Final = tuple(
    each for each in Channel if each not in (*PHONE_CHANNELS, *OWN_CHANNELS, Channel.WEB_PUSH)
)
_STATES: Final[Mapping[OutboxState, str]] = {
    OutboxState.WAITING: noop("waiting"),
    OutboxState.SENT: noop("sent"),
    OutboxState.DEAD: noop("given up"),
}
_WAITS: Final[Mapping[WaitReason, str]] = {
    WaitReason.NOT_DUE: noop("It is scheduled for %(until)s."),
    WaitReason.RETRY: noop("The last attempt failed. The next is at %(until)s."),
    WaitReason.EARLIER_MESSAGE: noop("Message %(behind)s to the same recipient must be sent first."),
    WaitReason.CHANNEL_DOWN: noop("The channel is down. The next attempt is at %(until)s."),
    WaitReason.BEING_SENT: noop("It is being sent."),
    WaitReason.PAUSED: noop("No worker is running: start aed work."),
    WaitReason.NEXT: noop("It is sent next."),
}
_RUNS: Final[Mapping[RunState, str]] = {
    RunState.RUNNING: noop("running"),
    RunState.DONE: noop("done"),
    RunState.FAILED: noop("failed"),
    RunState.CUT_OFF: noop("interrupted"),
}

# --- Endpoints and messages -----------------------------------------------------------------------------


def endpoints_content(session: Session, viewer: Viewer, asked: Asked) -> Content:
    """Endpoints with their backlog, a test message for each, and the form that adds one."""
    found = message_queries.endpoints(session, viewer, limit=SHOWN + 1, after_id=asked.after)
    backlog = message_queries.backlog(session, [each.id for each in found])
    rows = []
    for each in found[:SHOWN]:
        waiting, dead = backlog.get(each.id, (0, 0))
        buttons = [
            Button("test", noop("Send a test message"), each.name),
            Button("remove", REMOVE, each.name, noop("Messages that wait for it are cancelled.")),
        ]
        cells = (each.name, CHANNELS[each.channel], each.created_at, waiting, dead)
        rows.append(Row(cells, buttons=buttons, is_wrong=dead > 0))
    columns = (NAME, CHANNEL, noop("Since"), noop("Waiting"), noop("Given up"))
    more = f"after={found[SHOWN - 1].id}" if len(found) > SHOWN else ""
    return Content(
        listings=[Listing(noop("Endpoints"), columns, rows, noop("There is no endpoint yet."), more)],
        forms=[
            Form(
                "add",
                noop("Add an endpoint"),
                [
                    Input("name", NAME, hint=noop("Such as gate-group."), is_required=True),
                    Input(
                        "channel",
                        CHANNEL,
                        "select",
                        choices=[(each.value, CHANNELS[each].text) for each in _ADDABLE],
                    ),
                    Input(
                        "address",
                        noop("Address"),
                        hint=noop("An e-mail address or a URL. It is never shown again."),
                        is_required=True,
                    ),
                    Input(
                        "secret",
                        noop("Secret of the bot"),
                        hint=noop("For a bot that signs. A webhook gets a secret here, shown once."),
                    ),
                ],
                noop("Add"),
            )
        ],
    )


def outbox_content(session: Session, viewer: Viewer, asked: Asked, at: datetime) -> Content:
    """Messages of a state, without their texts: why each waits, or why it was given up."""
    state = OutboxState(asked.state) if asked.state in OutboxState else OutboxState.WAITING
    found = message_queries.messages(session, viewer, state=state, limit=SHOWN + 1, after_id=asked.after)
    waits = message_queries.waiting_reasons(session, found[:SHOWN], at=at)
    rows = [_message_row(each, waits.get(each.id)) for each in found[:SHOWN]]
    columns = (noop("Number"), CHANNEL, noop("To"), noop("Attempts"), AT, noop("Why"))
    more = f"state={state.value}&after={found[SHOWN - 1].id}" if len(found) > SHOWN else ""
    backlogs = [
        Row((CHANNELS[each.channel], each.waiting, each.dead, each.oldest_due_at, each.last_sent_at))
        for each in message_queries.outbox_backlogs(session, viewer)
        if each.waiting or each.dead or each.last_sent_at
    ]
    return Content(
        filters=[
            Form(
                "",
                noop("Which messages"),
                [
                    Input(
                        "state",
                        STATE,
                        "select",
                        state.value,
                        [(each.value, name) for each, name in _STATES.items()],
                    )
                ],
                noop("Show"),
            )
        ],
        listings=[
            Listing(noop("Messages"), columns, rows, noop("No message is in this state."), more),
            Listing(
                noop("Channels"),
                (CHANNEL, noop("Waiting"), noop("Given up"), noop("First due"), noop("Last sent")),
                backlogs,
                noop("No message was ever written."),
            ),
        ],
    )


def _message_row(row: OutboxMessage, wait: WaitingFor | None) -> Row:
    at = row.sent_at or row.given_up_at or row.due_at
    return Row(
        (row.id, CHANNELS[row.channel], mask_recipient(row.recipient), row.tries, at, _why(row, wait)),
        buttons=_message_buttons(row),
        is_wrong=row.given_up_at is not None,
    )


def _why(row: OutboxMessage, wait: WaitingFor | None) -> Cell:
    if wait is None:
        return row.reason
    until = f"{wait.until:%Y-%m-%d %H:%M} UTC" if wait.until is not None else ""
    return Words(_WAITS[wait.reason], {"until": until, "behind": wait.behind_id or ""})


def _message_buttons(row: OutboxMessage) -> Sequence[Button]:
    match state_of(row):
        case OutboxState.WAITING:
            words = noop("It is never sent. Messages behind it are.")
            return [Button("cancel", noop("Cancel the message"), str(row.id), words)]
        case OutboxState.DEAD:
            return [Button("resend", noop("Send it again"), str(row.id))]
        case _:
            return []


# --- Jobs -----------------------------------------------------------------------------------------------


def jobs_content(
    session: Session, viewer: Viewer, asked: Asked, timetable: Sequence[Job], at: datetime
) -> Content:
    """Scheduled jobs with their last run, and the last runs of the job named by `q`."""
    message_queries.require_can_see_outbox(viewer)
    last, lease = worker_queries.last_runs(session), worker_queries.lease(session)
    rows = []
    for job in timetable:
        run = last.get(job.name)
        cells = (job.name, schedule_words(job.when), next_due(job.when, at), *_run_cells(run))
        is_wrong = run is not None and run.result in (RunState.FAILED, RunState.CUT_OFF)
        rows.append(Row(cells, href=f"/administration/jobs?q={job.name}", is_wrong=is_wrong))
    columns = (noop("Job"), noop("When"), noop("Next"), noop("Last run"), noop("Result"), noop("Counts"))
    listings = [Listing(noop("Jobs"), columns, rows, noop("There is no job."))]
    if asked.q in {job.name for job in timetable}:
        runs = worker_queries.runs(session, asked.q, limit=20)
        listings.insert(
            0,
            Listing(
                noop("Last runs of the job"),
                (noop("Due"), noop("Started"), noop("Result"), noop("Counts"), noop("Worker")),
                [Row((each.due_at, *_run_cells(each), each.worker)) for each in runs],
                noop("It has not run yet."),
            ),
        )
    if lease is not None and worker_queries.is_held(lease, at=at):
        notice = Words(noop("The active worker is %(holder)s."), {"holder": lease.holder})
    else:
        notice = Words(noop("No worker is running: start aed work."))
    return Content(notices=[notice], listings=listings)


def _run_cells(run: JobRun | None) -> tuple[Cell, Cell, Cell]:
    """Return when it started, how it ended, and what it counted or the error."""
    if run is None:
        return None, Words(noop("not run yet")), None
    counts = ", ".join(f"{name} {count}" for name, count in (run.counts or {}).items())
    return run.started_at, Words(_RUNS[run.result]), run.error or counts
