"""承办: a unit's tray, and its share on the ticket's page with the forms of what can be done to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import String, cast, exists, or_, select
from sqlalchemy.orm import Session

from agents.people import names_of
from agents.ticket_parts import ticket_part, version_of
from agents.tickets import act_on, form_fields, pressing
from agents.waiting import waits
from cases import order_trays, orders, passing, personal, units
from cases.deadlines import limit_due, load_calendar, say_rule
from cases.order_reply import Reply, leads
from cases.order_trays import OWN_ACT
from cases.orders import AT_WORK
from cases.permissions import Action, Scope, cell
from cases.states import GONE, OWED, Order, State
from cases.steps import is_decider
from cases.visible import reaches
from routing.handling import Extension
from routing.policy import Policy
from routing.working_time import Calendar, Due
from storage.staff import Unit
from storage.tables import Journal, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder, TicketNote, UnitRequest
from web.login import needs, services
from web.messages import LANGUAGES
from web.render import page

router = APIRouter()
ROWS = 50
Clerk = Annotated[Viewer, Depends(needs(Action.HANDLE))]
Typed = Annotated[dict[str, str], Depends(form_fields)]
Act = Callable[[Session, datetime, int], object]


# -- the tray ---------------------------------------------------------------------------------------


@waits("orders")
def _waiting(session: Session, viewer: Viewer, _policy: Policy) -> dict[str, int]:
    if cell(viewer.role, Action.HANDLE).ordinary is not Scope.UNIT:
        return {}
    found = order_trays.counts(session, viewer, datetime.now(UTC))
    return {name: found[name] for name in OWN_ACT}


@router.get("/orders")
def tray_page(
    request: Request,
    who: Clerk,
    which: Annotated[str, Query(alias="list", max_length=20)] = "owed",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """One list of what her unit has to do, and how long the others are."""
    policy, now = services(request).policy, datetime.now(UTC)
    with services(request).database.session() as session:
        counts = order_trays.counts(session, who, now)
        which = which if which in counts else "owed"
        lines = order_trays.tray(session, who, which, policy, now, ROWS + 1, (number - 1) * ROWS)
        unit = session.get(Unit, own[0]) if (own := orders.own(who)) else None
        rows = [(line, personal.shown(line.ticket, full=False), due_of(line.order)) for line in lines]
    address = f"/orders?list={which}"
    return page(
        request,
        "orders.html",
        which=which,
        counts=counts,
        rows=rows[:ROWS],
        now=now,
        unit=unit.name if unit else "",
        newest=address if number > 1 else "",
        older=f"{address}&page={number + 1}" if len(rows) > ROWS else "",
    )


def due_of(order: SubOrder) -> str:
    """How pressing it is; '' for a share that owes nothing or has no deadline."""
    return pressing(order.due_at) if order.state in OWED else ""


# -- the shares on a ticket's page ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """One unit's share. `is_told`: its words are hers to read. `acts`: the forms that she has; `closed`: act,
    why not. `limits`: when more time of each kind would end. `rule`: by language."""

    order: SubOrder
    unit: str
    above: str
    due: str
    rule: dict[str, str]
    is_told: bool
    answers: bool  # for the whole case: the caller is told from its reply
    acts: Sequence[str] = ()
    closed: dict[str, str] = field(default_factory=dict)
    contacted_at: str = ""  # as the form has it
    object_until: Due | None = None
    progress_due: datetime | None = None
    limits: Sequence[tuple[Extension, Due]] = ()
    units_below: Sequence[tuple[str, str]] = ()
    requests: Sequence[UnitRequest] = ()
    notes: Sequence[TicketNote] = ()


@ticket_part("orders")
def shown(session: Session, who: Viewer, ticket: Ticket, policy: Policy) -> dict[str, Any]:
    """What a ticket's page says of the units' shares, what came back with those that she may know of."""
    found = _ever(session, ticket)
    seen = [order for order in found if _is_told(who, order) or order.state not in GONE]
    names = {unit.id: unit for unit in units.everyone(session)} if seen else {}
    is_hers = bool(seen) and reaches(session, who, Action.HANDLE, ticket)
    calendar = load_calendar(session) if seen else Calendar()
    shares = [_share(session, who, ticket, order, found, names, is_hers, policy, calendar) for order in seen]
    shares = _in_order(shares)
    people = {note.by_id for each in shares for note in each.notes}
    people |= {order.sent_by for order in seen} | {order.taken_by for order in seen}
    people |= {order.replied_by for order in seen}
    people |= {asked.asked_by for each in shares for asked in each.requests}
    people |= {asked.decided_by for each in shares for asked in each.requests}
    return {
        "shares": shares,
        "names": names_of(session, people),
        "units": {unit.id: unit.name for unit in names.values()},
        "everyone": [(unit.code, unit.name) for unit in names.values() if unit.active] if is_hers else [],
        "rules": {kind for kind in ("objection", "extension") if is_decider(who, ticket, kind, policy)}
        if reaches(session, who, Action.DECIDE, ticket)
        else set(),
    }


def _ever(session: Session, ticket: Ticket) -> list[SubOrder]:
    """Those that units have or ever had, oldest first; not what was undone before any of them heard of it."""
    undone = exists().where(
        Journal.subject_kind == "ticket",
        Journal.subject_id == cast(SubOrder.ticket_id, String),
        Journal.act == "order.recall",
        Journal.detail["order"].astext == cast(SubOrder.id, String),
        Journal.detail["why"].astext == "undone",
    )
    had = or_(SubOrder.state != Order.RECALLED, SubOrder.redone > 0, ~undone)
    mine = select(SubOrder).where(SubOrder.ticket_id == ticket.id, had)
    return list(session.scalars(mine.order_by(SubOrder.sent_at, SubOrder.id)))


def _in_order(shares: list[Shown]) -> list[Shown]:
    """Hers first, then who leads; what was passed down stands under the share that it came of."""
    shares = sorted(shares, key=lambda each: (not each.is_told, each.order.part != "lead"))
    ids = {each.order.id for each in shares}
    found: list[Shown] = []
    for each in shares:
        if each.order.parent_id not in ids:
            found += [each, *(other for other in shares if other.order.parent_id == each.order.id)]
    return found


def _is_told(who: Viewer, order: SubOrder) -> bool:
    """A clerk reads her own unit's words and those below it, not those of others on the case."""
    return who.role is not Role.UNIT_CLERK or order.unit_id in who.units


