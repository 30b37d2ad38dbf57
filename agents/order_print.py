"""交办单: a unit's share on paper, for a unit that is told by letter or messenger."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from agents.people import names_of
from cases import personal
from cases.deadlines import say_rule
from cases.errors import NotVisible
from cases.permissions import Action, Scope, cell
from cases.tickets import open_ticket
from cases.visible import visible_tickets
from storage.staff import Unit
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder
from web.login import needs, services
from web.render import look, page

router = APIRouter()


@router.get("/orders/{order_id}/print")
def order_page(
    request: Request, order_id: int, who: Annotated[Viewer, Depends(needs(Action.SEE_TICKETS))]
) -> Response:
    """The sheet as she may see it; names and numbers masked where they are so on the ticket's page."""
    return _sheet(request, order_id, who)


@router.post("/orders/{order_id}/print")
def order_in_full(
    request: Request, order_id: int, who: Annotated[Viewer, Depends(needs(Action.SHOW_PERSONAL))]
) -> Response:
    """The same with names and numbers in full, this once; that she asked is journalled."""
    return _sheet(request, order_id, who, asked=True)


def _sheet(request: Request, order_id: int, who: Viewer, *, asked: bool = False) -> Response:
    policy, language = services(request).policy, look(request).language
    with services(request).database.session() as session:
        order = _visible(session, who, order_id)
        ticket = open_ticket(session, who, session.get_one(Ticket, order.ticket_id).number).ticket
        if asked:
            personal.show(session, who, ticket)
        full = asked or personal.sees_ticket(session, who, ticket)
        context: dict[str, Any] = {
            "order": order,
            "ticket": personal.shown(ticket, full=full),
            "note": personal.telling(ticket, full=full)(order.note),
            "unit": session.get_one(Unit, order.unit_id).name,
            "sent_by": names_of(session, {order.sent_by}).get(order.sent_by or 0, ""),
            "rule": say_rule(order.due_rule, policy, language) if order.due_rule else "",
            "can_show": not full and personal.may_show(session, who, ticket),
            "printed_at": datetime.now(UTC),
        }
    return page(request, "order_print.html", **context)


def prints(who: Viewer, order: SubOrder) -> bool:
    """Whether a share of a ticket that she sees is hers to print: a clerk's own unit's, or one's below it."""
    return cell(who.role, Action.SEE_TICKETS).ordinary is not Scope.UNIT or order.unit_id in who.units


def _visible(session: Session, who: Viewer, order_id: int) -> SubOrder:
    """A share that she may print. Raises NotVisible."""
    tickets = visible_tickets(who).with_only_columns(Ticket.id)
    order = session.scalar(select(SubOrder).where(SubOrder.id == order_id, SubOrder.ticket_id.in_(tickets)))
    if order is None or not prints(who, order):
        raise NotVisible(f"no order {order_id}")
    return order
