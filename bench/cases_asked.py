"""What the pages ask, and the same in bare SQL: rows of a page and the count of each list, by hand, seen by
anybody, nothing opened that is sealed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

import agents.room  # noqa: F401 - the parts of a ticket's page
from agents.ticket_parts import PARTS
from bench.cases_city import SMALL_LINE, City
from cases import board, closing, order_trays, rulings, sorting, timeline, visits
from cases.tickets import TicketSearch, list_tickets, open_ticket
from storage.viewer import Role, Viewer

ROWS = 51  # a page, and whether there is another
UNIT = "fucheng"  # has more work than any other
FEW = "fucheng_tax"  # has hardly any


@dataclass(frozen=True, slots=True)
class Question:
    """A page: who opens it at which address, what it asks, and that in SQL with %(now)s, %(unit)s, %(id)s.

    `counts`: the lists' lengths, one SQL each; `of_ticket`: of a ticket that is drawn each time.
    """

    who: Viewer
    address: str
    ours: Callable[[Session, datetime, str], object]
    rows: str
    counts: tuple[str, ...] = ()
    of_ticket: bool = False
    unit_id: int = 0


_COUNT = "SELECT count(*) FROM "
_OPEN = "state IN ('accepted', 'handling', 'review', 'visit')"
_PROMISED = "state IN ('accepted', 'handling', 'review')"
_OWED = "state IN ('sent', 'taken', 'objected')"
_TOLD = "id, number, kind, state, title, caller_name, company, due_at, created_at"
_SHARE = "EXISTS (SELECT 1 FROM sub_order o WHERE o.ticket_id = t.id"
_BACK = (
    f"ticket t WHERE (state = 'accepted' AND sent_at IS NOT NULL) OR (state = 'handling' AND {_SHARE}"
    f" AND o.state IN ('returned', 'recalled')) AND NOT {_SHARE} AND o.part = 'lead' AND o.parent_id IS NULL"
    " AND o.state IN ('sent', 'taken', 'objected', 'replied')))"
)
_SORT = "ticket WHERE state = 'accepted' AND sent_at IS NULL"
_HANDLED = "sub_order o JOIN ticket t ON t.id = o.ticket_id WHERE t.state = 'handling' AND o.state = "
_MINE = (
    "sub_order o JOIN ticket t ON t.id = o.ticket_id WHERE t.state IN ('handling', 'review', 'visit')"
    " AND o.state IN ('sent', 'taken', 'objected', 'replied') AND o.unit_id = %(unit)s"
)
_AUDIT = "closing x JOIN ticket t ON t.id = x.ticket_id WHERE t.state = 'review' AND x.decision = ''"
_TOMORROW = "%(now)s::timestamptz + interval '1 day'"
_LATER = "waits_until IS NOT NULL AND waits_until >= %(now)s"


def _due(before: str) -> str:
    return f"(t.due_at < {before} OR {_SHARE} AND o.{_OWED} AND o.due_at < {before}))"


_LATE, _SOON = _due("%(now)s"), _due(_TOMORROW)


def questions(city: City) -> Mapping[str, Question]:
    """By name."""
    policy, staff = city.policy, city.staff
    return {
        "dispatcher": Question(
            staff[Role.DISPATCHER],
            "/dispatch",
            lambda session, now, _: (
                sorting.tray(session, staff[Role.DISPATCHER], "sort", now, ROWS),
                sorting.counts(session, staff[Role.DISPATCHER], now),
            ),
            f"SELECT {_TOLD} FROM {_SORT} ORDER BY due_at NULLS LAST, id LIMIT {ROWS}",
            (
                _COUNT + _SORT,
                _COUNT + _BACK,
                f"{_COUNT}{_HANDLED}'objected'",
                f"{_COUNT}{_HANDLED}'sent'",
                f"{_COUNT}ticket WHERE state = 'handling' AND due_at < {_TOMORROW}",
            ),
        ),
        "unit": _of_unit(city, UNIT),
        "reviewer": Question(
            staff[Role.REVIEWER],
            "/review",
            lambda session, *_: (
                closing.tray(session, staff[Role.REVIEWER], policy, ROWS),
                closing.counts(session, staff[Role.REVIEWER], policy),
            ),
            f"SELECT t.*, x.* FROM {_AUDIT} ORDER BY t.due_at NULLS LAST, t.id LIMIT {ROWS}",
            (_COUNT + _AUDIT,),
        ),
        "rulings": Question(
            staff[Role.DISPATCHER],
            "/rulings",
            lambda session, *_: (
                rulings.waiting(session, staff[Role.DISPATCHER], policy, limit=ROWS),
                rulings.counts(session, staff[Role.DISPATCHER], policy),
            ),
            "SELECT t.id, t.number, o.*, r.* FROM unit_request r JOIN sub_order o ON o.id = r.order_id"
            f" JOIN ticket t ON t.id = o.ticket_id WHERE r.decision = '' ORDER BY asked_at LIMIT {ROWS}",
            (f"{_COUNT}unit_request WHERE decision = '' AND kind = 'objection'",),
        ),
        "visitor": Question(
            staff[Role.VISITOR],
            "/visits",
            lambda session, now, _: (
                visits.tray(session, staff[Role.VISITOR], "today", policy, now, ROWS),
                visits.counts(session, staff[Role.VISITOR], policy, now),
            ),
            f"SELECT * FROM ticket WHERE state = 'visit' AND NOT ({_LATER})"
            f" ORDER BY redone DESC, coalesce(waits_until, visit_due_at), id LIMIT {ROWS}",
            (
                f"{_COUNT}ticket WHERE state = 'visit' AND {_LATER}",
                f"{_COUNT}ticket WHERE state = 'visit' AND NOT ({_LATER})",
            ),
        ),
        "supervision": Question(
            staff[Role.SUPERVISOR],
            "/supervision",
            lambda session, now, _: (
                board.tray(session, staff[Role.SUPERVISOR], "late", policy, now, ROWS),
                board.counts(session, staff[Role.SUPERVISOR], policy, now),
            ),
            f"SELECT {_TOLD} FROM ticket t WHERE {_PROMISED} AND {_LATE}"
            f" ORDER BY due_at NULLS LAST, id LIMIT {ROWS}",
            (
                f"{_COUNT}ticket t WHERE {_PROMISED} AND {_LATE}",
                f"{_COUNT}ticket t WHERE {_PROMISED} AND {_SOON} AND NOT {_LATE}",
                f"{_COUNT}ticket WHERE satisfied IN ('dissatisfied', 'very_dissatisfied')"
                f" AND ({_OPEN} OR closed_at > %(now)s::timestamptz - interval '30 days')",
                f"{_COUNT}ticket WHERE {_OPEN} AND returned >= 2",
                f"{_COUNT}ticket t WHERE {_OPEN} AND (SELECT count(DISTINCT unit_id) FROM sub_order o"
                " WHERE o.ticket_id = t.id AND o.state NOT IN ('returned', 'recalled')) >= 3",
                f"{_COUNT}supervision WHERE ended_at IS NULL",
                f"{_COUNT}instruction WHERE given_at IS NOT NULL AND done_at IS NULL",
            ),
        ),
        "tickets": _of_list(staff[Role.DISPATCHER], "true"),
        "tickets of a unit": _of_list(city.clerks[UNIT], _having()),
        "tickets of a small unit": _of_list(city.clerks[FEW], _having()),
        "tickets of a small line": _of_list(staff[Role.SECRETARY], _BY_LINE),
        "opening": Question(
            staff[Role.DISPATCHER],
            "/tickets/",
            lambda session, _, number: _opened(session, staff[Role.DISPATCHER], number, city),
            "SELECT * FROM ticket WHERE id = %(id)s",
            _OF_TICKET,
            of_ticket=True,
        ),
    }


_BY_LINE = (
    "EXISTS (SELECT 1 FROM ticket_call l JOIN call c ON c.id = l.call_id"
    f" WHERE l.ticket_id = t.id AND c.line = '{SMALL_LINE}')"
)


def _having() -> str:
    return f"{_SHARE} AND o.unit_id = %(unit)s AND o.state NOT IN ('returned', 'recalled'))"


def _of_unit(city: City, code: str) -> Question:
    who = city.clerks[code]
    conditions = (
        f"o.{_OWED}",
        "o.state = 'sent'",
        "o.state = 'taken'",
        f"o.{_OWED} AND o.due_at >= %(now)s AND o.due_at < {_TOMORROW}",
        f"o.{_OWED} AND o.due_at < %(now)s",
        f"o.{_OWED} AND EXISTS (SELECT 1 FROM unit_request r WHERE r.order_id = o.id AND r.decision = '')",
        "o.state = 'taken' AND o.redone > 0",
        "o.state = 'replied'",
    )
    counted = ", ".join(f"count(CASE WHEN {each} THEN 1 END)" for each in conditions)
    return Question(
        who,
        "/orders",
        lambda session, now, _: (
            order_trays.counts(session, who, now),
            order_trays.tray(session, who, "owed", city.policy, now, ROWS),
        ),
        "SELECT t.id, t.number, t.title, o.*, (SELECT max(at) FROM ticket_note n WHERE n.order_id = o.id"
        f" AND n.kind = 'progress') FROM {_MINE} AND o.{_OWED}"
        f" ORDER BY o.due_at NULLS LAST, o.id LIMIT {ROWS}",
        (f"SELECT {counted} FROM {_MINE}",),
        unit_id=who.units[0],
    )


def _of_list(who: Viewer, seen: str) -> Question:
    return Question(
        who,
        "/tickets",
        lambda session, *_: list_tickets(session, who, TicketSearch(limit=ROWS)),
        f"SELECT {_TOLD} FROM ticket t WHERE {seen} ORDER BY created_at DESC, id DESC LIMIT {ROWS}",
        unit_id=who.units[0] if who.units else 0,
    )


def _opened(session: Session, who: Viewer, number: str, city: City) -> Any:
    record = open_ticket(session, who, number)
    story = timeline.story(session, who, record)
    return record, story, [part(session, who, record.ticket, city.policy) for part in PARTS.values()]


_OF_TICKET = (
    "SELECT c.* FROM call c JOIN ticket_call l ON l.call_id = c.id WHERE l.ticket_id = %(id)s",
    "SELECT r.* FROM recording r JOIN ticket_call l ON l.call_id = r.call_id WHERE l.ticket_id = %(id)s",
    "SELECT j.*, p.name FROM journal j LEFT JOIN person p ON p.id = j.actor_id"
    " WHERE subject_kind = 'ticket' AND subject_id = %(id)s::text AND act <> 'ticket.read' ORDER BY j.id",
    "SELECT r.* FROM unit_request r JOIN sub_order o ON o.id = r.order_id WHERE o.ticket_id = %(id)s",
    *(
        f"SELECT * FROM {name} WHERE ticket_id = %(id)s ORDER BY id"
        for name in (
            *("sub_order", "ticket_note", "closing", "visit", "ending", "supervision", "instruction"),
            *("rung", "attachment"),
        )
    ),
)
