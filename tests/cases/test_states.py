"""The tables of a case's life are whole, and their pictures are the tables'."""

from pathlib import Path

from cases.states import ORDER, TICKET, Event, Order, State, Turn, page


def test_every_state_has_its_row_and_can_be_reached_and_every_event_happens_somewhere() -> None:
    assert set(TICKET) == set(State)
    assert set(ORDER) == set(Order)
    assert {to for row in TICKET.values() for to in row.values()} == set(State)
    assert {to for row in ORDER.values() for to in row.values()} | {Order.SENT} == set(Order)
    assert {event for row in TICKET.values() for event in row} == set(Event)
    assert {turn for row in ORDER.values() for turn in row} == set(Turn)


def test_the_pictures_in_the_docs_are_drawn_from_the_tables() -> None:
    drawn = Path(__file__).resolve().parents[2] / "docs" / "states.md"
    assert drawn.read_text(encoding="utf-8").strip() == page(), (
        "draw it again: python -m cases.states > docs/states.md"
    )
