"""派单: a ticket's shares are sent to the units to act; undone within a minute, recalled with a reason.

A share's clock starts as it is sent. Its notice waits in the outbox until it can be undone no more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from cases import units
from cases.deadlines import awaited, deadline, load_calendar, order_due
from cases.errors import Conflict, NotVisible, Refused
from cases.permissions import Action
from cases.states import Event, Order, State, Turn, after, only_in
from cases.steps import locked, locked_order, same, step, turn
from routing.policy import Policy
from routing.working_time import Calendar, Due
from storage import outbox
from storage.staff import Unit
from storage.tables import Journal, Outbox, Ticket
from storage.viewer import Viewer
from storage.work import Instruction, SubOrder, TicketNote, UnitRequest

PARTS, WAYS = ("lead", "assist"), ("web", "phone", "paper")
LONGEST = 2000  # characters of a note or a reason
LIVE = (Order.SENT, Order.TAKEN, Order.OBJECTED, Order.REPLIED)  # part of this round of handling


@dataclass(frozen=True, slots=True)
class Share:
    """What one unit shall do: `note` is told to it, `way` is how it learns of it."""

    unit_code: str
    part: str = "lead"
    note: str = ""
    way: str = "web"


@dataclass(frozen=True, slots=True)
class Sending:
    """One ticket of a batch; `version`: the one that was read."""

    number: str
    share: Share
    version: int | None = None
    choice: str = ""
    designated: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """One ticket's result in a batch; `fault` is '' or the code of why it was not sent."""

    number: str
    fault: str = ""
    orders: tuple[SubOrder, ...] = ()


def undo_within(policy: Policy) -> timedelta:
    return timedelta(seconds=policy.handling.undo_seconds)


# -- sending --------------------------------------------------------------------------------------


def send(
    session: Session,
    viewer: Viewer,
    number: str,
    shares: Sequence[Share],
    policy: Policy,
    now: datetime,
    *,
    choice: str = "",
    version: int | None = None,
    designated: bool = False,
) -> list[SubOrder]:
    """Send a ticket to the units that must act, which see it from now on; one of them leads.

    `choice`: a longer limit of the kind's, on the first sending only. `designated`: the first unit may not
    object; nor may one that a leader's instruction names. Of a sealed ticket each unit's clerks are named.
    Raises NotAllowed, NotVisible, Conflict, and Refused, its fields numbered from the second share on (unit,
    unit_1, …): unit required, unknown, accused (or below the accused), nobody (who could see a sealed ticket)
    or twice; part unknown, needs_lead or two_leads; way unknown; note too_long; choice unknown or
    after_sending.
    """
    ticket = locked(session, viewer, number, Action.CHARGE_UNITS)
    same(ticket, version, shares)
    after(State(ticket.state), Event.DISPATCH)
    live = _live(session, ticket)
    chosen = _checked(session, ticket, shares, live)
    _check_lead(live, shares)
    was = _choose(ticket, choice, policy)
    due = reckon(ticket, ticket.due_choice, policy, load_calendar(session), now)
    if ticket.sent_at is None:
        ticket.sent_at = now
        ticket.due_at, ticket.due_rule, ticket.due_provisional = due.at, due.rule, due.provisional
    bound = _instructed(session, ticket) | ({chosen[0].id} if designated else set())
    orders = []
    for unit, share in zip(chosen, shares, strict=True):
        order = _anew(session, viewer, ticket, unit, now) or SubOrder(ticket_id=ticket.id, unit_id=unit.id)
        order.part, order.way, order.note = share.part, share.way, share.note
        order.designated = unit.id in bound
        order.sent_at, order.sent_by = now, viewer.person_id
        order.due_at, order.due_rule, order.due_provisional = due.at, due.rule, due.provisional
        order.progress_at = awaited(ticket.urgency, now)
        session.add(order)
        session.flush()
        owed = {"ticket_id": ticket.id, "order_id": order.id}
        outbox.put(session, "order.sent", owed, now + undo_within(policy))
        orders.append(order)
    told = {"units": [share.unit_code for share in shares], "orders": [order.id for order in orders]}
    told["parts"] = [share.part for share in shares]
    if was is not None:
        told["choice_was"] = was
    step(session, viewer, ticket, Event.DISPATCH, Action.CHARGE_UNITS, now, **told)
    return orders


