"""Calls to unpublished numbers: Asterisk refuses them unanswered, and they are on record all the same.

Whoever tries numbers by the thousand must not fill the record: beyond some a minute they are only counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.calls import Arrival, Step, end_call, note_steps, open_call
from routing.policy import Policy
from storage.tables import Call, CallStep

MOST_A_MINUTE = 10
MINUTE = timedelta(minutes=1)
REFUSED = "refused"  # the step; its `more` says how many others were refused in that minute, up to `until`
_SUFFIX = "-0"  # of a refused call's id; the dialplan mints none that ends so


def refused_id(uniqueid: str) -> str:
    """The call id of a refused channel: the same whenever it is told."""
    return uniqueid + _SUFFIX


def refuse_calls(session: Session, arrivals: Iterable[Arrival], policy: Policy) -> None:
    """Write calls that were refused as they arrived; `line` is what was dialled. Twice is harmless."""
    in_order = sorted(arrivals, key=lambda arrival: arrival.at)
    for minute, group in groupby(in_order, key=lambda arrival: arrival.at.replace(second=0, microsecond=0)):
        of_this_minute = select(Call.id).where(
            Call.began_at >= minute, Call.began_at < minute + MINUTE, Call.id.endswith(_SUFFIX)
        )
        known = list(session.scalars(of_this_minute.order_by(Call.began_at, Call.id)))
        new = [arrival for arrival in group if arrival.call_id not in known]
        room = max(0, MOST_A_MINUTE - len(known))
        for arrival in new[:room]:
            _write(session, arrival, policy)
            known.append(arrival.call_id)
        if new[room:]:
            _count(session, known[-1], new[room:])


def _write(session: Session, arrival: Arrival, policy: Policy) -> None:
    # Linked with nothing: its channel's other events add nothing to what is said here.
    open_call(session, replace(arrival, linkedid=arrival.call_id), policy)
    step = Step(arrival.at, REFUSED, {}, _fingerprint(arrival.call_id), arrival.line)
    note_steps(session, arrival.call_id, [step], source="cel")
    end_call(session, arrival.call_id, arrival.at, "rejected")


def _count(session: Session, call_id: str, more: Sequence[Arrival]) -> None:
    step = session.scalars(select(CallStep).where(CallStep.fingerprint == _fingerprint(call_id))).one()
    until = str(step.detail.get("until", ""))
    times = [arrival.at.isoformat(timespec="microseconds") for arrival in more]
    fresh = [at for at in times if at > until]
    if fresh:
        step.detail = {**step.detail, "more": step.detail.get("more", 0) + len(fresh), "until": fresh[-1]}


def _fingerprint(call_id: str) -> str:
    return f"cel:{call_id}:{REFUSED}"
