"""The ticket's life as a table; docs draw their picture from it."""

from enum import StrEnum

from cases.errors import Refused


class State(StrEnum):
    ACCEPTED = "accepted"  # 已受理
    DONE = "done"  # 已办结
    WITHDRAWN = "withdrawn"  # 已撤销


class Event(StrEnum):
    FINISH = "finish"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"


TICKET: dict[State, dict[Event, State]] = {
    State.ACCEPTED: {Event.FINISH: State.DONE, Event.WITHDRAW: State.WITHDRAWN},
    State.DONE: {Event.REOPEN: State.ACCEPTED},
    State.WITHDRAWN: {Event.REOPEN: State.ACCEPTED},
}

OPEN = frozenset({State.ACCEPTED})


def after(state: State, event: Event) -> State:
    """Raises Refused when the event has no place in this state."""
    try:
        return TICKET[state][event]
    except KeyError:
        raise Refused({"event": f"not_in_{state.value}"}) from None


def diagram() -> str:
    """The table as a Mermaid picture; docs/states.md is `python -m cases.states`."""
    moves = [f"    {state} --> {to}: {event}" for state, row in TICKET.items() for event, to in row.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.ACCEPTED}", *moves])


if __name__ == "__main__":
    print(f"# The ticket's states\n\nDrawn from cases/states.py.\n\n```mermaid\n{diagram()}\n```")
