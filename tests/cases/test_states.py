"""The tables of a case's life are whole."""

from cases.states import ORDER, TICKET, Event, Order, State, Turn


def test_every_state_has_its_row_and_can_be_reached_and_every_event_happens_somewhere() -> None:
    assert set(TICKET) == set(State)
    assert set(ORDER) == set(Order)
    assert {to for row in TICKET.values() for to in row.values()} == set(State)
    assert {to for row in ORDER.values() for to in row.values()} | {Order.SENT} == set(Order)
    assert {event for row in TICKET.values() for event in row} == set(Event)
    assert {turn for row in ORDER.values() for turn in row} == set(Turn)
