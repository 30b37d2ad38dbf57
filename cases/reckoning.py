"""Open deadlines reckoned anew when the calendar behind them has changed.

A deadline follows its rule (routing/rule.py). One that is not what its rule gave by the calendar before was
set by hand, and stays.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cases import journal
from cases.states import OPEN, OWED, State
from routing.policy import Policy
from routing.rule import Rule, Span
from routing.working_time import Calendar, Due
from storage import bulk
from storage.tables import Ticket
from storage.work import Closing, Instruction, SubOrder, Supervision


@dataclass(frozen=True, slots=True)
class Reckoned:
    """How many deadlines `moved`, how many only lost or got their provisional mark, how many `stayed`.

    Those that stayed were set by hand, or by a rule that the policy has no more. What is sealed is reckoned
    like all else and counted by nobody.
    """

    moved: int = 0
    marked: int = 0
    stayed: int = 0

    def __add__(self, other: "Reckoned") -> "Reckoned":
        return Reckoned(self.moved + other.moved, self.marked + other.marked, self.stayed + other.stayed)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of deadline: its name in the journal, its columns, and where its row began if no rule says."""

    name: str
    table: type[Any]
    ticket_id: InstrumentedAttribute[int]
    due_at: InstrumentedAttribute[datetime | None]
    provisional: InstrumentedAttribute[bool]
    rule: ColumnElement[str] | InstrumentedAttribute[str]
    began: ColumnElement[Any] | InstrumentedAttribute[Any]
    runs: Sequence[ColumnElement[bool]]

    def rows(self, since: datetime) -> Select[Any]:
        """What may be touched, locked: no deadline depends on days after it."""
        ticket = select(Ticket.sealed).where(Ticket.id == self.ticket_id)
        sealed = Ticket.sealed if self.table is Ticket else ticket.scalar_subquery()
        columns = (
            self.table.id,
            self.ticket_id,
            self.due_at,
            self.provisional,
            self.rule,
            self.began,
            sealed,
        )
        query = select(*columns).where(*self.runs, self.due_at >= since)
        return query.order_by(self.table.id).with_for_update(of=self.table)


def _kinds(policy: Policy) -> Iterator[_Kind]:
    began = select(Closing.decided_at).where(Closing.ticket_id == Ticket.id, Closing.decision == "approved")
    asked = Rule((Span.of(policy.handling.visit_within),))  # of visits that have no rule yet
    yield _Kind(
        *("ticket", Ticket, Ticket.id, Ticket.due_at, Ticket.due_provisional, Ticket.due_rule),
        Ticket.created_at,
        (Ticket.state.in_(OPEN),),
    )
    yield _Kind(
        *("visit", Ticket, Ticket.id, Ticket.visit_due_at, Ticket.visit_due_provisional),
        func.coalesce(func.nullif(Ticket.visit_due_rule, ""), str(asked)),
        began.order_by(Closing.id.desc()).limit(1).scalar_subquery(),
        (Ticket.state == State.VISIT,),
    )
    for name, table, start, runs in (
        ("order", SubOrder, SubOrder.sent_at, SubOrder.state.in_(OWED)),
        ("instruction", Instruction, Instruction.given_at, Instruction.done_at.is_(None)),
        ("supervision", Supervision, Supervision.at, Supervision.ended_at.is_(None)),
    ):
        columns = (table.ticket_id, table.due_at, table.due_provisional, table.due_rule)
        yield _Kind(name, table, *columns, start, (runs,))


def reckon_anew(
    session: Session, before: Calendar, after: Calendar, changed: Sequence[date], policy: Policy
) -> Reckoned:
    """Every open deadline of tickets, visits, shares, instructions and supervisions that `changed` touches.

    Tickets first, as every act locks them. Each that moves or is settled has its line in its ticket's story.
    """
    since = datetime.combine(min(changed), time(0), policy.zone).astimezone(UTC)
    found, reckoner = Reckoned(), _Reckoner(before, after, policy)
    for kind in _kinds(policy):
        found += _of_kind(session, kind, since, reckoner)
    return found


def _of_kind(session: Session, kind: _Kind, since: datetime, reckoner: "_Reckoner") -> Reckoned:
    moved = marked = stayed = 0
    new: list[dict[str, Any]] = []
    told: list[tuple[int, dict[str, Any]]] = []
    for key, ticket_id, due_at, provisional, rule, began, sealed in session.execute(kind.rows(since)).all():
        due = reckoner.again(rule, began, due_at)
        if due is None:
            stayed += not sealed
            continue
        at, open_year = due
        if (at, open_year) == (due_at, provisional):
            continue
        if not sealed:
            moved, marked = moved + (at != due_at), marked + (at == due_at)
        new.append({"id": key, kind.due_at.key: at, kind.provisional.key: open_year})
        was = {"of": kind.name, "id": key, "old": due_at.isoformat(), "new": at.isoformat()}
        told.append((ticket_id, {**was, "provisional": open_year}))
    journal.append_all(session, "ticket.reckoned", "ticket", told)
    bulk.update_all(session, kind.table, new)
    return Reckoned(moved, marked, stayed)


class _Reckoner:
    """Rules by two calendars. Limits of days that began on one day end together, and are reckoned once."""

    def __init__(self, before: Calendar, after: Calendar, policy: Policy) -> None:
        self._before, self._after, self._policy = before, after, policy
        self._known: dict[tuple[Any, ...], tuple[Due, Due]] = {}

    def again(self, text: str, began: datetime | None, due_at: datetime) -> tuple[datetime, bool] | None:
        """When it is due by the calendar after, and whether provisionally; None for what its rule never
        said."""
        try:
            rule = Rule.read(text)
            rule = rule if rule.since else replace(rule, since=began)
            was, due = self._reckoned(rule)
        except (ValueError, KeyError):
            return None
        return (due.at, due.provisional) if was.at == due_at else None

    def _reckoned(self, rule: Rule) -> tuple[Due, Due]:
        zone, hours = self._policy.zone, self._policy.hours
        known = rule.spans, rule.counts_from(zone)
        if known not in self._known:
            self._known[known] = rule.due(self._before, zone, hours), rule.due(self._after, zone, hours)
        return self._known[known]
