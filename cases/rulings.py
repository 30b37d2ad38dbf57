"""What a unit asks is ruled on: by the role that the policy names, never by who asked.

Of a sealed ticket the discipline office rules. Raises NotAllowed, NotVisible, Conflict when it was ruled on
already (`theirs` is the request), and Refused: "order" when she asked herself, "event" when the states say
no, else by field.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlalchemy.orm import Session, defer

from cases import units
from cases.deadlines import awaited, extended, limit_due, load_calendar
from cases.errors import Conflict, Refused
from cases.joining import owe_caller
from cases.looks import note_sealed
from cases.orders import AT_WORK, LONGEST, at_work, below
from cases.permissions import Action
from cases.states import GONE, Event, Order, State, Turn, only_in
from cases.steps import demand_decider, locked_order, step, touch, turn
from cases.supervision import supervise_by_itself
from cases.visible import visible_tickets
from routing.policy import Policy
from routing.working_time import Due
from storage import outbox
from storage.staff import Unit
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder, UnitRequest

Kind = Literal["objection", "extension"]
KINDS: tuple[Kind, ...] = ("objection", "extension")
OFTEN = 2  # so many upheld returns make a case one to be seen to


def rule_objection(
    session: Session,
    viewer: Viewer,
    order_id: int,
    granted: bool,
    remark: str,
    policy: Policy,
    now: datetime,
) -> UnitRequest:
    """Granted: the unit has it no more, and with the last one the ticket is to be sorted again. Refused, with
    a reason: the unit is designated and may not object again."""
    ticket, order, request = _asked(session, viewer, order_id, "objection", policy, remark)
    if not granted:
        _decide(request, viewer, "refused", remark, now)
        order.designated = True
        order.taken_at = order.taken_at or now
        order.progress_at = awaited(ticket.urgency, now)
        turn(session, viewer, ticket, order, Turn.OVERRULE, Action.DECIDE, now, request=request.id)
    else:
        _decide(request, viewer, "granted", remark, now)
        order.ended_at = now
        if ticket.sealed:
            units.unname_clerks(session, ticket, order.unit_id)
        turn(session, viewer, ticket, order, Turn.UPHOLD, Action.DECIDE, now, request=request.id)
        _returned(session, viewer, ticket, policy, now)
    outbox.put(session, "order.ruled", _ids(ticket, request))
    return request


def rule_extension(
    session: Session,
    viewer: Viewer,
    order_id: int,
    granted: bool,
    remark: str,
    policy: Policy,
    now: datetime,
) -> UnitRequest:
    """Granted: the share is due later, with what was passed down of it; if that is later than what was
    promised to the caller, she is told. Refused, with a reason: it stays."""
    ticket, order, request = _asked(session, viewer, order_id, "extension", policy, remark)
    at_work(order)
    if granted:
        due = _extended(session, order, request, policy)
        request.due_after = due.at
        _decide(request, viewer, "granted", remark, now)
        _move(session, ticket, order, due)
    else:
        _decide(request, viewer, "refused", remark, now)
    order.version += 1
    told = {"order": order.id, "unit": order.unit_id, "choice": request.choice, "request": request.id}
    touch(session, viewer, ticket, f"order.extension_{request.decision}", Action.DECIDE, now, **told)
    outbox.put(session, "extension.ruled", _ids(ticket, request))
    return request


# -- what waits for a ruling ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request with its share and ticket; `by`: when it should be ruled on, None for an extension."""

    request: UnitRequest
    order: SubOrder
    ticket: Ticket
    unit: Unit
    better: Unit | None  # who should have it, as the unit thinks
    by: Due | None


def waiting(
    session: Session, viewer: Viewer, policy: Policy, kind: str = "", limit: int = 50, offset: int = 0
) -> list[Waiting]:
    """What she may rule on, longest asked first; `kind`: "" for all. Sealed ones are noted as looked at."""
    unlisted = (Ticket.content, Ticket.answer, Ticket.accused, Ticket.place)
    query = _open(viewer, policy).add_columns(SubOrder, UnitRequest, Unit)
    query = query.join(Unit, Unit.id == SubOrder.unit_id).options(*(defer(each) for each in unlisted))
    if kind:
        query = query.where(UnitRequest.kind == kind)
    query = query.order_by(UnitRequest.asked_at, UnitRequest.id).limit(limit).offset(offset)
    calendar = load_calendar(session)
    within = policy.handling.objection_ruled_within
    found = [
        Waiting(
            request,
            order,
            ticket,
            unit,
            session.get(Unit, request.unit_id) if request.unit_id else None,
            limit_due(request.asked_at, within, policy, calendar) if request.kind == "objection" else None,
        )
        for ticket, order, request, unit in session.execute(query)
    ]
    note_sealed(session, viewer, Action.DECIDE, "ticket", (each.ticket for each in found))
    return found


