"""The dispatcher's own page: what waits to be sorted, a proposal each; many sent at once, undone at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.tickets import due_state
from agents.units import unit_options
from agents.waiting import waits
from cases import directory, dispatch, personal, sorting, units
from cases.deadlines import load_calendar, say_rule
from cases.dispatch import PARTS, WAYS, Sending, Share
from cases.errors import NotVisible, Refused
from cases.permissions import Action
from cases.sorting import LISTS, Row
from cases.ticket_numbers import called
from cases.visible import visible_tickets
from routing.policy import Policy
from routing.working_time import Due
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder
from web.faults import Refused as Unserved
from web.login import needs, services
from web.render import look, page

router = APIRouter()
ROWS = 50
SENDS = ("sort", "back")  # the lists from which tickets are sent


@dataclass(frozen=True, slots=True)
class Told:
    """A line about what was sent just now: `fault` is '' or why not; `left`: seconds to undo it in, or 0."""

    number: str
    units: str
    fault: str = ""
    left: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A row: the ticket as she may see it, the proposal, when its unit would have to be done and why (limit).

    `having`: units that have it, with their shares' states. `is_late`: `order` should be taken by now.
    """

    ticket: Any
    due: str
    proposal: directory.Proposal | None
    unit: str
    reckoned: Due
    limit: str
    order: SubOrder | None
    unit_of_order: str
    having: list[tuple[str, str]]
    is_late: bool


@waits("dispatch")
def _waiting(session: Session, viewer: Viewer, _policy: Policy) -> dict[str, int]:
    return sorting.counts(session, viewer, datetime.now(UTC), sorting.HERS)


@router.get("/dispatch")
def tray_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.CHARGE_UNITS))],
    which: Annotated[str, Query(alias="list", max_length=20)] = LISTS[0],
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """One list of the tray, and how long the others are."""
    return _tray(request, who, which, number)


@router.post("/dispatch")
def send_many(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.CHARGE_UNITS))],
    tick: Annotated[list[str], Form(max_length=ROWS)] = [],  # noqa: B006 - FastAPI's default, never changed
    unit: Annotated[str, Form(max_length=40)] = "",
    note: Annotated[str, Form(max_length=10_000)] = "",
    way: Annotated[str, Form(max_length=10)] = WAYS[0],
    which: Annotated[str, Form(alias="list", max_length=20)] = LISTS[0],
) -> Response:
    """Send what is ticked to one unit, or each to the one proposed for it; one line of result each."""
    at, now = services(request), datetime.now(UTC)
    typed = {"unit": unit, "note": note, "way": way, "tick": tick}
    with at.database.session() as session:
        batch = list(_batch(session, who, tick, Share(unit, PARTS[0], note.strip(), way), at.policy))
        sent = dispatch.send_many(session, who, batch, at.policy, now)
    lines = [
        Told(each.number, wanted.share.unit_code, each.fault)
        for each, wanted in zip(sent, batch, strict=True)
    ]
    failed = [each for each in sent if each.fault]
    status = 422 if not tick or len(failed) == len(sent) else 200
    return _tray(request, who, which, 1, status, lines, typed if failed or not tick else None)


@router.post("/dispatch/undo")
def undo_many(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.CHARGE_UNITS))],
    number: Annotated[list[str], Form(max_length=ROWS)] = [],  # noqa: B006 - FastAPI's default, never changed
    which: Annotated[str, Form(alias="list", max_length=20)] = LISTS[0],
) -> Response:
    """Unsend what was sent just now."""
    at, lines = services(request), []
    for each in number:
        try:
            with at.database.session() as session:
                dispatch.undo(session, who, each, datetime.now(UTC), at.policy)
            lines.append(Told(each, "", "undone"))
        except Refused as refused:
            lines.append(Told(each, "", next(iter(refused.faults.values()))))
        except NotVisible:
            lines.append(Told(each, "", "missing"))
    return _tray(request, who, which, 1, lines=lines)


# -- parts of the page ------------------------------------------------------------------------------


def _batch(
    session: Session, who: Viewer, tick: Iterable[str], share: Share, policy: Policy
) -> Iterator[Sending]:
    """What is ticked ("number:version"), each with the share; without a unit each with the proposed one."""
    book = directory.load(session, policy)
    for number, version in _ticked(tick):
        found = visible_tickets(who, Action.CHARGE_UNITS).where(called(number))
        ticket = session.scalar(found) if not share.unit_code else None
        proposal = proposed(book, ticket) if ticket else None
        if proposal is None:
            yield Sending(number, share, version)
        else:
            wanted = replace(share, unit_code=proposal.unit_code)
            yield Sending(number, wanted, version, first_choice(ticket, proposal), proposal.designated)


