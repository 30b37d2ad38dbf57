"""A ticket's story on one line of time, as each viewer may read it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from cases import closing, dispatch, instructions, logins, orders, people, supervision, timeline, visits
from cases.dispatch import Share
from cases.errors import NotVisible
from cases.states import State
from cases.tickets import TicketRecord, open_ticket, save_ticket
from cases.timeline import Moment
from storage.database import Database
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff
from tests.cases.office import ANGRY, FORM, LATER, OTHER_UNIT, PLEASED, REPLY, UNIT, Office, office

__all__ = ["office"]


def told(session: Session, viewer: Viewer, ticket: Ticket) -> list[Moment]:
    return timeline.story(session, viewer, open_ticket(session, viewer, ticket.number))


def of(moments: list[Moment], act: str) -> list[Moment]:
    return [moment for moment in moments if moment.act == act]


def words(moments: list[Moment]) -> set[str]:
    return {word.text for moment in moments for word in moment.words}


def test_a_case_is_told_in_the_order_in_which_it_went(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        visits.record(session, office.visitor, ticket.number, ANGRY, office.policy, LATER + timedelta(days=1))
    with database.session() as session:
        moments = told(session, office.dispatcher, ticket)
    assert [moment.act for moment in moments] == [
        *("ticket.created", "ticket.dispatch", "order.reply", "ticket.close", "order.finish"),
        *("ticket.approve", "ticket.dissatisfy", "order.redo"),
    ]
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    assert (moments[0].at, moments[0].who) == (NOW, office.agent.name)
    assert moments[-2].at == LATER + timedelta(days=1)
    assert moments[-2].facts["satisfied"] == "dissatisfied"
    assert [(word.name, word.text) for word in moments[-2].words] == [("caller_said", ANGRY.words)]


def test_a_sending_says_who_leads_and_what_each_unit_is_charged_with(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        both = [Share(UNIT, "lead", "请先恢复供电。"), Share(OTHER_UNIT, "assist", "请配合。")]
        dispatch.send(session, office.dispatcher, ticket.number, both, office.policy, NOW)
        (sent,) = of(told(session, office.dispatcher, ticket), "ticket.dispatch")
    names = {unit.code: unit.name for unit in office.policy.units}
    assert sent.units == ((names[UNIT], "lead"), (names[OTHER_UNIT], "assist"))
    assert [(word.unit, word.text) for word in sent.words] == [
        (names[UNIT], "请先恢复供电。"),
        (names[OTHER_UNIT], "请配合。"),
    ]


def test_a_units_clerk_reads_her_own_shares_words_and_no_other_units(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        both = [Share(UNIT, "lead", "请先恢复供电。"), Share(OTHER_UNIT, "assist", "请配合。")]
        mine, theirs = dispatch.send(session, office.dispatcher, ticket.number, both, office.policy, NOW)
        orders.note_progress(session, office.clerk, mine.id, "已派人。", LATER)
        orders.note_progress(session, office.other_clerk, theirs.id, "水泵已停。", LATER)
        ground = office.policy.handling.objection_grounds[0].code
        orders.object_(session, office.other_clerk, theirs.id, ground, "不是我们。", "", office.policy, LATER)
        hers = told(session, office.clerk, ticket)
        everyones = told(session, office.dispatcher, ticket)
    assert words(hers) == {"请先恢复供电。", "已派人。"}
    assert words(everyones) == {"请先恢复供电。", "请配合。", "已派人。", "水泵已停。", "不是我们。"}
    assert len(of(hers, "order.progress")) == 2


def test_what_leaders_are_told_is_for_those_who_report_and_instruct(
    database: Database, office: Office, staff: Staff
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.HANDLING)
        supervision.urge(session, staff.supervisor, ticket.number, "请从速。", LATER)
        ground = office.policy.handling.supervision_grounds[0].code
        supervision.supervise(
            session, staff.supervisor, ticket.number, ground, "三日内办结。", office.policy, LATER
        )
        chief = people.create_person(session, "chief", "林分管", Role.LEADER, PASSWORD, lines=["962299"])
        leader = logins.viewer_of(session, chief)
        instructions.report_up(
            session, staff.supervisor, ticket.number, leader.person_id, "久拖不决。", LATER
        )
    with database.session() as session:
        inside, outside = told(session, staff.supervisor, ticket), told(session, office.clerk, ticket)
    assert words(inside) == {"请从速。", "三日内办结。", "久拖不决。"}
    assert words(outside) == {"请从速。", "三日内办结。"}
    assert not of(outside, "ticket.report_up")
    (reported,) = of(inside, "ticket.report_up")
    assert reported.facts["person"] == leader.name


def test_calls_stand_where_they_began_for_those_who_may_see_them(
    database: Database, office: Office, new_call: NewCall
) -> None:
    call_id = new_call(recorded=False)
    with database.session() as session:
        saved, sent = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
        ticket = save_ticket(session, office.agent, FORM, call_id, office.policy, saved)
        dispatch.send(session, office.dispatcher, ticket.number, [Share(UNIT)], office.policy, sent)
        seen = told(session, office.dispatcher, ticket)
        unseen = told(session, office.clerk, ticket)
    assert seen[0].call is not None
    assert (seen[0].act, seen[0].call.id, seen[0].who) == ("call", call_id, office.agent.name)
    assert not of(unseen, "call")


def test_of_a_sealed_case_nobody_reads_a_word_who_is_not_named(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.saved(session, replace(FORM, sealed=True))
        record = TicketRecord(ticket, [], [])
        assert of(told(session, office.agent, ticket), "ticket.created")
        with pytest.raises(NotVisible):
            timeline.story(session, office.dispatcher, record)


def test_a_longer_story_asks_no_more_questions(database: Database, office: Office) -> None:
    asked: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    def questions(ticket: Ticket) -> int:
        with database.session() as session:
            record = open_ticket(session, office.dispatcher, ticket.number)
            session.flush()
            asked.clear()
            event.listen(session.get_bind(), "before_cursor_execute", note)
            timeline.story(session, office.dispatcher, record)
            event.remove(session.get_bind(), "before_cursor_execute", note)
        return len(asked)

    with database.session() as session:
        ticket = office.into(session, State.DONE)
        order_id = session.scalars(select(SubOrder.id).where(SubOrder.ticket_id == ticket.id)).one()
    once = questions(ticket)
    for round_ in range(1, 4):
        at = LATER + timedelta(days=round_)
        with database.session() as session:
            visits.record(session, office.visitor, ticket.number, ANGRY, office.policy, at)
            orders.reply(session, office.clerk, order_id, REPLY, office.policy, at)
            closing.submit(session, office.clerk, ticket.number, REPLY, office.policy, at)
            closing.audit(session, office.reviewer, ticket.number, "approve", "", office.policy, at)
            visits.record(session, office.visitor, ticket.number, PLEASED, office.policy, at)
    assert questions(ticket) == once
