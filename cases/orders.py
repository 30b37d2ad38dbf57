"""承办: what a unit does with its share of a ticket. What it asks for is ruled on in cases/rulings.py.

A clerk acts for her unit and those below it; for a unit without accounts the dispatcher does, or the unit
above. Every act raises NotAllowed, NotVisible, Conflict (somebody was faster than the version she read), and
Refused: under "event" what the states forbid, under "order" what the policy does, else by field.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cases import units
from cases.deadlines import awaited, limit_due, load_calendar, progress_due
from cases.errors import NotVisible, Refused
from cases.order_reply import Reply, checked
from cases.permissions import Action
from cases.personal import unmasked
from cases.states import GONE, OWED, Order, State, Turn, after_turn, only_in
from cases.steps import locked_order, same, tell, turn
from cases.visible import visible_tickets
from routing.handling import Extension
from routing.policy import Policy
from routing.working_time import Calendar, Due
from storage import outbox
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder, TicketNote, UnitRequest

LONGEST = 2000  # characters of a note, a reason or a ground
LONGEST_LAW = 200
AT_WORK = (Order.SENT, Order.TAKEN)


def take(
    session: Session, viewer: Viewer, order_id: int, now: datetime, *, version: int | None = None
) -> SubOrder:
    """签收: the unit has it in hand."""
    ticket, order = hers(session, viewer, order_id, version, None)
    taken(session, viewer, ticket, order, now)
    return order


def reply(
    session: Session,
    viewer: Viewer,
    order_id: int,
    form: Reply,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> SubOrder:
    """What came of it. Whoever passed it down hears from there first; what was asked lapses.

    Each reply stays as a note as well: one that is sent back is followed by another.
    """
    ticket, order = hers(session, viewer, order_id, version, form)
    after_turn(Order(order.state), Turn.REPLY)
    if any(each.state in OWED for each in below(session, order)):
        raise Refused({"order": "below_owes"})
    said = checked(form, ticket, order, policy.zone, now)
    for name in ("account", "public_reply", "why_unsolved"):  # over what a mask hid of her earlier words
        said[name] = unmasked(str(said[name]), getattr(order, name), ticket)
    words = "\n\n".join(filter(None, (str(said["account"]), str(said["public_reply"]))))
    note = note_on(session, viewer, order, "reply", words, now)
    for column, value in said.items():
        setattr(order, column, value)
    order.replied_at, order.replied_by = now, viewer.person_id
    lapse(session, order, now)
    turn(session, viewer, ticket, order, Turn.REPLY, Action.HANDLE, now, note=note.id)
    return order


def note_progress(session: Session, viewer: Viewer, order_id: int, text: str, now: datetime) -> TicketNote:
    """How far it is. Urgent matters ask for it at the policy's rhythm: next_note."""
    ticket, order = hers(session, viewer, order_id, None, text)
    at_work(order)
    check_text("text", text)
    note = note_on(session, viewer, order, "progress", text, now)
    order.progress_at = awaited(ticket.urgency, now)
    told = {"order": order.id, "unit": order.unit_id, "note": note.id}
    tell(session, viewer, ticket, "order.progress", Action.HANDLE, **told)
    return note


def next_note(ticket: Ticket, order: SubOrder, policy: Policy, calendar: Calendar) -> datetime | None:
    """When the next note of progress is due; None: none is asked for."""
    if order.progress_at is None or order.state not in AT_WORK:
        return None
    due = progress_due(order.progress_at, ticket.urgency, policy, calendar)
    return due.at if due else None


def below(session: Session, order: SubOrder) -> list[SubOrder]:
    """What it passed down and still is there, first sent first."""
    mine = SubOrder.parent_id == order.id, SubOrder.state.not_in(GONE)
    return list(session.scalars(select(SubOrder).where(*mine).order_by(SubOrder.sent_at, SubOrder.id)))


