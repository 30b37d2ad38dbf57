"""A unit's lists hold what their names say, and their counts are the lists' own."""

from sqlalchemy import update

from cases import order_trays, orders, passing
from cases.states import Order
from storage.database import Database
from storage.viewer import Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW
from tests.cases.handled import COUNTY, DAY, GAS, HOUR, OFFICE, POWER, REPLY, Desk, desk

__all__ = ["desk"]


def lists(desk: Desk, who: Viewer) -> dict[str, list[int]]:
    """Each list's shares, soonest due first; what is counted is what is there."""
    with desk.database.session() as session:
        counted = order_trays.counts(session, who, NOW)
        found = {
            name: [line.order.id for line in order_trays.tray(session, who, name, desk.policy, NOW)]
            for name in counted
        }
    assert {name: len(shares) for name, shares in found.items()} == counted
    return found


def _set(database: Database, order_id: int, **values: object) -> None:
    with database.session() as session:
        session.execute(update(SubOrder).where(SubOrder.id == order_id).values(**values))


def test_each_list_has_what_its_name_says(desk: Desk) -> None:
    new, taken, soon, late, asked, redo, replied = (desk.case(POWER)[0] for _ in range(7))
    for order_id in (taken, soon, late, asked, redo, replied):
        desk.does(orders.take, desk.power, order_id, NOW)
    _set(desk.database, soon, due_at=NOW + HOUR)
    _set(desk.database, late, due_at=NOW - HOUR)
    desk.does(orders.ask_extension, desk.power, asked, "complex", "x", "", desk.policy, NOW)
    _set(desk.database, redo, redone=1)
    desk.does(orders.reply, desk.power, replied, REPLY, desk.policy, NOW)
    desk.case(GAS)
    found = lists(desk, desk.power)
    assert found["to_take"] == [new]
    assert set(found["in_hand"]) == {taken, soon, late, asked, redo}
    assert (found["soon"], found["late"]) == ([soon], [late])
    assert (found["asked"], found["redo"], found["replied"]) == ([asked], [redo], [replied])
    assert set(found["owed"]) == {new, taken, soon, late, asked, redo}
    assert found["owed"][:2] == [late, soon]
    assert "below" not in found  # nobody stands below it


def test_a_county_sees_what_is_below_it_apart(desk: Desk) -> None:
    (own,), (sent_below,) = desk.case(COUNTY), desk.case(OFFICE)
    passed = desk.does(passing.pass_down, desk.county, own, OFFICE, "", NOW).id
    found = lists(desk, desk.county)
    assert (found["owed"], set(found["below"])) == ([own], {sent_below, passed})
    office = lists(desk, desk.office)
    assert set(office["to_take"]) == {sent_below, passed}
    with desk.database.session() as session:
        (line,) = order_trays.tray(session, desk.office, "late", desk.policy, NOW + 400 * DAY)[:1]
        assert line.unit.code == OFFICE


def test_what_is_gone_or_over_is_in_no_list(desk: Desk) -> None:
    for state in (Order.DONE, Order.RETURNED, Order.RECALLED):
        _set(desk.database, desk.case(POWER)[0], state=state)
    assert not any(lists(desk, desk.power).values())


def test_the_dispatcher_has_the_units_that_have_no_account_to_answer_by(desk: Desk) -> None:
    (no_clerks,) = desk.case("water")
    by_web, by_phone, on_paper = (desk.case(POWER)[0] for _ in range(3))
    _set(desk.database, by_phone, way="phone")
    _set(desk.database, on_paper, way="paper")
    found = lists(desk, desk.dispatcher)
    assert set(found["owed"]) == {by_phone, on_paper, no_clerks}
    assert by_web not in found["to_take"]


def test_a_sealed_share_is_in_nobodys_list_but_the_named_clerks(desk: Desk) -> None:
    (sealed,) = desk.case(OFFICE, sealed=True)
    assert lists(desk, desk.office)["to_take"] == [sealed]
    for who in (desk.county, desk.gas, desk.dispatcher):
        assert not any(lists(desk, who).values())


def test_an_urgent_share_tells_when_its_next_note_is_due(desk: Desk) -> None:
    (order_id,) = desk.case(POWER, urgency="critical")
    with desk.database.session() as session:
        (line,) = order_trays.tray(session, desk.power, "owed", desk.policy, NOW)
        assert line.progress_due == NOW + 2 * HOUR
    desk.does(orders.note_progress, desk.power, order_id, "在办", NOW + HOUR)
    with desk.database.session() as session:
        (line,) = order_trays.tray(session, desk.power, "owed", desk.policy, NOW)
        assert line.progress_due == NOW + 3 * HOUR
