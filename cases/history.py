"""What was done to a call, ticket or recording, by whom and when: the journal for those who may see it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, or_, select
from sqlalchemy.orm import Session, aliased

from cases import journal
from cases.errors import NotVisible
from cases.journal import SUBJECTS
from cases.lab import real_person
from cases.permissions import Action, demand, rule
from cases.visible import visible_calls, visible_recordings, visible_tickets
from storage.staff import Person
from storage.tables import Call, Journal, Recording, Ticket
from storage.viewer import Viewer

Subject = Literal["call", "ticket", "recording"]
READINGS = ("call.read", "ticket.read")


@dataclass(frozen=True, slots=True)
class Entry:
    """`actor` is '' for the system; `detail` holds codes and ids."""

    at: datetime
    actor: str
    act: str
    detail: dict[str, Any]


def record_history(session: Session, viewer: Viewer, subject: Subject, subject_id: str | int) -> list[Entry]:
    """The journal of one visible subject, oldest first; `subject_id` as the row's id. Raises NotVisible.

    That somebody read it is told of what is sealed only: of the rest it would be most of the story.
    """
    seen: dict[Subject, Select[Any]] = {
        "call": visible_calls(viewer).where(Call.id == str(subject_id)),
        "ticket": visible_tickets(viewer).where(Ticket.id == _number(subject_id)),
        "recording": visible_recordings(viewer).where(Recording.id == _number(subject_id)),
    }
    row = session.scalar(seen[subject])
    if row is None:
        raise NotVisible(f"no {subject} {subject_id}")
    untold = () if getattr(row, "sealed", True) else READINGS
    rows = session.execute(
        select(Journal, Person.name)
        .outerjoin(Person, Person.id == Journal.actor_id)
        .where(Journal.subject_kind == subject, Journal.subject_id == str(subject_id))
        .where(Journal.act.not_in(untold))
        .order_by(Journal.id)
    )
    return [Entry(row.at, name or "", row.act, row.detail) for row, name in rows]


def _number(subject_id: str | int) -> int:
    return int(subject_id) if str(subject_id).isdecimal() else -1


# -- the journal as a whole -------------------------------------------------------------------------

# What is done, by the name that it has in the journal; the word is the message `journal.act.<name>`.
ACTS = (
    "call.offered",
    "call.offer_ended",
    "call.read",
    "call.closed",
    "call.dialled",
    "call.reopened",
    "call.exported",
    "call.recused",
    "call.recusal_lifted",
    "call.handed_over",
    "call.named",
    "call.unnamed",
    "call.unsealed",
    "call.held",
    "call.released",
    "call.removed",
    "call.erased",
    "calls.exported",
    "ticket.created",
    "ticket.changed",
    "ticket.read",
    "ticket.finish",
    "ticket.reopen",
    "ticket.withdraw",
    "ticket.refuse",
    "ticket.transfer",
    "ticket.receipt",
    "ticket.dialled",
    "ticket.merge",
    "ticket.merged_in",
    "ticket.split",
    "ticket.close",
    "ticket.send_back",
    "ticket.approve",
    "ticket.release",
    "ticket.satisfy",
    "ticket.dissatisfy",
    "ticket.missed",
    "ticket.give_up",
    "ticket.charged",
    "ticket.unit_withdrawn",
    "ticket.attached",
    "ticket.attachment_read",
    "ticket.attachment_removed",
    "ticket.exported",
    "ticket.recused",
    "ticket.recusal_lifted",
    "ticket.handed_over",
    "ticket.named",
    "ticket.unnamed",
    "ticket.unsealing_asked",
    "ticket.unsealing_granted",
    "ticket.unsealing_refused",
    "ticket.unsealing_lapsed",
    "ticket.unsealed",
    "ticket.held",
    "ticket.released",
    "ticket.removed",
    "ticket.erased",
    "ticket.reckoned",
    "ticket.rung",
    "ticket.urge",
    "ticket.supervise",
    "ticket.supervision_end",
    "ticket.report_up",
    "ticket.instruct",
    "ticket.fulfil",
    "tickets.exported",
    "ticket.dispatch",
    "ticket.recall",
    "order.told",
    "order.take",
    "order.object",
    "order.uphold",
    "order.overrule",
    "order.reply",
    "order.redo",
    "order.recall",
    "order.due_moved",
    "order.finish",
    "order.passed_down",
    "order.progress",
    "order.extension_asked",
    "order.extension_granted",
    "order.extension_refused",
    "recording.kept",
    "recording.gap",
    "recording.played",
    "recording.removed",
    "retention.removed",
    "retention.erased",
    "personal.shown",
    "personal.sheet",
    "caller.corrected",
    "caller.merged",
    "caller.unmerged",
    "enterprise.corrected",
    "enterprise.merged",
    "enterprise.unmerged",
    "offer.unanswered",
    "duty.ready",
    "duty.paused",
    "duty.off",
    "person.created",
    "person.placed",
    "person.left",
    "person.logged_in",
    "person.code_refused",
    "person.password_set",
    "person.totp_on",
    "person.totp_off",
    "person.recovery_code",
    "person.notices_set",
    "person.receipt_settled",
    "session.ended",
    "calendar.announced",
    "calendar.unannounced",
    "calendar.day_set",
    "calendar.day_removed",
    "directory.added",
    "directory.changed",
    "directory.on",
    "directory.off",
    "unit.phone_set",
    "knowledge.written",
    "knowledge.published",
    "knowledge.withdrawn",
    "looks.listed",
    "journal.read",
    "journal.verified",
    "policy.ladders",
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of the journal ended: the time of its last line, and how many lines of that very time it
    has shown. Lines have no numbers here: a gap would tell of what is sealed."""

    at: datetime
    shown: int

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{self.shown}"

    @classmethod
    def read(cls, typed: str) -> "Cursor":
        """Raises ValueError."""
        at, _, shown = typed.partition("-")
        if not (shown.isascii() and shown.isdecimal() and len(shown) < 6):
            raise ValueError(typed)
        return cls(datetime.strptime(at, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC), int(shown))


