"""The life of a ticket and of each unit's share of it, as tables; docs draw their pictures from them.

The five steps: accept → sort (ACCEPTED), handle in time (HANDLING, REVIEW), supervise (a thing beside the
state: cases/supervision.py), feed back and visit (VISIT).
"""

from collections.abc import Callable, Container, Mapping
from enum import StrEnum
from typing import TypeVar

from cases.errors import Refused


class State(StrEnum):
    ACCEPTED = "accepted"  # 已受理, to be sorted
    HANDLING = "handling"  # 办理中
    REVIEW = "review"  # 待审核: the closing form is in
    VISIT = "visit"  # 待回访
    DONE = "done"  # 已办结
    REFUSED = "refused"  # 不予受理
    TRANSFERRED = "transferred"  # 已转出
    MERGED = "merged"  # 已并案
    WITHDRAWN = "withdrawn"  # 已撤销


class Event(StrEnum):
    DISPATCH = "dispatch"
    RECALL = "recall"  # no unit has it any more
    FINISH = "finish"  # answered directly
    REFUSE = "refuse"
    TRANSFER = "transfer"
    MERGE = "merge"
    SPLIT = "split"
    WITHDRAW = "withdraw"
    CLOSE = "close"  # the closing form
    SEND_BACK = "send_back"  # its audit: not like this
    APPROVE = "approve"  # its audit: now the caller is asked
    RELEASE = "release"  # its audit: nobody wants to be asked
    SATISFY = "satisfy"
    GIVE_UP = "give_up"  # often enough not reached
    DISSATISFY = "dissatisfy"
    REOPEN = "reopen"


TICKET: dict[State, dict[Event, State]] = {
    State.ACCEPTED: {
        Event.DISPATCH: State.HANDLING,
        Event.FINISH: State.DONE,
        Event.REFUSE: State.REFUSED,
        Event.TRANSFER: State.TRANSFERRED,
        Event.MERGE: State.MERGED,
        Event.WITHDRAW: State.WITHDRAWN,
    },
    State.HANDLING: {
        Event.DISPATCH: State.HANDLING,
        Event.RECALL: State.ACCEPTED,
        Event.CLOSE: State.REVIEW,
        Event.MERGE: State.MERGED,
        Event.WITHDRAW: State.WITHDRAWN,
    },
    State.REVIEW: {
        Event.SEND_BACK: State.HANDLING,
        Event.APPROVE: State.VISIT,
        Event.RELEASE: State.DONE,
    },
    State.VISIT: {
        Event.SATISFY: State.DONE,
        Event.GIVE_UP: State.DONE,
        Event.DISSATISFY: State.HANDLING,
    },
    State.DONE: {Event.REOPEN: State.ACCEPTED, Event.DISSATISFY: State.HANDLING},
    State.REFUSED: {Event.REOPEN: State.ACCEPTED},
    State.TRANSFERRED: {Event.REOPEN: State.ACCEPTED},
    State.MERGED: {Event.SPLIT: State.ACCEPTED},
    State.WITHDRAWN: {Event.REOPEN: State.ACCEPTED},
}

OPEN = frozenset({State.ACCEPTED, State.HANDLING, State.REVIEW, State.VISIT})
PROMISED = OPEN - {State.VISIT}  # the caller has no answer yet: the ticket's deadline counts


class Order(StrEnum):
    """A unit's share."""

    SENT = "sent"  # 待签收
    TAKEN = "taken"  # 办理中
    OBJECTED = "objected"  # 异议待审
    REPLIED = "replied"  # 已回复
    DONE = "done"  # the case was closed with it
    RETURNED = "returned"  # 已退回
    RECALLED = "recalled"  # 已撤回


class Turn(StrEnum):
    """What happens to a unit's share."""

    TAKE = "take"
    OBJECT = "object"
    UPHOLD = "uphold"  # the objection is right
    OVERRULE = "overrule"  # it is not: the unit is designated
    REPLY = "reply"
    REDO = "redo"
    RECALL = "recall"
    FINISH = "finish"


ORDER: dict[Order, dict[Turn, Order]] = {
    Order.SENT: {
        Turn.TAKE: Order.TAKEN,
        Turn.OBJECT: Order.OBJECTED,
        Turn.REPLY: Order.REPLIED,  # a unit without accounts: the clerk enters its reply
        Turn.RECALL: Order.RECALLED,
    },
    Order.TAKEN: {
        Turn.OBJECT: Order.OBJECTED,
        Turn.REPLY: Order.REPLIED,
        Turn.RECALL: Order.RECALLED,
    },
    Order.OBJECTED: {
        Turn.UPHOLD: Order.RETURNED,
        Turn.OVERRULE: Order.TAKEN,
        Turn.RECALL: Order.RECALLED,
    },
    Order.REPLIED: {Turn.REDO: Order.TAKEN, Turn.FINISH: Order.DONE, Turn.RECALL: Order.RECALLED},
    Order.DONE: {Turn.REDO: Order.TAKEN},
    Order.RETURNED: {},
    Order.RECALLED: {},
}

OWED = frozenset({Order.SENT, Order.TAKEN, Order.OBJECTED})  # the unit still has to act
GONE = frozenset({Order.RETURNED, Order.RECALLED})  # the unit sees it no more

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def after(state: State, event: Event) -> State:
    """Raises Refused when the event has no place in this state."""
    return _next(TICKET, state, event)


def after_turn(state: Order, turn: Turn) -> Order:
    """Raises Refused when the turn has no place in this state."""
    return _next(ORDER, state, turn)


def only_in(states: Container[str], state: str) -> None:
    """Raises Refused when this is none of the states in which what is asked for has its place."""
    if state not in states:
        raise Refused({"event": f"not_in_{state}"})


def _next(table: Mapping[S, Mapping[E, S]], state: S, event: E) -> S:
    try:
        return table[state][event]
    except KeyError:
        raise Refused({"event": f"not_in_{state.value}"}) from None


def picture(table: Mapping[S, Mapping[E, S]], first: S, of: str, say: Callable[[str], str]) -> str:
    """A table in Mermaid. `say`: a message catalogue, which has the words of the pages; `of`: ticket or
    order."""
    states = [f'    state "{say(f"state.{of}.{state}")} {state}" as {state}' for state in table]
    moves = [
        f"    {state} --> {to}: {say(f'act.{of}.{event}')} {event}"
        for state, row in table.items()
        for event, to in row.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *states, f"    [*] --> {first}", *moves, "```"])