def _share(
    session: Session,
    who: Viewer,
    ticket: Ticket,
    order: SubOrder,
    among: Sequence[SubOrder],
    names: dict[int, Unit],
    is_hers: bool,
    policy: Policy,
    calendar: Calendar,
) -> Shown:
    above = next((each for each in among if each.id == order.parent_id), None)
    plain: dict[str, Any] = {
        "order": order,
        "unit": names[order.unit_id].name,
        "above": names[above.unit_id].name if above else "",
        "due": due_of(order),
        "rule": {each: say_rule(order.due_rule, policy, each) for each in LANGUAGES}
        if order.due_rule
        else {},
        "answers": leads(order),
    }
    if not _is_told(who, order):
        return Shown(**plain, is_told=False)
    mine = TicketNote.order_id == order.id
    notes = session.scalars(select(TicketNote).where(mine).order_by(TicketNote.at, TicketNote.id)).all()
    asked = select(UnitRequest).where(UnitRequest.order_id == order.id).order_by(UnitRequest.id)
    plain |= {"is_told": True, "notes": notes, "requests": session.scalars(asked).all()}
    if not is_hers:
        return Shown(**plain)
    # A form that is refused comes back in any state, and has its choices then.
    if order.contacted_at is not None:
        plain["contacted_at"] = f"{order.contacted_at.astimezone(policy.zone):%Y-%m-%dT%H:%M}"
    plain["units_below"] = _lower(order, names)
    plain["limits"] = _limits(policy.handling.extensions, order, policy, calendar)
    plain["object_until"] = orders.objection_until(order, policy, calendar)
    if ticket.state != State.HANDLING:
        return Shown(**plain)
    plain["progress_due"] = orders.next_note(ticket, order, policy, calendar)
    return Shown(**plain | _forms(session, who, ticket, order, above, names, policy, calendar))


def _forms(
    session: Session,
    who: Viewer,
    ticket: Ticket,
    order: SubOrder,
    above: SubOrder | None,
    names: dict[int, Unit],
    policy: Policy,
    calendar: Calendar,
) -> dict[str, Any]:
    """What can be done to a share in its state, and what would be possible in another case and is not."""
    acts: list[str] = []
    closed: dict[str, str] = {}
    more: dict[str, Any] = {"acts": acts, "closed": closed}
    if above is not None and (who.role is not Role.UNIT_CLERK or above.unit_id in who.units):
        acts += ["send_back"] if order.state == Order.REPLIED else []
        acts += ["take_back"] if order.state in (*OWED, Order.REPLIED) else []
    if order.state not in AT_WORK or not orders.enters(session, who, order):
        return more
    now = datetime.now(UTC)
    acts += ["reply", "progress"]
    acts += ["pass"] if _lower(order, names) and not ticket.sealed else []
    asks = {
        "object": orders.no_objection(session, order, policy, calendar, now),
        "extend": orders.no_extension(session, order, policy, now),
    }
    closed |= {act: why for act, why in asks.items() if why}
    acts += [act for act, why in asks.items() if not why]
    if not asks["extend"]:
        more["limits"] = _limits(orders.extensions_left(session, order, policy), order, policy, calendar)
    return more


