"""How a ticket ends that no unit closes: answered, refused, transferred, withdrawn; and begun again."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cases import dispatch, joining, knowledge
from cases.deadlines import load_calendar, order_due
from cases.errors import Refused
from cases.joining import owe_caller
from cases.permissions import Action
from cases.personal import unmasked
from cases.states import Event, State, after, only_in
from cases.steps import demand_decider, locked, same, step, touch
from routing.policy import Policy
from routing.terms import Reason
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import Ending, TicketNote

LONGEST = 5000  # characters of what the caller is told
LONGEST_RECEIPT = 200


def answer_directly(
    session: Session,
    viewer: Viewer,
    number: str,
    answer: str,
    now: datetime,
    *,
    entry: str = "",
    version: int | None = None,
) -> Ticket:
    """直接答复: what the caller is told is the end of it. `entry`: the knowledge it was taken from, or ''.

    Raises NotAllowed, NotVisible, Conflict, and Refused: event (or sealed_goes_on), answer required or
    too_long, entry unknown.
    """
    ticket = _locked(session, viewer, number, Action.WRITE_TICKETS, Event.FINISH, version)
    _check_end(viewer, ticket)
    answer = unmasked(answer, ticket.answer, ticket)
    faults = _text("answer", answer)
    if entry and not knowledge.count_as_answer(session, entry, sealed=ticket.sealed):
        faults["entry"] = "unknown"
    _raise(faults)
    ticket.answer = answer
    detail = _end(session, viewer, ticket, Ending(kind="answered", words=answer), now)
    detail |= {"entry": int(entry)} if entry else {}
    step(session, viewer, ticket, Event.FINISH, Action.WRITE_TICKETS, now, **detail)
    owe_caller(session, ticket, "ticket.done")
    return ticket


def refuse(
    session: Session,
    viewer: Viewer,
    number: str,
    ground: str,
    words: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Ticket:
    """不予受理, by one of the policy's grounds and in words that the caller is told.

    Raises NotAllowed, NotVisible, Conflict, and Refused: event, ground required or unknown, words required or
    too_long.
    """
    ticket = _locked(session, viewer, number, Action.SORT, Event.REFUSE, version)
    demand_decider(viewer, ticket, "refusal", policy)
    _raise(_ground(ground, policy.handling.refusal_grounds) | _text("words", words))
    said = _end(session, viewer, ticket, Ending(kind="refused", ground=ground, words=words), now)
    step(session, viewer, ticket, Event.REFUSE, Action.SORT, now, ground=ground, **said)
    owe_caller(session, ticket, "ticket.refused")
    return ticket


def transfer(
    session: Session,
    viewer: Viewer,
    number: str,
    ground: str,
    words: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Ticket:
    """转出: it belongs to another hotline (12345), which gives a receipt: `note_receipt`. `words` may be ''.

    Raises NotAllowed, NotVisible, Conflict, and Refused: event, ground required or unknown, words too_long.
    """
    ticket = _locked(session, viewer, number, Action.SORT, Event.TRANSFER, version)
    _raise(_ground(ground, policy.handling.transfer_grounds) | _text("words", words, must=False))
    ending = Ending(kind="transferred", ground=ground, words=words, to_number=policy.outside_scope_number)
    said = _end(session, viewer, ticket, ending, now)
    to = policy.outside_scope_number
    step(session, viewer, ticket, Event.TRANSFER, Action.SORT, now, ground=ground, to=to, **said)
    owe_caller(session, ticket, "ticket.transferred")
    return ticket


def note_receipt(
    session: Session, viewer: Viewer, number: str, receipt: str, now: datetime, *, version: int | None = None
) -> Ticket:
    """What the other hotline gave for it. Raises NotAllowed, NotVisible, Conflict, Refused."""
    ticket = locked(session, viewer, number, Action.SORT)
    same(ticket, version, receipt)
    only_in({State.TRANSFERRED}, ticket.state)
    _raise(_text("receipt", receipt, longest=LONGEST_RECEIPT))
    ending = current(session, ticket)
    assert ending is not None
    ending.receipt, ending.receipt_at = receipt, now
    touch(session, viewer, ticket, "ticket.receipt", Action.SORT, now, ending=ending.id)
    return ticket


def withdraw(
    session: Session,
    viewer: Viewer,
    number: str,
    ground: str,
    words: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Ticket:
    """撤销: its caller takes it back, or it should not have been written; units lose it. `words` may be ''.

    Raises NotAllowed, NotVisible, Conflict, and Refused: event (the states say no, sealed_goes_on, or
    leads_others: some were merged into it), ground required or unknown, words too_long.
    """
    ticket = _locked(session, viewer, number, Action.WRITE_TICKETS, Event.WITHDRAW, version)
    _check_end(viewer, ticket)
    if joining.followers(session, ticket):
        raise Refused({"event": "leads_others"})
    _raise(_ground(ground, policy.handling.withdrawal_grounds) | _text("words", words, must=False))
    dispatch.take_all_back(session, viewer, ticket, Action.WRITE_TICKETS, policy, now, why="withdrawn")
    said = _end(session, viewer, ticket, Ending(kind="withdrawn", ground=ground, words=words), now)
    step(session, viewer, ticket, Event.WITHDRAW, Action.WRITE_TICKETS, now, ground=ground, **said)
    return ticket


def reopen(
    session: Session,
    viewer: Viewer,
    number: str,
    why: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Ticket:
    """It is to be sorted anew, and its deadline counts from now.

    Raises NotAllowed, NotVisible, Conflict, and Refused: event, why required or too_long.
    """
    ticket = _locked(session, viewer, number, Action.WRITE_TICKETS, Event.REOPEN, version)
    _raise(_text("why", why))
    note = TicketNote(ticket_id=ticket.id, kind="reopened", text=why, by_id=viewer.person_id, at=now)
    session.add(note)
    session.flush()
    begin_again(session, viewer, ticket, Event.REOPEN, Action.WRITE_TICKETS, policy, now, note=note.id)
    return ticket


def begin_again(
    session: Session,
    viewer: Viewer,
    ticket: Ticket,
    event: Event,
    action: Action,
    policy: Policy,
    now: datetime,
    **detail: int,
) -> None:
    """The step back to sorting, with a locked ticket: how it had ended is undone. Raises Refused."""
    step(session, viewer, ticket, event, action, now, **detail)
    ended = Ending.ticket_id == ticket.id, Ending.undone_at.is_(None)
    session.execute(update(Ending).where(*ended).values(undone_at=now))
    new_deadline(session, ticket, policy, now)
    ticket.sent_at = None


def new_deadline(session: Session, ticket: Ticket, policy: Policy, now: datetime) -> None:
    """The caller is promised anew, from now on."""
    due = order_due(now, ticket, policy, load_calendar(session))
    ticket.due_at, ticket.due_rule, ticket.due_provisional = due.at, due.rule, due.provisional


def current(session: Session, ticket: Ticket) -> Ending | None:
    """How it ended, unless a unit closed it or it goes on."""
    ended = select(Ending).where(Ending.ticket_id == ticket.id, Ending.undone_at.is_(None))
    return session.scalar(ended.order_by(Ending.id.desc()).limit(1))


def _locked(
    session: Session, viewer: Viewer, number: str, action: Action, event: Event, version: int | None
) -> Ticket:
    """What has no place in its state is refused before anything typed is looked at."""
    ticket = locked(session, viewer, number, action)
    same(ticket, version, event)
    after(State(ticket.state), event)
    return ticket


def may_end(viewer: Viewer, ticket: Ticket) -> bool:
    """What is sealed is ended by those who read it: who merely took it may not bury it."""
    return not ticket.sealed or viewer.role is Role.DISCIPLINE


def _check_end(viewer: Viewer, ticket: Ticket) -> None:
    if not may_end(viewer, ticket):
        raise Refused({"event": "sealed_goes_on"})


def _end(session: Session, viewer: Viewer, ticket: Ticket, ending: Ending, now: datetime) -> dict[str, int]:
    """Returns what the journal says of it."""
    ending.ticket_id, ending.by_id, ending.at = ticket.id, viewer.person_id, now
    session.add(ending)
    session.flush()
    return {"ending": ending.id}


def _ground(code: str, known: Iterable[Reason]) -> dict[str, str]:
    if code in {each.code for each in known}:
        return {}
    return {"ground": "unknown" if code else "required"}


def _text(name: str, text: str, *, must: bool = True, longest: int = LONGEST) -> dict[str, str]:
    if len(text) > longest:
        return {name: "too_long"}
    return {name: "required"} if must and not text else {}


def _raise(faults: dict[str, str]) -> None:
    if faults:
        raise Refused(faults)