def send_many(
    session: Session, viewer: Viewer, batch: Sequence[Sending], policy: Policy, now: datetime
) -> list[Sent]:
    """Several tickets, each sent or refused by itself; results in the order of the batch.

    Faults: as of `send`, and "missing", "changed", "not_in_<state>". Raises NotAllowed.
    """
    done: dict[str, Sent] = {}
    for each in sorted(batch, key=lambda each: each.number):  # one order of locks for all
        try:
            with session.begin_nested():
                orders = send(
                    session,
                    viewer,
                    each.number,
                    [each.share],
                    policy,
                    now,
                    choice=each.choice,
                    version=each.version,
                    designated=each.designated,
                )
            done[each.number] = Sent(each.number, orders=tuple(orders))
        except Refused as refused:
            done[each.number] = Sent(each.number, next(iter(refused.faults.values())))
        except NotVisible:
            done[each.number] = Sent(each.number, "missing")
        except Conflict:
            done[each.number] = Sent(each.number, "changed")
    return [done[each.number] for each in batch]


def _checked(
    session: Session, ticket: Ticket, shares: Sequence[Share], live: Sequence[SubOrder]
) -> list[Unit]:
    """The shares' units; of a sealed ticket their clerks are named. Raises Refused, every fault at once."""
    having = {order.unit_id for order in live}
    found: list[Unit] = []
    faults: dict[str, str] = {} if shares else {"unit": "required"}
    for index, share in enumerate(shares):
        unit = units.by_code(session, share.unit_code) if share.unit_code else None
        told = {
            "unit": _unit_fault(session, ticket, share, unit, having),
            "part": "" if share.part in PARTS else "unknown",
            "way": "" if share.way in WAYS else "unknown",
            "note": "too_long" if len(share.note) > LONGEST else "",
        }
        faults |= {f"{name}_{index}" if index else name: code for name, code in told.items() if code}
        if unit is not None:
            having.add(unit.id)
            found.append(unit)
    if faults:
        raise Refused(faults)
    return found


def _unit_fault(
    session: Session, ticket: Ticket, share: Share, unit: Unit | None, having: Collection[int]
) -> str:
    if unit is None:
        return "unknown" if share.unit_code else "required"
    if ticket.accused_unit_id in units.around(session, unit.id)[1]:
        return "accused"
    if unit.id in having:
        return "twice"
    if ticket.sealed and not units.name_clerks(session, ticket, unit):
        return "nobody"
    return ""


def _check_lead(live: Sequence[SubOrder], shares: Sequence[Share]) -> None:
    """主办 is one unit, no more and no less; what a unit passed down leads nothing."""
    leads = [each for each in live if each.part == "lead" and each.parent_id is None]
    count = len(leads) + sum(share.part == "lead" for share in shares)
    if count != 1:
        raise Refused({"part": "two_leads" if count else "needs_lead"})


def _instructed(session: Session, ticket: Ticket) -> set[int]:
    """The units that leaders' instructions name."""
    named = Instruction.ticket_id == ticket.id, Instruction.given_at.is_not(None)
    found = session.scalars(select(Instruction.unit_id).where(*named, Instruction.unit_id.is_not(None)))
    return {unit_id for unit_id in found if unit_id is not None}


def _choose(ticket: Ticket, choice: str, policy: Policy) -> str | None:
    """What was chosen before, for `undo`; None: it stays."""
    if not choice or choice == ticket.due_choice:
        return None
    if choice not in policy.kind(ticket.kind).longer:
        raise Refused({"choice": "unknown"})
    if ticket.sent_at is not None:  # from then on it takes an extension
        raise Refused({"choice": "after_sending"})
    was, ticket.due_choice = ticket.due_choice, choice
    return was


