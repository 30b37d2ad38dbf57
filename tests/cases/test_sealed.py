"""A sealed matter's life: handed over, read by who holds the role, unsealed by two; each look on record."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from cases import people, sealed, unsealing
from cases.answering import answer_directly
from cases.calls import CallSearch, list_calls, mark_answered
from cases.drafts import draft, keep_draft
from cases.errors import HandedOver, NotAllowed, NotVisible, Refused
from cases.looks import LookSearch, list_looks
from cases.offers import offered, read_call
from cases.recordings import RecordingSearch, find_recordings, played
from cases.recusals import recuse_self
from cases.ticket_form import TicketForm
from cases.tickets import TicketSearch, change_ticket, list_tickets, open_ticket, save_ticket
from cases.visible import name, visible_recordings
from routing.policy import Policy
from storage.database import Database
from storage.parties import Caller, CallerNumber
from storage.staff import Person
from storage.tables import Call, Journal, Named, Recording, Ticket
from storage.viewer import Role, Viewer
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff

PLAIN = TicketForm(kind="help", content="停电", caller_name="王敏", company="某厂")
REPORT = TicketForm(kind="report", content="索贿")


@dataclass(frozen=True)
class Matter:
    call_id: str
    ticket_id: int
    number: str


@pytest.fixture
def second(database: Database, staff: Staff) -> Viewer:
    """Another discipline officer."""
    with database.session() as session:
        person = people.create_person(session, "second", "Second", Role.DISCIPLINE, PASSWORD)
        return Viewer(person.id, Role.DISCIPLINE, person.name, "192.0.2.2")


@pytest.fixture
def matter(database: Database, policy: Policy, staff: Staff, second: Viewer, new_call: NewCall) -> Matter:
    call_id = new_call(kind="complaint")
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, REPORT, call_id, policy, NOW)
        return Matter(call_id, ticket.id, ticket.number)


def sees(database: Database, viewer: Viewer, matter: Matter) -> list[bool]:
    """Ticket, call and recording."""
    with database.session() as session:
        heard = select(func.count()).select_from(
            visible_recordings(viewer).where(Recording.call_id == matter.call_id).subquery()
        )
        return [
            bool(list_tickets(session, viewer, TicketSearch())),
            bool(list_calls(session, viewer, CallSearch())),
            bool(session.scalar(heard)),
        ]


def acts(database: Database, subject: object) -> list[str]:
    with database.session() as session:
        rows = select(Journal.act).where(Journal.subject_id == str(subject)).order_by(Journal.id)
        return list(session.scalars(rows))


# -- handing over ---------------------------------------------------------------------------------


def test_who_took_the_call_loses_sight_of_all_of_it_when_it_is_taken_over(
    database: Database, staff: Staff, matter: Matter
) -> None:
    assert sees(database, staff.agent, matter) == [True, True, True]
    with database.session() as session:
        keep_draft(session, staff.agent, matter.call_id, {"content": "还有一句"}, 1)
        sealed.take_over(session, staff.discipline, "ticket", matter.number)
    assert sees(database, staff.agent, matter) == [False, False, False]
    assert sees(database, staff.discipline, matter) == [True, True, True]
    with database.session() as session:
        assert draft(session, staff.agent, matter.call_id) is None
        passed = read_call(session, staff.discipline, matter.call_id).draft
        assert passed is not None
        assert passed.body == {"content": "还有一句"}
    for doing in (
        lambda session: open_ticket(session, staff.agent, matter.number),
        lambda session: read_call(session, staff.agent, matter.call_id),
        lambda session: offered(session, staff.agent, matter.call_id, f"token-{matter.call_id}"),
        lambda session: keep_draft(session, staff.agent, matter.call_id, {}, 9),
    ):
        with pytest.raises(HandedOver), database.session() as session:
            doing(session)
    with pytest.raises(NotVisible) as never, database.session() as session:
        open_ticket(session, staff.other, matter.number)
    assert not isinstance(never.value, HandedOver)  # it tells her alone, who knew
    assert "ticket.handed_over" in acts(database, matter.ticket_id)
    assert "call.handed_over" in acts(database, matter.call_id)


def test_nothing_that_happens_later_gives_it_back_to_her(
    database: Database, policy: Policy, staff: Staff, matter: Matter
) -> None:
    with database.session() as session:
        sealed.take_over(session, staff.discipline, "call", matter.call_id)
        version = session.get_one(Ticket, matter.ticket_id).version
        change_ticket(
            session, staff.discipline, matter.number, replace(REPORT, content="补充"), version, policy
        )
        mark_answered(session, matter.call_id, staff.agent.person_id, NOW + timedelta(minutes=5))
    assert sees(database, staff.agent, matter) == [False, False, False]


def test_what_she_takes_next_is_hers_to_see(
    database: Database, policy: Policy, staff: Staff, matter: Matter, new_call: NewCall
) -> None:
    with database.session() as session:
        sealed.take_over(session, staff.discipline, "ticket", matter.number)
    call_id = new_call(kind="complaint")
    with database.session() as session:
        number = save_ticket(session, staff.agent, REPORT, call_id, policy, NOW).number
    with database.session() as session:
        assert open_ticket(session, staff.agent, number)
        assert read_call(session, staff.agent, call_id)


def test_she_hands_over_by_her_own_word(database: Database, staff: Staff, matter: Matter) -> None:
    with database.session() as session:
        assert sealed.may_hand_over(session, staff.agent, "ticket", matter.ticket_id)
        sealed.hand_over(session, staff.agent, "ticket", matter.number)
    assert sees(database, staff.agent, matter) == [False, False, False]
    with pytest.raises(Refused), database.session() as session:
        sealed.hand_over(session, staff.discipline, "ticket", matter.number)  # she never took it
    with pytest.raises(NotAllowed), database.session() as session:
        sealed.take_over(session, staff.leader, "ticket", matter.number)


def test_after_the_policys_hours_it_is_handed_over_by_the_clock(
    database: Database, policy: Policy, staff: Staff, matter: Matter
) -> None:
    with database.session() as session:
        named_at = session.scalars(select(func.max(Named.at))).one()
        sealed.hand_over_due(session, policy, named_at + timedelta(hours=23))
    assert sees(database, staff.agent, matter) == [True, True, True]
    with database.session() as session:
        session.execute(update(Call).values(outcome="live"))
        sealed.hand_over_due(session, policy, named_at + timedelta(hours=25))
    with database.session() as session:  # who speaks with the caller still sees the call
        assert read_call(session, staff.agent, matter.call_id)
        session.execute(update(Call).values(outcome="answered"))
        sealed.hand_over_due(session, policy, named_at + timedelta(hours=25))
    assert sees(database, staff.agent, matter) == [False, False, False]
    assert sees(database, staff.discipline, matter) == [True, True, True]


def test_a_matter_is_never_handed_over_to_nobody(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    with database.session() as session:
        session.execute(update(Person).where(Person.role == Role.DISCIPLINE).values(active=False))
    call_id = new_call(kind="complaint")
    with database.session() as session:
        number = save_ticket(session, staff.agent, REPORT, call_id, policy, NOW).number
    with pytest.raises(Refused) as refused, database.session() as session:
        sealed.hand_over(session, staff.agent, "ticket", number)
    assert refused.value.faults == {"matter": "nobody"}
    with database.session() as session:
        sealed.hand_over_due(session, policy, NOW + timedelta(days=3650))
    with database.session() as session:
        assert open_ticket(session, staff.agent, number)


# -- who reads by role ----------------------------------------------------------------------------


def test_an_officer_hired_later_is_named_for_what_is_open_and_one_who_left_for_nothing(
    database: Database, policy: Policy, staff: Staff, matter: Matter, new_call: NewCall
) -> None:
    closed, untouched = new_call(kind="complaint"), new_call(kind="complaint")
    with database.session() as session:
        done = save_ticket(session, staff.agent, REPORT, closed, policy, NOW)
        answer_directly(session, staff.discipline, done.number, "已答复。", NOW)
        late = people.create_person(session, "late", "Late", Role.DISCIPLINE, PASSWORD)
        session.get_one(Person, staff.discipline.person_id).role = Role.AGENT
        sealed.keep_readers(session, policy)
        sealed.keep_readers(session, policy)
    hers = Viewer(late.id, Role.DISCIPLINE)
    with database.session() as session:
        assert {ticket.number for ticket in list_tickets(session, hers, TicketSearch())} == {matter.number}
        assert {call.id for call in list_calls(session, hers, CallSearch())} == {matter.call_id, untouched}
        gone = replace(staff.discipline, role=Role.AGENT)
        assert list_tickets(session, gone, TicketSearch()) == []
    assert acts(database, matter.ticket_id).count("ticket.named") == 1
    assert acts(database, matter.ticket_id).count("ticket.unnamed") == 1


# -- numbers and names ----------------------------------------------------------------------------


def test_a_ticket_that_is_sealed_later_gets_another_number_and_the_old_one_is_never_given_again(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    with database.session() as session:
        old = save_ticket(session, staff.agent, PLAIN, new_call(), policy, NOW).number
        new = change_ticket(session, staff.agent, old, replace(PLAIN, kind="report"), 1, policy).number
    assert new != old
    with database.session() as session:
        assert open_ticket(session, staff.discipline, old).ticket.number == new
        assert open_ticket(session, staff.agent, old).ticket.number == new
        with pytest.raises(NotVisible):
            open_ticket(session, staff.leader, old)


def test_who_is_known_from_a_sealed_matter_alone_is_forgotten_as_a_caller(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    with database.session() as session:
        number = save_ticket(session, staff.agent, PLAIN, new_call(), policy, NOW).number
        assert session.scalar(select(func.count()).select_from(Caller)) == 1
        change_ticket(session, staff.agent, number, replace(PLAIN, kind="report"), 1, policy)
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(Caller)) == 0
        assert session.scalar(select(func.count()).select_from(CallerNumber)) == 0


def test_who_is_known_from_other_calls_too_stays_known(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    with database.session() as session:
        save_ticket(session, staff.agent, PLAIN, new_call(), policy, NOW)
        number = save_ticket(session, staff.agent, PLAIN, new_call(), policy, NOW).number
        change_ticket(session, staff.agent, number, replace(PLAIN, kind="report"), 1, policy)
    with database.session() as session:
        assert session.scalars(select(Caller)).one().name == "王敏"


def test_a_form_of_somebody_elses_name_saves_a_ticket_of_ones_own(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    """A name that were everybody's would answer whether somebody saved a sealed ticket under it."""
    with database.session() as session:
        save_ticket(
            session, staff.agent, replace(REPORT, form_id="guessed"), new_call(kind="complaint"), policy, NOW
        )
    with database.session() as session:
        assert save_ticket(session, staff.other, replace(PLAIN, form_id="guessed"), new_call(), policy, NOW)


