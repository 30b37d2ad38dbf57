"""A ticket's whole story on one line of time: the journal, with the words of what it names, and its calls.

Built for its viewer: what she may not see is not there. Texts are as they are stored; pages mask them with
cases/personal.telling.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import closing, shares, units
from cases.history import Entry, record_history
from cases.permissions import Action, may
from cases.tickets import TicketRecord
from cases.visible import visible_tickets
from storage.staff import Person
from storage.tables import Call, Ticket, Unsealing
from storage.viewer import Role, Viewer
from storage.work import Closing, Ending, Instruction, SubOrder, Supervision, TicketNote, UnitRequest, Visit

CALL = "call"  # the act of a moment that is a call
RULED = ("order.uphold", "order.overrule", "order.extension_granted", "order.extension_refused")
INSIDE = ("ticket.rung", "ticket.report_up")  # for those who supervise, report and instruct

# What the journal's details name, by the name that they have there.
_KINDS: Mapping[str, type[Any]] = {
    "order": SubOrder,
    "note": TicketNote,
    "closing": Closing,
    "visit": Visit,
    "ending": Ending,
    "supervision": Supervision,
    "instruction": Instruction,
    "request": UnitRequest,
    "unsealing": Unsealing,
}


@dataclass(frozen=True, slots=True)
class Word:
    """A text: `name` says what it is (message timeline.<name>), `unit` to whom it was said, or ''."""

    name: str
    text: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened. `who` is '' for the system; `units`: names, each lead, assist or ''.

    `facts`: codes, times and names for the page. `call`: what began then; `call_id`: one that belongs to it.
    """

    at: datetime
    act: str
    who: str
    units: tuple[tuple[str, str], ...] = ()
    words: tuple[Word, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    call: Call | None = None
    call_id: str = ""


def story(session: Session, viewer: Viewer, record: TicketRecord) -> list[Moment]:
    """Oldest first. One query for each kind of thing that the journal names. Raises NotVisible."""
    entries = record_history(session, viewer, "ticket", record.ticket.id)
    entries = [entry for entry in entries if entry.act != "ticket.dialled"]  # the call itself is told
    if not any(may(viewer, action) for action in (Action.SUPERVISE, Action.REPORT_UP, Action.INSTRUCT)):
        entries = [entry for entry in entries if entry.act not in INSIDE]
    told = _Told(session, viewer, record, entries)
    times = _times(entries, [told.own_time(entry) for entry in entries])
    moments = [told.call(call) for call in record.calls]
    moments += [told.moment(entry, at) for entry, at in zip(entries, times, strict=True)]
    return sorted(moments, key=attrgetter("at"))


def _times(entries: Sequence[Entry], own: Sequence[datetime | None]) -> list[datetime]:
    """What was done in one transaction stays together: who has no time of her own has her neighbour's."""
    found: list[datetime] = []
    for at, group in groupby(zip(entries, own, strict=True), key=lambda pair: pair[0].at):
        times = [time for _, time in group]
        last = next((time for time in times if time is not None), at)
        for time in times:
            last = time or last
            found.append(last)
    return found


class _Told:
    """All that the entries name, and how each is told to this viewer."""

    def __init__(
        self, session: Session, viewer: Viewer, record: TicketRecord, entries: Sequence[Entry]
    ) -> None:
        self._viewer = viewer
        self._ticket = record.ticket
        self._calls = {call.id for call in record.calls}
        wanted: dict[str, set[int]] = {name: set() for name in _KINDS}
        for entry in entries:
            for name, key in _named(entry):
                wanted[name].add(key)
            wanted["order"].update(_sent(entry))
        self._rows = {
            (name, row.id): row
            for name, ids in wanted.items()
            if ids
            for row in session.scalars(select(_KINDS[name]).where(_KINDS[name].id.in_(ids)))
        }
        known = units.everyone(session)
        self._units: dict[int | str, str] = {unit.id: unit.name for unit in known}
        self._units |= {unit.code: unit.name for unit in known}
        people = {entry.detail.get("person_id") for entry in entries}
        people = (people | {call.agent_id for call in record.calls}) - {None}
        named = select(Person.id, Person.name).where(Person.id.in_(people))
        self._people = {row.id: row.name for row in session.execute(named)} if people else {}
        others = {
            entry.detail[name] for entry in entries for name in ("lead", "merged") if name in entry.detail
        }
        seen = (
            visible_tickets(viewer).where(Ticket.id.in_(others)).with_only_columns(Ticket.id, Ticket.number)
        )
        self._numbers = {row.id: row.number for row in session.execute(seen)} if others else {}
        self._leads = viewer.role is not Role.UNIT_CLERK or closing.leads(
            viewer, shares.leading(shares.of(session, record.ticket))
        )
        # A share's note is overwritten when it is sent again: it stands where it was said.
        self._last_sent = {key: entry for entry in entries for key in _sent(entry)}

    def own_time(self, entry: Entry) -> datetime | None:
        """When it was done, by the row that says so."""
        if entry.act == "ticket.created":
            return self._ticket.created_at
        times: Mapping[str, tuple[str, str]] = {
            "note": ("note", "at"),
            "visit": ("visit", "at"),
            "closing": ("closing", "at" if entry.act == "ticket.close" else "decided_at"),
            "ending": ("ending", "receipt_at" if entry.act == "ticket.receipt" else "at"),
            "supervision": ("supervision", "ended_at" if entry.act == "ticket.supervision_end" else "at"),
            "instruction": ("instruction", _INSTRUCTED.get(entry.act, ("reported_at", ""))[0]),
            "request": ("request", "decided_at" if entry.act in RULED else "asked_at"),
            "unsealing": ("unsealing", "asked_at" if entry.act.endswith("_asked") else "decided_at"),
        }
        for name, key in _named(entry):
            row = self._rows.get((name, key))
            if row is not None and name in times:
                at: datetime | None = getattr(row, times[name][1])
                return at
        for key in _sent(entry):
            if self._last_sent[key] is entry and (order := self._rows.get(("order", key))) is not None:
                sent_at: datetime = order.sent_at
                return sent_at
        return None

    def moment(self, entry: Entry, at: datetime) -> Moment:
        facts = {**entry.detail, **dict(self._facts(entry))}
        call_id = facts.get("call_id") or entry.detail.get("call") or ""
        return Moment(
            at,
            entry.act,
            entry.actor,
            tuple(self._about(entry)),
            tuple(word for word in self._words(entry) if word.text),
            facts,
            call_id=call_id if call_id in self._calls and entry.act != "ticket.created" else "",
        )

    def call(self, call: Call) -> Moment:
        return Moment(call.began_at, CALL, self._people.get(call.agent_id or 0, ""), call=call)

    def _about(self, entry: Entry) -> Iterator[tuple[str, str]]:
        detail = entry.detail
        parts = detail.get("parts") or [""] * len(detail.get("units", ()))
        for code, part in zip(detail.get("units", ()), parts, strict=True):
            yield self._units.get(code, code), part
        order = self._row(entry, "order")
        if order is not None:
            yield self._units.get(order.unit_id, ""), ""

    def _facts(self, entry: Entry) -> Iterator[tuple[str, Any]]:
        if (person_id := entry.detail.get("person_id")) is not None:
            yield "person", self._people.get(person_id, "")
        for name in ("lead", "merged"):
            if name in entry.detail:
                yield name, self._numbers.get(entry.detail[name], "")
        if visit := self._row(entry, "visit"):
            yield from (
                ("reached", visit.reached),
                ("satisfied", visit.satisfied),
                ("call_id", visit.call_id),
            )
        if note := self._row(entry, "note"):
            yield "call_id", note.call_id
        if (form := self._row(entry, "closing")) and entry.act == "ticket.close":
            yield from (("finding", form.finding), ("solved", form.solved))
        if request := self._row(entry, "request"):
            yield from (("before", request.due_before), ("after", request.due_after))
            yield "better", self._units.get(request.unit_id or 0, "")
            yield "choice", request.choice
        if entry.act == "ticket.supervise" and (row := self._row(entry, "supervision")):
            yield "until", row.due_at
        if entry.act == "ticket.instruct" and (row := self._row(entry, "instruction")):
            yield from (("until", row.due_at), ("designated", self._units.get(row.unit_id or 0, "")))

    def _words(self, entry: Entry) -> Iterator[Word]:
        order = self._row(entry, "order")
        if order is not None and not self._reads(order):
            return
        yield from self._said(entry)
        for key in _sent(entry):
            sent = self._rows.get(("order", key))
            if sent is not None and self._last_sent[key] is entry and self._reads(sent):
                yield Word("note", sent.note, self._units.get(sent.unit_id, ""))

    def _said(self, entry: Entry) -> Iterator[Word]:
        if note := self._row(entry, "note"):
            yield Word("reply" if entry.act == "order.reply" else "text", note.text)
        if request := self._row(entry, "request"):
            ruled = entry.act in RULED
            yield Word("remark", request.remark) if ruled else Word("ground", request.ground)
            yield Word("law", "" if ruled else request.law)
        if form := self._row(entry, "closing"):
            inside = ("account", "why_unsolved") if self._leads else ()  # not for units that assist
            names = ("public_reply", *inside) if entry.act == "ticket.close" else ("remark",)
            yield from (Word(name, getattr(form, name)) for name in names)
        if visit := self._row(entry, "visit"):
            yield Word("caller_said", visit.words)
        if ending := self._row(entry, "ending"):
            receipt = entry.act == "ticket.receipt"
            yield Word("receipt", ending.receipt) if receipt else Word("told", ending.words)
        if supervision := self._row(entry, "supervision"):
            name = "outcome" if entry.act == "ticket.supervision_end" else "demand"
            yield Word(name, getattr(supervision, name))
        if (instruction := self._row(entry, "instruction")) and entry.act in _INSTRUCTED:
            name = _INSTRUCTED[entry.act][1]
            yield Word("instruction" if name == "words" else name, getattr(instruction, name))
        if (unsealing := self._row(entry, "unsealing")) and may(self._viewer, Action.UNSEAL):
            yield Word("ground", unsealing.ground if entry.act.endswith("_asked") else "")

    def _reads(self, order: SubOrder) -> bool:
        """A clerk reads her own unit's words and those below it, not those of others on the case."""
        return self._viewer.role is not Role.UNIT_CLERK or order.unit_id in self._viewer.units

    def _row(self, entry: Entry, name: str) -> Any:
        return next((self._rows.get((kind, key)) for kind, key in _named(entry) if kind == name), None)


# When it was done, and what was written then.
_INSTRUCTED = {
    "ticket.report_up": ("reported_at", "report"),
    "ticket.instruct": ("given_at", "words"),
    "ticket.fulfil": ("done_at", "outcome"),
}


def _named(entry: Entry) -> Iterator[tuple[str, int]]:
    """The rows that an entry names, as (name in _KINDS, id)."""
    for name, told in entry.detail.items():
        if name == "request" and entry.act.startswith("ticket.unsealing"):
            yield "unsealing", told
        elif name in _KINDS and isinstance(told, int):
            yield name, told


def _sent(entry: Entry) -> list[int]:
    """The shares that this sent."""
    if entry.act == "order.passed_down":
        return [entry.detail["order"]]
    sent: list[int] = entry.detail.get("orders", []) if entry.act == "ticket.dispatch" else []
    return sent