def counts(session: Session, viewer: Viewer, policy: Policy) -> dict[str, int]:
    """How many of each kind `waiting` lists."""
    asked = _open(viewer, policy).with_only_columns(
        *(func.count(case((UnitRequest.kind == kind, 1))).label(kind) for kind in KINDS)
    )
    return dict(session.execute(asked).one()._mapping)


def _open(viewer: Viewer, policy: Policy) -> Select[Ticket]:
    """Open requests that she may rule on, each with its share and ticket."""
    return (
        visible_tickets(viewer, Action.DECIDE)
        .join(SubOrder, SubOrder.ticket_id == Ticket.id)
        .join(UnitRequest, UnitRequest.order_id == SubOrder.id)
        .where(UnitRequest.decision == "", Ticket.state == State.HANDLING)
        .where(SubOrder.state.in_((*AT_WORK, Order.OBJECTED)), _decided_by(viewer, policy))
    )


def _decided_by(viewer: Viewer, policy: Policy) -> ColumnElement[bool]:
    hers = UnitRequest.kind.in_([kind for kind in KINDS if policy.decides(kind) == viewer.role.value])
    return or_(hers, Ticket.sealed) if viewer.role is Role.DISCIPLINE else hers


# -- parts of the acts ------------------------------------------------------------------------------


def _asked(
    session: Session, viewer: Viewer, order_id: int, kind: Kind, policy: Policy, remark: str
) -> tuple[Ticket, SubOrder, UnitRequest]:
    """What the unit asked, all locked: of two rulings at once the second finds the first."""
    ticket, order = locked_order(session, viewer, order_id, Action.DECIDE)
    demand_decider(viewer, ticket, kind, policy)
    mine = UnitRequest.order_id == order.id, UnitRequest.kind == kind
    newest = select(UnitRequest).where(*mine).order_by(UnitRequest.id.desc()).limit(1)
    request = session.scalar(newest.with_for_update())
    if request is None or request.decision:
        raise Conflict(theirs=request, yours=remark)
    only_in({State.HANDLING}, ticket.state)
    if request.asked_by == viewer.person_id:
        raise Refused({"order": "own_request"})
    if len(remark) > LONGEST:
        raise Refused({"remark": "too_long"})
    return ticket, order, request


def _decide(request: UnitRequest, viewer: Viewer, decision: str, remark: str, now: datetime) -> None:
    if decision == "refused" and not remark:
        raise Refused({"remark": "required"})
    request.decision, request.remark = decision, remark
    request.decided_by, request.decided_at = viewer.person_id, now


def _returned(session: Session, viewer: Viewer, ticket: Ticket, policy: Policy, now: datetime) -> None:
    """One unit less; a case that nobody has is sorted again, one that nobody wants is seen to."""
    ticket.returned += 1
    kept = SubOrder.ticket_id == ticket.id, SubOrder.state.not_in((*GONE, Order.DONE))
    if session.scalar(select(SubOrder.id).where(*kept).limit(1)) is None:
        step(session, viewer, ticket, Event.RECALL, Action.DECIDE, now)
    if ticket.returned < OFTEN:
        return
    calendar = load_calendar(session)
    if row := supervise_by_itself(session, ticket, "returned", policy, calendar, now):
        outbox.put(session, "supervised", {"ticket_id": ticket.id, "supervision_id": row.id})


def _extended(session: Session, order: SubOrder, request: UnitRequest, policy: Policy) -> Due:
    """The new deadline, counted from the one that it has now: that may have moved since it was asked."""
    chosen = next((each for each in policy.handling.extensions if each.code == request.choice), None)
    if chosen is None or order.due_at is None:
        raise Refused({"choice": "unknown"})
    return extended(order.due_at, order.due_rule, chosen, policy, load_calendar(session))


def _move(session: Session, ticket: Ticket, order: SubOrder, due: Due) -> None:
    ticket.extended += 1
    later = [each for each in below(session, order) if each.due_at == order.due_at]
    for each in (order, *later):
        each.due_at, each.due_rule, each.due_provisional = due.at, due.rule, due.provisional
    if ticket.due_at is not None and ticket.due_at >= due.at:
        return
    ticket.due_at, ticket.due_rule, ticket.due_provisional = due.at, due.rule, due.provisional
    owe_caller(session, ticket, "ticket.progress")


def _ids(ticket: Ticket, request: UnitRequest) -> dict[str, int]:
    return {"ticket_id": ticket.id, "order_id": request.order_id, "request_id": request.id}