def test_a_call_in_the_menu_is_nobodys_yet_as_a_key_may_seal_it(
    database: Database, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call(answered_by=None)
    with database.session() as session:
        assert list_calls(session, staff.leader, CallSearch())
        session.execute(update(Call).values(queued_at=None))
        assert list_calls(session, staff.leader, CallSearch()) == []
        with pytest.raises(NotVisible):
            read_call(session, staff.leader, call_id)


# -- unsealing ------------------------------------------------------------------------------------


def test_one_asks_another_grants_and_it_is_ordinary(
    database: Database, policy: Policy, staff: Staff, second: Viewer, matter: Matter
) -> None:
    with database.session() as session:
        unsealing.ask(session, staff.discipline, matter.number, "线索不实", NOW)
    with pytest.raises(NotAllowed), database.session() as session:
        unsealing.decide(session, staff.discipline, matter.number, True, NOW)
    assert sees(database, staff.supervisor, matter) == [False, False, False]
    with database.session() as session:
        ticket = session.get_one(Ticket, matter.ticket_id)
        found = unsealing.asked(session, second, ticket, NOW)
        assert found is not None
        assert found.request.ground == "线索不实"
        unsealing.decide(session, second, matter.number, True, NOW)
    assert sees(database, staff.supervisor, matter) == [True, True, True]
    with database.session() as session:
        ticket = open_ticket(session, staff.agent, matter.number).ticket
        change_ticket(
            session, staff.agent, matter.number, replace(REPORT, content="改"), ticket.version, policy
        )
    assert sees(database, staff.supervisor, matter) == [True, True, True]  # the same kind seals it no more
    told = acts(database, matter.ticket_id)
    assert [act for act in told if "unseal" in act] == [
        "ticket.unsealing_asked",
        "ticket.unsealing_granted",
        "ticket.unsealed",
    ]
    assert "call.unsealed" in acts(database, matter.call_id)


def test_refused_or_lapsed_it_stays_sealed_and_can_be_asked_again(
    database: Database, staff: Staff, second: Viewer, matter: Matter
) -> None:
    with database.session() as session:
        unsealing.ask(session, staff.discipline, matter.number, "一", NOW)
        unsealing.decide(session, second, matter.number, False, NOW)
        unsealing.ask(session, staff.discipline, matter.number, "二", NOW)
    with pytest.raises(Refused), database.session() as session:
        unsealing.ask(session, second, matter.number, "三", NOW)
    late = NOW + timedelta(days=7)
    with pytest.raises(Refused), database.session() as session:
        unsealing.decide(session, second, matter.number, True, late)
    with database.session() as session:
        unsealing.ask(session, second, matter.number, "三", late)
    assert sees(database, staff.supervisor, matter) == [False, False, False]
    assert [act for act in acts(database, matter.ticket_id) if "unseal" in act] == [
        "ticket.unsealing_asked",
        "ticket.unsealing_refused",
        "ticket.unsealing_asked",
        "ticket.unsealing_lapsed",
        "ticket.unsealing_asked",
    ]


def test_who_is_not_named_or_recused_neither_asks_nor_grants(
    database: Database, staff: Staff, second: Viewer, matter: Matter
) -> None:
    with database.session() as session:
        unsealing.ask(session, staff.discipline, matter.number, "一", NOW)
        recuse_self(session, second, "ticket", matter.number)
    with pytest.raises(NotVisible), database.session() as session:
        unsealing.decide(session, second, matter.number, True, NOW)
    for viewer in (staff.agent, staff.supervisor, staff.administrator):
        with pytest.raises(NotAllowed), database.session() as session:
            unsealing.ask(session, viewer, matter.number, "一", NOW)
    with pytest.raises(Refused), database.session() as session:
        unsealing.ask(session, staff.discipline, matter.number, "   ", NOW)


def test_a_call_that_another_sealed_ticket_hangs_on_stays_sealed(
    database: Database, policy: Policy, staff: Staff, second: Viewer, matter: Matter
) -> None:
    with database.session() as session:
        other = save_ticket(session, staff.agent, REPORT, matter.call_id, policy, NOW).number
        unsealing.ask(session, staff.discipline, matter.number, "一", NOW)
        unsealing.decide(session, second, matter.number, True, NOW)
    assert sees(database, staff.supervisor, matter) == [True, False, False]
    with database.session() as session, pytest.raises(NotVisible):
        open_ticket(session, staff.supervisor, other)


# -- looks ----------------------------------------------------------------------------------------


def test_every_way_of_looking_stands_in_the_list(
    database: Database, staff: Staff, second: Viewer, matter: Matter
) -> None:
    with database.session() as session:
        recording_id = session.scalars(select(Recording.id)).one()
        open_ticket(session, staff.agent, matter.number)
        read_call(session, staff.agent, matter.call_id)
        played(session, staff.agent, recording_id)
    for _ in range(2):  # a list that is drawn again is noted once
        with database.session() as session:
            list_tickets(session, staff.agent, TicketSearch())
            list_calls(session, staff.agent, CallSearch())
    with database.session() as session:
        name(session, staff.leader.person_id, "offered", call_id=matter.call_id)
        assert find_recordings(session, staff.leader, RecordingSearch())
    with database.session() as session:
        looks = list_looks(session, second, LookSearch())
        assert sorted(look.act for look in looks) == [
            *("call.listed", "call.read", "recording.listed", "recording.played"),
            *("ticket.listed", "ticket.read"),
        ]
        assert {(look.person, look.address, look.tickets) for look in looks} == {
            ("Agent", "192.0.2.1", (matter.number,)),
            ("Leader", "192.0.2.1", (matter.number,)),
        }
        rules = {look.act: look.rule for look in looks}
        assert rules["ticket.read"] == "agent/see_tickets/named"
        assert rules["recording.played"] == "agent/hear/named"


def test_the_list_is_found_by_person_matter_and_day_and_is_on_record_itself(
    database: Database, policy: Policy, staff: Staff, second: Viewer, matter: Matter, new_call: NewCall
) -> None:
    with database.session() as session:
        other = save_ticket(session, staff.agent, REPORT, new_call(kind="complaint"), policy, NOW).number
        for number in (matter.number, other):
            open_ticket(session, staff.agent, number)
        open_ticket(session, staff.discipline, matter.number)
    with database.session() as session:
        now = session.scalars(select(func.now())).one()

        def found(**search: object) -> list[tuple[str, tuple[str, ...]]]:
            looks = list_looks(session, second, LookSearch(**search))  # type: ignore[arg-type]
            return sorted((look.person, look.tickets) for look in looks)

        assert len(found()) == 3
        assert found(person_id=staff.discipline.person_id) == [("Discipline", (matter.number,))]
        assert found(ticket=matter.number) == [("Agent", (matter.number,)), ("Discipline", (matter.number,))]
        assert found(ticket="none") == []
        assert found(since=now + timedelta(days=1)) == []
    with database.session() as session:
        listed = select(func.count()).where(Journal.act == "looks.listed")
        assert session.scalar(listed.select_from(Journal)) == 5


def test_only_who_is_named_and_not_recused_reads_of_looks(
    database: Database, staff: Staff, second: Viewer, matter: Matter
) -> None:
    with database.session() as session:
        open_ticket(session, staff.agent, matter.number)
        read_call(session, staff.agent, matter.call_id)
        recuse_self(session, second, "ticket", matter.number)
    with database.session() as session:
        assert list_looks(session, second, LookSearch()) == []
        assert len(list_looks(session, staff.discipline, LookSearch())) == 2
    for viewer in (staff.agent, staff.supervisor, staff.administrator):
        with pytest.raises(NotAllowed), database.session() as session:
            list_looks(session, viewer, LookSearch())