def reckon(ticket: Ticket, choice: str, policy: Policy, calendar: Calendar, at: datetime) -> Due:
    """When a unit that is sent the ticket `at` that moment has to be done."""
    if policy.handling.clock_starts == "acceptance":
        if ticket.sent_at is not None and ticket.due_at is not None:
            return Due(ticket.due_at, ticket.due_provisional, ticket.due_rule)
        at = ticket.created_at
    return deadline(at, ticket.kind, choice, ticket.urgency, policy, calendar, ticket.category)


def _live(session: Session, ticket: Ticket) -> list[SubOrder]:
    live = SubOrder.ticket_id == ticket.id, SubOrder.state.in_(LIVE)
    return list(session.scalars(select(SubOrder).where(*live).order_by(SubOrder.id)))


def _anew(session: Session, viewer: Viewer, ticket: Ticket, unit: Unit, now: datetime) -> SubOrder | None:
    """The share that this unit had done before the case was opened again: it does it once more."""
    done = SubOrder.ticket_id == ticket.id, SubOrder.unit_id == unit.id, SubOrder.state == Order.DONE
    order = session.scalar(select(SubOrder).where(*done).with_for_update())
    if order is not None:
        turn(session, viewer, ticket, order, Turn.REDO, Action.CHARGE_UNITS, now)
        order.redone += 1
        order.parent_id = order.ended_at = order.replied_at = order.replied_by = None
    return order


# -- taking back ----------------------------------------------------------------------------------


def undo(session: Session, viewer: Viewer, number: str, now: datetime, policy: Policy) -> list[SubOrder]:
    """What she sent last is unsent: no notice leaves, and no unit has it any more.

    Raises NotAllowed, NotVisible, and Refused: undo undo_late (a notice has left, or may have) or undo_taken.
    """
    ticket = locked(session, viewer, number, Action.CHARGE_UNITS)
    mine = SubOrder.ticket_id == ticket.id, SubOrder.sent_by == viewer.person_id, SubOrder.state.in_(LIVE)
    within = SubOrder.sent_at > now - undo_within(policy)
    found = session.scalars(
        select(SubOrder).where(*mine, within).order_by(SubOrder.sent_at.desc()).with_for_update()
    ).all()
    last = [order for order in found if order.sent_at == found[0].sent_at]
    if not last:
        raise Refused({"undo": "undo_late"})
    if any(order.state != Order.SENT for order in last):
        raise Refused({"undo": "undo_taken"})
    if not all(_unsend(session, order, policy) for order in last):
        raise Refused({"undo": "undo_late"})
    for order in last:
        _take_back(session, viewer, ticket, order, Action.CHARGE_UNITS, now, why="undone")
    if ticket.sent_at == last[0].sent_at:  # as if it had never been sent
        ticket.sent_at, ticket.due_choice = None, _choice_before(session, ticket)
        due = order_due(ticket.created_at, ticket, policy, load_calendar(session))
        ticket.due_at, ticket.due_rule, ticket.due_provisional = due.at, due.rule, due.provisional
    nobody_left(session, viewer, ticket, Action.CHARGE_UNITS, now)
    return last


def _choice_before(session: Session, ticket: Ticket) -> str:
    """The longer limit, or '', that the ticket had before its last sending chose another."""
    sent = Journal.subject_kind == "ticket", Journal.subject_id == str(ticket.id)
    last = select(Journal.detail["choice_was"].astext).where(*sent, Journal.act == "ticket.dispatch")
    was: str | None = session.scalar(last.order_by(Journal.id.desc()).limit(1))
    return ticket.due_choice if was is None else was