def _ticked(tick: Iterable[str]) -> Iterator[tuple[str, int]]:
    for each in dict.fromkeys(tick):
        number, _, version = each.partition(":")
        if not (version.isascii() and version.isdecimal() and len(version) < 10):
            raise Unserved("error.input", field="tick", name="tick")
        yield number, int(version)


def _tray(
    request: Request,
    who: Viewer,
    which: str,
    number: int,
    status: int = 200,
    lines: Iterable[Told] = (),
    typed: dict[str, Any] | None = None,
) -> Response:
    if which not in LISTS:
        raise Unserved("error.missing", status=404)
    at, now = services(request), datetime.now(UTC)
    with at.database.session() as session:
        rows = sorting.tray(session, who, which, now, ROWS + 1, (number - 1) * ROWS)
        names = {unit.id: unit.name for unit in units.everyone(session)}
        context: dict[str, Any] = {
            "rows": list(_listed(session, rows[:ROWS], at.policy, now, look(request).language, names)),
            "counts": sorting.counts(session, who, now),
            "told": _told(session, who, list(lines), now, at.policy, names),
            "options": unit_options(session),
        }
    context |= {"which": which, "number": number, "more": len(rows) > ROWS, "sends": which in SENDS}
    context |= {"lists": LISTS, "ways": WAYS, "nothing_ticked": typed is not None and not typed["tick"]}
    context["typed"] = typed or {"unit": "", "note": "", "way": WAYS[0], "tick": []}
    return page(request, "dispatch.html", status, **context)


def _told(
    session: Session, who: Viewer, lines: list[Told], now: datetime, policy: Policy, names: Mapping[int, str]
) -> list[Told]:
    """The lines of this act, and what else she can still undo."""
    left = {
        each.ticket.number: Told(
            each.ticket.number,
            "、".join(names[unit_id] for unit_id in each.unit_ids),
            left=max(1, round((each.until - now).total_seconds())),
        )
        for each in sorting.undoable(session, who, now, policy)
    }
    by_code = {unit.code: unit.name for unit in units.everyone(session)}
    mine = [
        replace(line, units=by_code.get(line.units, "")) if line.fault else left.pop(line.number, line)
        for line in lines
    ]
    return [*mine, *left.values()]


def _listed(
    session: Session,
    rows: Sequence[Row],
    policy: Policy,
    now: datetime,
    language: str,
    names: Mapping[int, str],
) -> Iterator[Listed]:
    book, calendar = directory.load(session, policy), load_calendar(session)
    by_code = {unit.code: unit.name for unit in units.everyone(session)}
    having = sorting.having(session, [row.ticket.id for row in rows])
    for row in rows:
        ticket, theirs = row.ticket, having.get(row.ticket.id, [])
        has_lead = any(each.part == "lead" for each in theirs)
        proposal = proposed(book, ticket) if not has_lead else None
        due = dispatch.reckon(ticket, first_choice(ticket, proposal), policy, calendar, now)
        yield Listed(
            ticket=personal.shown(ticket, full=False),
            due=due_state(ticket),
            proposal=proposal,
            unit=by_code.get(proposal.unit_code, "") if proposal else "",
            reckoned=due,
            limit=say_rule(due.rule, policy, language),
            order=row.order,
            unit_of_order=names[row.order.unit_id] if row.order else "",
            having=[(names[each.unit_id], each.state) for each in theirs],
            is_late=row.order is not None and sorting.is_late(row.order, policy, calendar, now),
        )


def proposed(book: directory.Directory, ticket: Ticket) -> directory.Proposal | None:
    """Whom the directory would send it to."""
    return book.propose(
        kind=ticket.kind,
        category=ticket.category,
        place=ticket.place,
        text=f"{ticket.title}\n{ticket.content}",
        accused_unit_id=ticket.accused_unit_id,
    )


def first_choice(ticket: Ticket | None, proposal: directory.Proposal | None) -> str:
    """The longer limit that somebody has chosen, else the proposed one; later ones take an extension."""
    if ticket is None:
        return ""
    return ticket.due_choice or (proposal.choice if proposal and ticket.sent_at is None else "")