@dataclass(frozen=True, slots=True)
class JournalSearch:
    """`actor_id` 0: the system. From `since` on, before `until`, and older than `before`."""

    actor_id: int | None = None
    act: str = ""
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None
    address: str = ""
    before: Cursor | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the journal. `actor` is '' for the system; `subject` is a call's id, a ticket's number, a
    person's name, or ''. `detail` holds codes and ids."""

    at: datetime
    actor: str
    act: str
    kind: str
    subject: str
    rule: str
    detail: dict[str, Any]
    address: str
    session: int | None


def read_journal(session: Session, viewer: Viewer, search: JournalSearch) -> tuple[list[Line], Cursor | None]:
    """Lines newest first, and the cursor of those before, if there are any. On record itself.

    What concerns a call or ticket that the viewer may not know of is not there. Raises NotAllowed.
    """
    demand(viewer, Action.READ_JOURNAL)
    rows = session.execute(_lines(viewer, search)).all()
    more, rows = len(rows) > search.limit, rows[: search.limit]
    shown = len(rows)
    narrowed: dict[str, Any] = {"person": search.actor_id, "act": search.act, "kind": search.kind}
    narrowed |= {"day": search.since and search.since.date().isoformat(), "address": search.address}
    asked = {f"of_{name}": value for name, value in narrowed.items() if value not in (None, "")}
    allowed = rule(viewer, Action.READ_JOURNAL)
    journal.append(session, viewer, "journal.read", "journal", "", rule=allowed, rows=shown, **asked)
    lines = [
        Line(
            row.at,
            actor or "",
            row.act,
            row.subject_kind,
            number or person or (row.subject_id if row.subject_kind == "call" else ""),
            row.rule,
            row.detail,
            row.address,
            row.session_id,
        )
        for row, actor, person, number in rows
    ]
    return lines, _cursor(rows, search.before) if more else None


def actors(session: Session) -> Sequence[Person]:
    """Everybody who is or was here, by log-in."""
    return session.scalars(select(Person).where(real_person()).order_by(Person.login)).all()


def _lines(viewer: Viewer, search: JournalSearch) -> Any:
    whom, about = aliased(Person), aliased(Ticket)
    query = (
        select(Journal, Person.name, whom.name, about.number)
        .outerjoin(Person, Person.id == Journal.actor_id)
        .outerjoin(whom, whom.id == _number_if("person"))
        .outerjoin(about, about.id == _number_if("ticket"))
        .where(*_known_to(viewer))
    )
    if search.actor_id is not None:
        query = query.where(Journal.actor_id == (search.actor_id or None))  # nobody's id is 0
    if search.act:
        query = query.where(Journal.act == search.act)
    if search.kind:
        query = query.where(Journal.subject_kind == search.kind)
    if search.address:
        query = query.where(Journal.address == search.address)
    if search.since is not None:
        query = query.where(Journal.at >= search.since)
    if search.until is not None:
        query = query.where(Journal.at < search.until)
    if search.before is not None:
        query = query.where(Journal.at <= search.before.at).offset(search.before.shown)
    return query.order_by(Journal.at.desc(), Journal.id.desc()).limit(search.limit + 1)


def _known_to(viewer: Viewer) -> Iterator[ColumnElement[bool]]:
    """Of every call, ticket and recording that a line speaks of, the viewer may know."""
    action = Action.READ_JOURNAL
    call_id = case((Journal.subject_kind == "call", Journal.subject_id), else_=Journal.detail["call"].astext)
    yield or_(call_id.is_(None), visible_calls(viewer, action).where(Call.id == call_id).exists())
    told = Journal.detail["ticket"].astext
    ticket_id = case((Journal.subject_kind == "ticket", Journal.subject_id), else_=told)
    seen = visible_tickets(viewer, action).where(Ticket.id == _whole(ticket_id))
    yield or_(ticket_id.is_(None), seen.exists())
    heard = visible_recordings(viewer, action).where(Recording.id == _number_if("recording"))
    yield or_(Journal.subject_kind != "recording", heard.exists())
    yield Journal.subject_kind.in_(SUBJECTS)


def _number_if(kind: str) -> ColumnElement[Any]:
    """The subject's id, of lines about this kind."""
    return _whole(case((Journal.subject_kind == kind, Journal.subject_id)))


def _whole(said: ColumnElement[Any]) -> ColumnElement[Any]:
    """A text as a number, -1 if it is none."""
    return case((said.regexp_match("^[0-9]{1,18}$"), cast(said, BigInteger)), else_=-1)


def _cursor(rows: Sequence[Any], before: Cursor | None) -> Cursor:
    last = rows[-1][0].at
    same = sum(row[0].at == last for row in rows)
    return Cursor(last, same + (before.shown if before and before.at == last else 0))