def number_of(session: Session, viewer: Viewer, order_id: int) -> str:
    """The number of the ticket that it is a share of. Raises NotVisible."""
    mine = visible_tickets(viewer, Action.HANDLE).join(SubOrder, SubOrder.ticket_id == Ticket.id)
    number: str | None = session.scalar(mine.where(SubOrder.id == order_id).with_only_columns(Ticket.number))
    if number is None:
        raise NotVisible(f"no order {order_id}")
    return number


# -- what it asks -----------------------------------------------------------------------------------


def object_(
    session: Session,
    viewer: Viewer,
    order_id: int,
    choice: str,
    ground: str,
    unit_code: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> UnitRequest:
    """异议: this is not ours. `choice`: one of the policy's grounds; `unit_code`: whose it is, or ''."""
    ticket, order = hers(session, viewer, order_id, version, ground)
    after_turn(Order(order.state), Turn.OBJECT)
    if closed := no_objection(session, order, policy, load_calendar(session), now):
        raise Refused({"order": closed})
    faults = _text_faults("ground", ground)
    if choice not in {reason.code for reason in policy.handling.objection_grounds}:
        faults["choice"] = "unknown" if choice else "required"
    unit = units.by_code(session, unit_code) if unit_code else None
    if unit_code and unit is None:
        faults["unit"] = "unknown"
    elif unit and unit.id == order.unit_id:
        faults["unit"] = "itself"
    elif unit and ticket.accused_unit_id in units.around(session, unit.id)[1]:
        faults["unit"] = "accused"
    if faults:
        raise Refused(faults)
    request = UnitRequest(order_id=order.id, kind="objection", choice=choice, ground=ground)
    request.unit_id = unit.id if unit else None
    _ask(session, viewer, request, now)
    said = {"ground": choice, "request": request.id}
    turn(session, viewer, ticket, order, Turn.OBJECT, Action.HANDLE, now, **said)
    outbox.put(session, "order.objected", _ids(ticket, request))
    return request


def objection_until(order: SubOrder, policy: Policy, calendar: Calendar) -> Due:
    """The last moment to object, counted from the sending."""
    return limit_due(order.sent_at, policy.handling.objection_window, policy, calendar)


def no_objection(session: Session, order: SubOrder, policy: Policy, calendar: Calendar, now: datetime) -> str:
    """Why the unit has to keep it: is_designated, passed_down, window_over; '' if it may object."""
    if order.designated:
        return "is_designated"
    if below(session, order):
        return "passed_down"
    return "window_over" if now > objection_until(order, policy, calendar).at else ""


def ask_extension(
    session: Session,
    viewer: Viewer,
    order_id: int,
    choice: str,
    ground: str,
    law: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> UnitRequest:
    """延期: one of the policy's extensions, counted from the deadline that it has."""
    ticket, order = hers(session, viewer, order_id, version, ground)
    at_work(order)
    if closed := no_extension(session, order, policy, now):
        raise Refused({"order": closed})
    chosen = next((each for each in policy.handling.extensions if each.code == choice), None)
    faults = _text_faults("ground", ground)
    if len(law) > LONGEST_LAW:
        faults["law"] = "too_long"
    if chosen is None:
        faults["choice"] = "unknown" if choice else "required"
    else:
        if _granted(session, order, chosen) >= chosen.most:
            faults["choice"] = "often_enough"
        if chosen.needs_law and not law:
            faults["law"] = "required"
    if faults or chosen is None or order.due_at is None:
        raise Refused(faults)
    request = UnitRequest(order_id=order.id, kind="extension", choice=choice, ground=ground, law=law)
    request.due_before = order.due_at
    request.due_after = limit_due(order.due_at, chosen, policy, load_calendar(session)).at
    _ask(session, viewer, request, now)
    order.version += 1
    told = {"order": order.id, "unit": order.unit_id, "choice": choice, "request": request.id}
    tell(session, viewer, ticket, "order.extension_asked", Action.HANDLE, **told)
    outbox.put(session, "extension.asked", _ids(ticket, request))
    return request


def no_extension(session: Session, order: SubOrder, policy: Policy, now: datetime) -> str:
    """Why it can't ask for time: from_above, asked_already, no_due, after_due, none_left; '' if it can."""
    if order.parent_id is not None:
        return "from_above"
    if open_request(session, order, "extension") is not None:
        return "asked_already"
    if order.due_at is None:
        return "no_due"
    if now > order.due_at and not policy.handling.extension_after_due:
        return "after_due"
    return "" if extensions_left(session, order, policy) else "none_left"


def extensions_left(session: Session, order: SubOrder, policy: Policy) -> list[Extension]:
    """Those of the policy's extensions that were not granted often enough."""
    return [each for each in policy.handling.extensions if _granted(session, order, each) < each.most]


def open_request(session: Session, order: SubOrder, kind: str) -> UnitRequest | None:
    mine = UnitRequest.order_id == order.id, UnitRequest.kind == kind, UnitRequest.decision == ""
    return session.scalar(select(UnitRequest).where(*mine))


# -- parts of the acts ------------------------------------------------------------------------------


def hers(
    session: Session, viewer: Viewer, order_id: int, version: int | None, yours: object
) -> tuple[Ticket, SubOrder]:
    ticket, order = locked_order(session, viewer, order_id, Action.HANDLE)
    only_in({State.HANDLING}, ticket.state)
    same(order, version, yours)
    return ticket, order


def own(viewer: Viewer) -> list[int]:
    """The ids of her own unit, without those below it."""
    return sorted(set(viewer.units) & set(viewer.kin))


def enters(session: Session, viewer: Viewer, order: SubOrder) -> bool:
    """Whether its forms are hers: her own unit's, or those of one that has no account to use them with."""
    return order.unit_id in own(viewer) or order.way != "web" or not units.has_clerks(session, order.unit_id)


def entered(session: Session, viewer: Viewer, order_id: int) -> None:
    """Raises Refused when the unit has accounts and she is of another: its own people enter what it says."""
    if not enters(session, viewer, session.get_one(SubOrder, order_id)):
        raise Refused({"event": "has_accounts"})


def at_work(order: SubOrder) -> None:
    only_in(AT_WORK, order.state)


def taken(session: Session, viewer: Viewer, ticket: Ticket, order: SubOrder, now: datetime) -> None:
    turn(session, viewer, ticket, order, Turn.TAKE, Action.HANDLE, now)
    order.taken_at, order.taken_by = now, viewer.person_id


def _granted(session: Session, order: SubOrder, extension: Extension) -> int:
    mine = UnitRequest.order_id == order.id, UnitRequest.choice == extension.code
    rows = select(UnitRequest.id).where(*mine, UnitRequest.kind == "extension")
    return len(session.scalars(rows.where(UnitRequest.decision == "granted")).all())


def _ask(session: Session, viewer: Viewer, request: UnitRequest, now: datetime) -> None:
    request.asked_by, request.asked_at = viewer.person_id, now
    session.add(request)
    session.flush()


def _ids(ticket: Ticket, request: UnitRequest) -> dict[str, int]:
    return {"ticket_id": ticket.id, "order_id": request.order_id, "request_id": request.id}


def lapse(session: Session, order: SubOrder, now: datetime) -> None:
    """What it asked needs no answer any more."""
    asked = UnitRequest.order_id == order.id, UnitRequest.decision == ""
    session.execute(update(UnitRequest).where(*asked).values(decision="lapsed", decided_at=now))


def note_on(
    session: Session, viewer: Viewer, order: SubOrder, kind: str, text: str, at: datetime
) -> TicketNote:
    note = TicketNote(ticket_id=order.ticket_id, order_id=order.id, kind=kind, text=text)
    note.by_id, note.at = viewer.person_id, at
    session.add(note)
    session.flush()
    return note


def check_text(field: str, text: str) -> None:
    if faults := _text_faults(field, text):
        raise Refused(faults)


def _text_faults(field: str, text: str) -> dict[str, str]:
    if not text:
        return {field: "required"}
    return {field: "too_long"} if len(text) > LONGEST else {}
