"""Who may see a sealed call while it rings at her, and after it has."""

import csv
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from cases.calls import Arrival, open_call, seal_call
from cases.errors import NotVisible
from cases.offers import end_offers, offered
from cases.visible import name
from storage.database import Database
from storage.staff import PersonDuty
from storage.tables import Call, CallLeg, Journal, Named
from storage.viewer import Role, Viewer
from telephony.lost import end_lost_calls
from tests.ivr.test_inbound import a_policy
from tests.telephony.conftest import DATA, Read


def seal(database: Database, sample: str, people: Collection[int]) -> str:
    """The sample's call, sealed, with these people's phones having shown it; its token is known."""
    first = next(row for row in csv.reader((DATA / f"cel_{sample}.csv").open()) if row[5])
    call_id, linkedid, at = first[5], first[3], datetime.fromtimestamp(float(first[1]), UTC)
    with database.session() as session:
        open_call(
            session, Arrival(call_id, linkedid, "962299", "", True, at, offer_token="token"), a_policy()
        )
        seal_call(session, call_id, a_policy())
        for person in people:
            name(session, person, "offered", call_id=call_id)
    return call_id


def named(database: Database) -> list[int]:
    with database.session() as session:
        return list(session.scalars(select(Named.person_id).order_by(Named.person_id)))


def sees(database: Database, person: int, call_id: str, token: str = "token") -> bool:
    """Whether she is shown the call by the token her phone was given."""
    with database.session() as session:
        try:
            offered(session, Viewer(person, Role.AGENT, ""), call_id, token)
        except NotVisible:
            return False
        return True


def test_an_agent_who_lets_a_sealed_call_ring_loses_sight_of_it_for_good(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    agent, other = staff["e00000001"], staff["e00000002"]
    call_id = seal(database, "unanswered", [])
    read("unanswered", upto="HANGUP")
    assert sees(database, agent, call_id)
    assert named(database) == [agent]
    read("unanswered", since="HANGUP")
    assert named(database) == []
    assert not sees(database, agent, call_id)
    assert not sees(database, other, call_id)  # her phone never rang, and the call is over
    with database.session() as session:
        entries = session.scalars(select(Journal).where(Journal.act == "call.offer_ended")).all()
        assert [(entry.subject_id, entry.detail) for entry in entries] == [(call_id, {"person_id": agent})]


def test_a_sealed_call_that_rings_at_her_again_is_shown_again(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    agent = staff["e00000001"]
    call_id = seal(database, "unanswered", [agent])
    read("unanswered", upto="LINKEDID_END")
    with database.session() as session:
        session.get_one(Call, call_id).outcome = "live"  # the caller waits on
        session.add(PersonDuty(person_id=agent))
    assert not sees(database, agent, call_id)
    with database.session() as session:
        session.get_one(PersonDuty, agent).live_call_id = call_id
    assert sees(database, agent, call_id)


def test_who_answers_a_sealed_call_keeps_sight_and_who_does_not_loses_it(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    call_id = seal(database, "blind_back", staff.values())
    read("blind_back")
    assert named(database) == [staff["e00000001"]]  # it came back to her when the colleague declined
    assert sees(database, staff["e00000001"], call_id)


def test_a_sealed_ring_that_dies_with_asterisk_is_out_of_sight_too(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    agent = staff["e00000001"]
    call_id = seal(database, "unanswered", [agent])
    read("unanswered", upto="HANGUP")
    assert named(database) == [agent]
    assert end_lost_calls(database, set(), datetime.now(UTC) + timedelta(days=365)) == 1
    assert named(database) == []
    assert not sees(database, agent, call_id)


def test_a_colleague_who_was_only_consulted_loses_sight_and_who_has_the_caller_keeps_it(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    call_id = seal(database, "consulted", staff.values())
    read("consulted")
    assert named(database) == [staff["e00000001"]]
    assert not sees(database, staff["e00000002"], call_id)


def test_a_colleague_who_is_given_the_caller_after_a_consultation_keeps_sight(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    call_id = seal(database, "attended", staff.values())
    read("attended")
    assert sorted(named(database)) == sorted(staff.values())
    assert sees(database, staff["e00000002"], call_id)


def test_a_second_ring_that_the_channel_events_do_not_know_of_yet_keeps_sight(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    agent = staff["e00000001"]
    call_id = seal(database, "unanswered", [])
    read("unanswered", upto="HANGUP")
    assert sees(database, agent, call_id)
    with database.session() as session:  # it rings at her again before the first ring's end is stored
        session.add(PersonDuty(person_id=agent, live_call_id=call_id))
    with database.session() as session:
        legs = select(CallLeg).where(CallLeg.call_id == call_id, CallLeg.person_id == agent)
        session.scalars(legs).one().ended_at = datetime.now(UTC) + timedelta(seconds=1)
        session.flush()
        end_offers(session, [call_id])
    assert named(database) == [agent]
    with database.session() as session:  # and it ends there too
        session.get_one(PersonDuty, agent).live_call_id = None
        session.flush()
        end_offers(session, [call_id])
    assert named(database) == []


def test_an_offer_that_came_after_the_leg_that_ended_is_another_one(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    agent = staff["e00000001"]
    call_id = seal(database, "unanswered", [])
    read("unanswered", upto="HANGUP")
    with database.session() as session:
        legs = select(CallLeg).where(CallLeg.call_id == call_id, CallLeg.person_id == agent)
        session.scalars(legs).one().ended_at = datetime.now(UTC) - timedelta(seconds=2)
        name(session, agent, "offered", call_id=call_id)
        session.flush()
        end_offers(session, [call_id])
    assert named(database) == [agent]
