"""The ticket's table is whole, and its picture is the table's."""

from pathlib import Path

from cases.states import TICKET, State, after, diagram


def test_every_state_has_its_row_and_can_be_reached() -> None:
    assert set(TICKET) == set(State)
    reached = {State.ACCEPTED} | {after(state, event) for state, moves in TICKET.items() for event in moves}
    assert reached == set(State)


def test_the_picture_in_the_docs_is_drawn_from_the_table() -> None:
    drawn = Path(__file__).resolve().parents[2] / "docs" / "states.md"
    assert diagram() in drawn.read_text(encoding="utf-8"), (
        "draw it again: python -m cases.states > docs/states.md"
    )
