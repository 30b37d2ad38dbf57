"""A deadline that touches a year not announced says so wherever it stands."""

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import select, update

from cases import dispatch, logins, people, units
from cases.dispatch import Share
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import load
from storage.staff import Person
from storage.tables import CalendarYear, Ticket
from storage.viewer import Role
from storage.work import Closing, SubOrder
from tests.web.site import PASSWORD, POLICY, Site

CITY = load(POLICY)
STAFF = (
    ("pai", Role.DISPATCHER, ""),
    ("power", Role.UNIT_CLERK, "power"),
    ("shen", Role.REVIEWER, ""),
    ("visitor", Role.VISITOR, ""),
)


@pytest.fixture(scope="module")
def cases(site: Site) -> dict[str, str]:
    """A case in each place, due in an hour by a calendar that is not announced; its number by the place."""
    now = datetime.now(UTC)
    with site.database.session() as session:
        units.sync(session, CITY.units)
        for login, role, unit in STAFF:
            people.create_person(session, login, login, role, PASSWORD, unit=unit)
    with site.database.session() as session:
        staff = {each.login: logins.viewer_of(session, each) for each in session.scalars(select(Person))}
        found = {}
        for place in ("accepted", "sent", "review", "visit", "sealed"):
            kind = "report" if place == "sealed" else "help"
            form = TicketForm(
                kind=kind, content=f"停电{place}", contact_number="13812340000", caller_name="周强"
            )
            ticket = save_ticket(session, staff["liu"], form, None, CITY, now)
            if place not in ("accepted", "sealed"):
                dispatch.send(session, staff["pai"], ticket.number, [Share("power")], CITY, now)
            if place == "review":
                session.add(Closing(ticket_id=ticket.id, by_id=staff["power"].person_id))
            if place in ("review", "visit"):
                ticket.state = State(place)
            soon = now + timedelta(hours=1)
            ticket.due_at, ticket.due_provisional = soon, True
            if place == "visit":
                ticket.visit_due_at, ticket.visit_due_provisional = soon, True
            for order in session.scalars(select(SubOrder).where(SubOrder.ticket_id == ticket.id)):
                order.due_at, order.due_provisional = soon, True
            found[place] = ticket.number
    return found


@pytest.mark.parametrize(
    ("login", "place", "path"),
    [
        ("liu", "accepted", "/tickets"),
        ("liu", "accepted", "/tickets/{number}"),
        ("pai", "accepted", "/dispatch?list=sort"),
        ("pai", "sent", "/dispatch?list=soon"),
        ("power", "sent", "/orders?list=to_take"),
        ("power", "sent", "/tickets/{number}"),
        ("shen", "review", "/review"),
        ("visitor", "visit", "/visits"),
        ("visitor", "visit", "/tickets/{number}"),
        ("zhao", "sent", "/supervision?list=soon"),
        ("sun", "sealed", "/discipline?list=young"),
        ("chen", "accepted", "/day?list=accepted"),
        ("chen", "sent", "/day?list=take"),
    ],
)
def test_it_says_so_in_the_row_or_on_the_page(
    site: Site, cases: dict[str, str], login: str, place: str, path: str
) -> None:
    number = cases[place]
    text = unescape(site.client(login).get(path.format(number=number)).text)
    if "{number}" not in path:
        text = next(row for row in text.split("<tr")[1:] if f"/tickets/{number}" in row)
    assert "暂定" in text


def test_so_do_the_window_of_objections_and_the_time_to_rule_on_one(
    site: Site, cases: dict[str, str]
) -> None:
    number, power = cases["sent"], site.client("power")
    with site.database.session() as session:
        session.execute(update(CalendarYear).values(announced=False))
        ticket = select(Ticket.id).where(Ticket.number == number).scalar_subquery()
        order_id = session.scalars(select(SubOrder.id).where(SubOrder.ticket_id == ticket)).one()
        session.execute(update(SubOrder).values(due_provisional=False))
    page = unescape(power.get(f"/tickets/{number}").text)
    assert "（暂定）" in page.split(f"/orders/{order_id}/object")[1].split("</form>")[0]
    said = {"choice": "out_of_remit", "ground": "不归我们", "unit": "", "version": "1"}
    assert power.post(f"/orders/{order_id}/object", data=said).status_code == 303
    listed = unescape(site.client("pai").get("/rulings?list=objection").text)
    (asked,) = [part for part in listed.split("<section")[1:] if f"/tickets/{number}" in part]
    assert "暂定" in asked.split("<form")[0]
