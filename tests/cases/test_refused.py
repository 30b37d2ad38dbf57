"""Refused calls on record, and floods of them counted."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from cases.calls import Arrival
from cases.refused import MOST_A_MINUTE, refuse_calls, refused_id
from routing.policy import Policy
from storage.database import Database
from storage.tables import Call, CallStep
from tests.cases.conftest import NOW


def refused(number: int, seconds: float, dialled: str = "5551234") -> Arrival:
    uniqueid = f"1795306490.{number}"
    return Arrival(
        refused_id(uniqueid), uniqueid, dialled, "13812345678", False, NOW + timedelta(seconds=seconds)
    )


def calls(database: Database) -> list[Call]:
    with database.session() as session:
        return list(session.scalars(select(Call).order_by(Call.began_at)))


def counted(database: Database) -> list[int]:
    with database.session() as session:
        return [
            step.detail.get("more", 0) for step in session.scalars(select(CallStep).order_by(CallStep.at))
        ]


def test_a_refused_call_is_over_as_it_begins_and_names_what_was_dialled(
    database: Database, policy: Policy
) -> None:
    with database.session() as session:
        refuse_calls(session, [refused(1, 0)], policy)
    (call,) = calls(database)
    assert (call.outcome, call.line, call.number) == ("rejected", "5551234", "+8613812345678")
    assert call.began_at == call.ended_at == NOW
    with database.session() as session:
        (step,) = session.scalars(select(CallStep))
    assert (step.step, step.number, step.source) == ("refused", "5551234", "cel")


@pytest.mark.parametrize("batch", [1, 7, 60])
def test_beyond_some_a_minute_refused_calls_are_counted_in_the_last_record(
    database: Database, policy: Policy, batch: int
) -> None:
    flood = [refused(n, n) for n in range(60 + 3)]  # one a second: a minute full, three in the next
    for begin in range(0, len(flood), batch):
        with database.session() as session:
            refuse_calls(session, flood[begin : begin + batch], policy)
    assert len(calls(database)) == MOST_A_MINUTE + 3
    assert counted(database) == [0] * (MOST_A_MINUTE - 1) + [60 - MOST_A_MINUTE] + [0] * 3


def test_a_flood_told_twice_is_counted_once(database: Database, policy: Policy) -> None:
    flood = [refused(n, n) for n in range(30)]
    for _ in range(2):
        with database.session() as session:
            refuse_calls(session, flood, policy)
    assert len(calls(database)) == MOST_A_MINUTE
    assert sum(counted(database)) == 30 - MOST_A_MINUTE
