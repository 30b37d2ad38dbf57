"""All units' shares of one case at once: who leads, who still owes, finished together, done again."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import dispatch, sealing
from cases.deadlines import awaited, limit_due, load_calendar, order_due, restarted
from cases.permissions import Action
from cases.states import GONE, OWED, Order, Turn
from cases.steps import tell, turn
from routing.handling import Again
from routing.policy import Policy
from routing.working_time import Calendar, Due
from storage import outbox
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder


def of(session: Session, ticket: Ticket, *, lock: bool = False) -> list[SubOrder]:
    """Those that units have or had done, oldest first."""
    mine = select(SubOrder).where(SubOrder.ticket_id == ticket.id, SubOrder.state.not_in(GONE))
    mine = mine.order_by(SubOrder.sent_at, SubOrder.id)
    return list(session.scalars(mine.with_for_update() if lock else mine))


def leading(shares: list[SubOrder]) -> SubOrder | None:
    """主办: the share of the unit that answers for the whole case, the last one that it was sent to."""
    return next((each for each in reversed(shares) if each.part == "lead" and each.parent_id is None), None)


def owed(shares: list[SubOrder]) -> list[SubOrder]:
    """Those whose units still have to act."""
    return [each for each in shares if each.state in OWED]


def finish(session: Session, viewer: Viewer, ticket: Ticket, action: Action, now: datetime) -> None:
    """The case is closed with what the units replied."""
    for share in of(session, ticket, lock=True):
        if share.state == Order.REPLIED:
            turn(session, viewer, ticket, share, Turn.FINISH, action, now)
            share.ended_at = now


def redo(
    session: Session,
    viewer: Viewer,
    ticket: Ticket,
    again: Again,
    action: Action,
    policy: Policy,
    now: datetime,
) -> int:
    """Every unit that had replied acts again, by the deadline that `again` gives and with its old words;
    returns how many.

    Of a ticket that was sealed since, those that see it no more are not asked, and have it no more.
    """
    blind = sealing.unseeing(session, ticket)
    had = [each for each in of(session, ticket, lock=True) if each.state in (Order.REPLIED, Order.DONE)]
    asked, calendar = [each for each in had if each.unit_id not in blind], load_calendar(session)
    for share in asked:
        turn(session, viewer, ticket, share, Turn.REDO, action, now)
        due = _due_again(share, ticket, again, policy, calendar, now)
        share.due_at, share.due_rule, share.due_provisional = due.at, due.rule, due.provisional
        share.redone += 1
        share.progress_at = awaited(ticket.urgency, now)
        share.replied_at = share.replied_by = share.ended_at = None
    dispatch.withdraw(session, viewer, ticket, blind, action, now, "sealed")
    return len(asked)


def _due_again(
    share: SubOrder, ticket: Ticket, again: Again, policy: Policy, calendar: Calendar, now: datetime
) -> Due:
    """What an urgent matter or a short limit leaves less time for is due by that, also when done again."""
    whole = order_due(now, ticket, policy, calendar)
    given = limit_due(now, again.limit, policy, calendar) if again.limit else None
    short = min(whole, given, key=lambda due: due.at) if given else None
    if again.deadline != "kept" or share.due_at is None:
        return short or whole
    had = Due(share.due_at, share.due_provisional, share.due_rule)
    return max(had, short, key=lambda due: due.at) if short else had


def restart(
    session: Session,
    viewer: Viewer,
    ticket: Ticket,
    action: Action,
    policy: Policy,
    calendar: Calendar,
    now: datetime,
) -> None:
    """The ticket's kind, category, urgency or limit is another: what units owe is due by that, as if it had
    been sent so. Each unit whose deadline moves is told; word of an urgent matter is awaited from now on."""
    for share in owed(of(session, ticket, lock=True)):
        share.progress_at = awaited(ticket.urgency, share.progress_at or now)
        old, due = share.due_at, restarted(share.due_rule, share.sent_at, ticket, policy, calendar)
        share.due_at, share.due_rule, share.due_provisional = due.at, due.rule, due.provisional
        if old == due.at:
            continue
        moved = {"old": old.isoformat() if old else None, "new": due.at.isoformat()}
        told = {"order": share.id, "unit": share.unit_id, **moved, "provisional": due.provisional}
        tell(session, viewer, ticket, "order.due_moved", action, **told)
        outbox.put(session, "order.due_moved", {"ticket_id": ticket.id, "order_id": share.id})