def recall(
    session: Session,
    viewer: Viewer,
    order_id: int,
    reason: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Ticket:
    """Take a share back from its unit, which is told; with the last one the ticket is to be sorted again.

    What the unit had passed down comes back with it. Raises NotAllowed, NotVisible, Conflict, and Refused:
    reason required or too_long, or the states say no.
    """
    ticket, order = locked_order(session, viewer, order_id, Action.CHARGE_UNITS)
    same(order, version, reason)
    only_in({State.HANDLING}, ticket.state)
    if not reason or len(reason) > LONGEST:
        raise Refused({"reason": "too_long" if reason else "required"})
    told = TicketNote(ticket_id=ticket.id, order_id=order.id, kind="recall", text=reason)
    told.by_id, told.at = viewer.person_id, now
    session.add(told)
    session.flush()
    for each in _with_passed_down(session, order):
        had_left = not _unsend(session, each, policy)
        noted = {"note": told.id} if each is order else {}
        _take_back(session, viewer, ticket, each, Action.CHARGE_UNITS, now, why="recalled", **noted)
        if had_left:
            outbox.put(session, "order.recalled", {"ticket_id": ticket.id, "order_id": each.id})
    nobody_left(session, viewer, ticket, Action.CHARGE_UNITS, now)
    return ticket


def withdraw_from_accused(session: Session, viewer: Viewer, ticket: Ticket, now: datetime) -> None:
    """A ticket that accuses a unit is no longer with it, nor with any below it."""
    if ticket.accused_unit_id is not None:
        below = units.around(session, ticket.accused_unit_id)[0]
        withdraw(session, viewer, ticket, below, Action.WRITE_TICKETS, now, "accused")


def withdraw(
    session: Session,
    viewer: Viewer | None,
    ticket: Ticket,
    unit_ids: Collection[int],
    action: Action,
    now: datetime,
    why: str,
) -> None:
    """These units may know of it no more, and are not told so; what was on its way to them is not sent."""
    gone = [order for order in _live(session, ticket) if order.unit_id in unit_ids]
    for order in gone:
        session.execute(
            delete(Outbox).where(
                Outbox.kind == "order.sent",
                Outbox.done_at.is_(None),
                Outbox.due_at >= order.sent_at,
                Outbox.payload["order_id"].as_string() == str(order.id),
            )
        )
        _take_back(session, viewer, ticket, order, action, now, why=why)
    if gone:
        nobody_left(session, viewer, ticket, action, now)


def take_all_back(
    session: Session, viewer: Viewer, ticket: Ticket, action: Action, policy: Policy, now: datetime, why: str
) -> None:
    """The case goes another way: no unit has a live share of it any more; each that knew of one is told."""
    for order in _live(session, ticket):
        had_left = not _unsend(session, order, policy)
        _take_back(session, viewer, ticket, order, action, now, why=why)
        if had_left:
            outbox.put(session, "order.recalled", {"ticket_id": ticket.id, "order_id": order.id})


def _with_passed_down(session: Session, order: SubOrder) -> list[SubOrder]:
    """The share, and the live ones that came of it; locked."""
    found = [order]
    for each in found:
        below = SubOrder.parent_id == each.id, SubOrder.state.in_(LIVE)
        found += session.scalars(select(SubOrder).where(*below).order_by(SubOrder.id).with_for_update())
    return found


def _unsend(session: Session, order: SubOrder, policy: Policy) -> bool:
    """Its notice does not leave. False when a sender has had it already."""
    waiting = delete(Outbox).where(
        Outbox.kind == "order.sent",
        Outbox.due_at == order.sent_at + undo_within(policy),  # found by index; the id says which of them
        Outbox.payload["order_id"].as_string() == str(order.id),
        Outbox.claimed_at.is_(None),
        Outbox.done_at.is_(None),
    )
    deleted = session.execute(waiting)
    assert isinstance(deleted, CursorResult)
    return deleted.rowcount > 0


def _take_back(
    session: Session,
    viewer: Viewer | None,
    ticket: Ticket,
    order: SubOrder,
    action: Action,
    now: datetime,
    why: str,
    **detail: int,
) -> None:
    """The unit has it no more: nobody there is named for it, and what it asked needs no answer."""
    order.ended_at = now
    asked = UnitRequest.order_id == order.id, UnitRequest.decision == ""
    session.execute(update(UnitRequest).where(*asked).values(decision="lapsed", decided_at=now))
    if ticket.sealed:
        units.unname_clerks(session, ticket, order.unit_id)
    turn(session, viewer, ticket, order, Turn.RECALL, action, now, why=why, **detail)


def nobody_left(
    session: Session, viewer: Viewer | None, ticket: Ticket, action: Action, now: datetime
) -> None:
    """With the last share gone the ticket is to be sorted again."""
    if ticket.state == State.HANDLING and not _live(session, ticket):
        step(session, viewer, ticket, Event.RECALL, action, now)