def _limits(
    extensions: Sequence[Extension], order: SubOrder, policy: Policy, calendar: Calendar
) -> list[tuple[Extension, Due]]:
    if order.due_at is None:
        return []
    return [(each, limit_due(order.due_at, each, policy, calendar)) for each in extensions]


def _lower(order: SubOrder, names: dict[int, Unit]) -> list[tuple[str, str]]:
    """The units right below its unit, as (code, name)."""
    return [
        (unit.code, unit.name) for unit in names.values() if unit.parent_id == order.unit_id and unit.active
    ]


# -- the acts ---------------------------------------------------------------------------------------


FROM_ABOVE = ("send_back", "take_back")


def _act(
    request: Request, order_id: int, who: Viewer, form: str, typed: dict[str, str], act: Act
) -> Response:
    """The act, or the ticket's page with the form as it was typed."""
    version, now = version_of(typed), datetime.now(UTC)
    with services(request).database.session() as session:
        number = orders.number_of(session, who, order_id)

    def done(session: Session) -> None:
        act(session, now, version)
        if form not in FROM_ABOVE:
            orders.entered(session, who, order_id)

    return act_on(request, number, who, f"{form}-{order_id}", typed, done)


def _word(typed: dict[str, str], name: str) -> str:
    return typed.get(name, "").strip()


@router.post("/orders/{order_id}/take")
def take(request: Request, order_id: int, who: Clerk, typed: Typed) -> Response:
    """签收."""

    def act(session: Session, now: datetime, version: int) -> object:
        return orders.take(session, who, order_id, now, version=version)

    return _act(request, order_id, who, "take", typed, act)


@router.post("/orders/{order_id}/reply")
def reply(request: Request, order_id: int, who: Clerk, typed: Typed) -> Response:
    """What came of it."""
    policy = services(request).policy

    def act(session: Session, now: datetime, version: int) -> object:
        return orders.reply(session, who, order_id, Reply.read(typed), policy, now, version=version)

    return _act(request, order_id, who, "reply", typed, act)


@router.post("/orders/{order_id}/progress")
def progress(request: Request, order_id: int, who: Clerk, typed: Typed) -> Response:
    """How far it is."""

    def act(session: Session, now: datetime, _version: int) -> object:
        return orders.note_progress(session, who, order_id, _word(typed, "text"), now)

    return _act(request, order_id, who, "progress", typed, act)


@router.post("/orders/{order_id}/pass")
def pass_down(request: Request, order_id: int, who: Clerk, typed: Typed) -> Response:
    """To a unit below."""

    def act(session: Session, now: datetime, version: int) -> object:
        to, note = _word(typed, "unit"), _word(typed, "note")
        return passing.pass_down(session, who, order_id, to, note, now, version=version)

    return _act(request, order_id, who, "pass", typed, act)


@router.post("/orders/{order_id}/object")
def object_to(request: Request, order_id: int, who: Clerk, typed: Typed) -> Response:
    """异议: not ours."""
    policy = services(request).policy

    def act(session: Session, now: datetime, version: int) -> object:
        said = _word(typed, "choice"), _word(typed, "ground"), _word(typed, "unit")
        return orders.object_(session, who, order_id, *said, policy, now, version=version)

    return _act(request, order_id, who, "object", typed, act)


@router.post("/orders/{order_id}/extend")
def ask_extension(request: Request, order_id: int, who: Clerk, typed: Typed) -> Response:
    """More time."""
    policy = services(request).policy

    def act(session: Session, now: datetime, version: int) -> object:
        said = _word(typed, "choice"), _word(typed, "ground"), _word(typed, "law")
        return orders.ask_extension(session, who, order_id, *said, policy, now, version=version)

    return _act(request, order_id, who, "extend", typed, act)


@router.post("/orders/{order_id}/send_back")
def send_back(request: Request, order_id: int, who: Clerk, typed: Typed) -> Response:
    """A reply from below will not do."""

    def act(session: Session, now: datetime, version: int) -> object:
        return passing.send_back(session, who, order_id, _word(typed, "text"), now, version=version)

    return _act(request, order_id, who, "send_back", typed, act)


@router.post("/orders/{order_id}/take_back")
def take_back(request: Request, order_id: int, who: Clerk, typed: Typed) -> Response:
    """What was passed down is needed from there no longer."""

    def act(session: Session, now: datetime, version: int) -> object:
        return passing.take_back(session, who, order_id, _word(typed, "text"), now, version=version)

    return _act(request, order_id, who, "take_back", typed, act)
