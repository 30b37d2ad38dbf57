"""How cases end: every state tried with every event, and each way of ending by itself."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import answering, closing, dispatch, joining, visits
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from cases.history import record_history
from cases.states import TICKET, Event, State
from cases.tickets import open_ticket
from storage.database import Database
from storage.knowledge import KnowledgeEntry
from storage.tables import Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import Ending, SubOrder, TicketNote
from tests.cases.conftest import Staff
from tests.cases.office import ANGRY, FORM, LATER, NOBODY, OTHER_UNIT, PLEASED, Office, office

__all__ = ["office"]


def owed(session: Session, kind: str) -> list[int]:
    """Whose callers are owed this message."""
    found = session.scalars(select(Outbox).where(Outbox.kind == kind).order_by(Outbox.id))
    return [row.payload["ticket_id"] for row in found]


def ended(session: Session, ticket: Ticket) -> Ending:
    found = answering.current(session, ticket)
    assert found is not None
    return found


# -- the whole table ----------------------------------------------------------------------------------


def _dispatch(office: Office, session: Session, ticket: Ticket) -> None:
    office.sent(session, ticket, OTHER_UNIT, "assist" if ticket.sent_at else "lead")


def _close(office: Office, session: Session, ticket: Ticket) -> None:
    if ticket.state == State.HANDLING:
        office.replied(session, ticket)
    office.submitted(session, ticket, by=office.dispatcher)


def _audit(verdict: str) -> "Act":
    def act(office: Office, session: Session, ticket: Ticket) -> None:
        closing.audit(session, office.reviewer, ticket.number, verdict, "请补充。", office.policy, LATER)

    return act


def _release(office: Office, session: Session, ticket: Ticket) -> None:
    ticket.reply_wanted = False
    office.approved(session, ticket)


def _asked(form: visits.VisitForm) -> "Act":
    def act(office: Office, session: Session, ticket: Ticket) -> None:
        once = office.policy.handling.model_copy(update={"visit_attempts": 1})
        policy = office.policy.model_copy(update={"handling": once})
        visits.record(session, office.visitor, ticket.number, form, policy, LATER)

    return act


def _by_ground(act: Callable[..., Ticket], grounds: str, who: str) -> "Act":
    def does(office: Office, session: Session, ticket: Ticket) -> None:
        ground = getattr(office.policy.handling, grounds)[0].code
        act(session, getattr(office, who), ticket.number, ground, "说明。", office.policy, LATER)

    return does


def _merge(office: Office, session: Session, ticket: Ticket) -> None:
    lead = office.saved(session)
    joining.merge(session, office.dispatcher, ticket.number, lead.number, office.policy, LATER)


Act = Callable[[Office, Session, Ticket], object]
ACTS: Mapping[Event, Act] = {
    Event.DISPATCH: _dispatch,
    Event.FINISH: lambda o, s, t: answering.answer_directly(s, o.agent, t.number, "已答复。", LATER),
    Event.REFUSE: _by_ground(answering.refuse, "refusal_grounds", "dispatcher"),
    Event.TRANSFER: _by_ground(answering.transfer, "transfer_grounds", "dispatcher"),
    Event.WITHDRAW: _by_ground(answering.withdraw, "withdrawal_grounds", "agent"),
    Event.MERGE: _merge,
    Event.SPLIT: lambda o, s, t: joining.split(s, o.dispatcher, t.number, LATER),
    Event.CLOSE: _close,
    Event.SEND_BACK: _audit("send_back"),
    Event.APPROVE: _audit("approve"),
    Event.RELEASE: _release,
    Event.SATISFY: _asked(PLEASED),
    Event.GIVE_UP: _asked(NOBODY),
    Event.DISSATISFY: _asked(ANGRY),
    Event.REOPEN: lambda o, s, t: answering.reopen(s, o.agent, t.number, "来电人不服。", o.policy, LATER),
}


@pytest.mark.parametrize("state", State)
def test_every_event_is_taken_as_the_table_says_or_refused_with_its_reason_and_nothing_done(
    database: Database, office: Office, state: State
) -> None:
    for event, act in ACTS.items():
        with database.session() as session:
            ticket = office.into(session, state)
            session.flush()
            before, version = session.scalar(select(Ticket.changed_at)), ticket.version
            try:
                act(office, session, ticket)
            except Refused as refused:
                assert event not in TICKET[state], (state, event, refused)
                assert refused.faults == {"event": f"not_in_{state}"}, event
                assert (ticket.state, ticket.version) == (state, version), event
            else:
                assert ticket.state == TICKET[state][event], event
                assert ticket.version > version, event
                assert (ticket.closed_at is None) == (ticket.state in (*_OPEN,)), event
                acts = [each.act for each in record_history(session, office.discipline, "ticket", ticket.id)]
                assert f"ticket.{event}" in acts, event
            assert before is not None
            session.rollback()


_OPEN = (State.ACCEPTED, State.HANDLING, State.REVIEW, State.VISIT)


def test_a_recall_has_a_place_only_while_units_handle_it(database: Database, office: Office) -> None:
    for state in State:
        with database.session() as session:
            ticket = office.into(session, state)
            order = session.scalar(select(SubOrder.id).where(SubOrder.ticket_id == ticket.id))
            if order is None:
                assert Event.RECALL not in TICKET[state]
            elif state is State.HANDLING:
                dispatch.recall(session, office.dispatcher, order, "派错了", office.policy, LATER)
                assert ticket.state == State.ACCEPTED
            else:
                with pytest.raises(Refused, match="not_in_"):
                    dispatch.recall(session, office.dispatcher, order, "派错了", office.policy, LATER)
            session.rollback()


def test_whoever_read_an_older_version_is_told_and_nothing_is_done(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        with pytest.raises(Conflict):
            answering.answer_directly(session, office.agent, ticket.number, "x", LATER, version=99)
        assert ticket.state == State.ACCEPTED


# -- answered, refused, transferred, withdrawn --------------------------------------------------------


def test_an_answer_from_the_knowledge_base_is_kept_with_it_and_the_caller_is_told(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        entry = KnowledgeEntry(title="停电报修", body="拨打95598。", state="published")
        session.add(entry)
        session.flush()
        told = "请拨打95598报修。"
        answering.answer_directly(session, office.agent, ticket.number, told, LATER, entry=str(entry.id))
        session.refresh(entry)
        assert (ticket.state, ticket.answer, ticket.closed_at) == (State.DONE, told, LATER)
        assert (ended(session, ticket).kind, ended(session, ticket).words) == ("answered", told)
        assert (entry.used, owed(session, "ticket.done")) == (1, [ticket.id])
        last = record_history(session, office.agent, "ticket", ticket.id)[-1]
        assert last.detail["entry"] == entry.id


@pytest.mark.parametrize(
    ("answer", "entry", "fault"), [("", "", "answer"), ("答复", "999", "entry"), ("答复", "x", "entry")]
)
def test_an_answer_needs_words_and_an_entry_that_is_published(
    database: Database, office: Office, answer: str, entry: str, fault: str
) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        with pytest.raises(Refused) as refused:
            answering.answer_directly(session, office.agent, ticket.number, answer, LATER, entry=entry)
        assert list(refused.value.faults) == [fault]


def test_a_refusal_needs_a_ground_of_the_policys_and_words_for_the_caller(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket, policy = office.saved(session), office.policy
        for ground, words, faults in (
            ("", "", {"ground": "required", "words": "required"}),
            ("because", "不办", {"ground": "unknown"}),
            ("litigation", "长" * 5001, {"words": "too_long"}),
        ):
            with pytest.raises(Refused) as refused:
                answering.refuse(session, office.dispatcher, ticket.number, ground, words, policy, LATER)
            assert refused.value.faults == faults
        answering.refuse(session, office.dispatcher, ticket.number, "litigation", "已起诉。", policy, LATER)
        assert ended(session, ticket).ground == "litigation"
        assert owed(session, "ticket.refused") == [ticket.id]


def test_who_refuses_is_the_policys_to_say(database: Database, office: Office, staff: Staff) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        assert staff.leader.role is Role.SHIFT_LEADER  # she sorts, but refusing is the dispatcher's here
        with pytest.raises(NotAllowed):
            answering.refuse(session, staff.leader, ticket.number, "litigation", "x", office.policy, LATER)
        hers = office.policy.model_copy(
            update={"decisions": {**office.policy.decisions, "refusal": "shift_leader"}}
        )
        answering.refuse(session, staff.leader, ticket.number, "litigation", "x", hers, LATER)
        assert ticket.state == State.REFUSED


def test_a_transfer_goes_to_the_policys_number_and_gets_a_receipt(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.TRANSFERRED)
        assert ended(session, ticket).to_number == office.policy.outside_scope_number
        assert owed(session, "ticket.transferred") == [ticket.id]
        with pytest.raises(Refused, match="receipt: required"):
            answering.note_receipt(session, office.dispatcher, ticket.number, "", LATER)
        answering.note_receipt(session, office.dispatcher, ticket.number, "12345-0918-77", LATER)
        assert (ended(session, ticket).receipt, ended(session, ticket).receipt_at) == ("12345-0918-77", LATER)


def test_a_receipt_has_no_place_before_the_transfer(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        with pytest.raises(Refused, match="not_in_accepted"):
            answering.note_receipt(session, office.dispatcher, ticket.number, "x", LATER)


def test_a_withdrawal_takes_the_case_from_its_units_and_tells_the_caller_nothing(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.HANDLING)
        session.query(Outbox).delete()
        answering.withdraw(session, office.agent, ticket.number, "by_caller", "", office.policy, LATER)
        order = session.scalars(select(SubOrder).where(SubOrder.ticket_id == ticket.id)).one()
        assert order.state == "recalled"
        assert [row.kind for row in session.scalars(select(Outbox))] == ["order.recalled"]
        with pytest.raises(NotVisible):
            open_ticket(session, office.clerk, ticket.number)


@pytest.mark.parametrize("state", [State.DONE, State.REFUSED, State.TRANSFERRED, State.WITHDRAWN])
def test_what_is_begun_again_has_a_new_deadline_and_keeps_why(
    database: Database, office: Office, state: State
) -> None:
    with database.session() as session:
        ticket = office.into(session, state)
        with pytest.raises(Refused, match="why: required"):
            answering.reopen(session, office.agent, ticket.number, "", office.policy, LATER)
        later = LATER + timedelta(days=30)
        answering.reopen(session, office.agent, ticket.number, "来电人不服。", office.policy, later)
        assert ticket.due_at is not None
        assert (ticket.state, ticket.due_at > later) == (State.ACCEPTED, True)
        assert answering.current(session, ticket) is None
        notes = session.scalars(select(TicketNote).where(TicketNote.kind == "reopened"))
        assert [note.text for note in notes] == ["来电人不服。"]


def test_a_case_that_a_unit_had_done_goes_to_it_again_once_reopened(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.DONE)
        answering.reopen(session, office.agent, ticket.number, "又停电", office.policy, LATER)
        order = office.sent(session, ticket)
        assert (order.state, order.redone) == ("taken", 1)


@pytest.mark.parametrize("quiet", ["no reply wanted", "no number"])
@pytest.mark.parametrize("state", [State.DONE, State.REFUSED, State.TRANSFERRED])
def test_who_wants_no_word_or_can_have_none_is_owed_none(
    database: Database, office: Office, state: State, quiet: str
) -> None:
    form = (
        replace(FORM, reply_wanted=False) if quiet == "no reply wanted" else replace(FORM, contact_number="")
    )
    with database.session() as session:
        ticket = office.saved(session, form)
        if state is State.DONE:
            answering.answer_directly(session, office.agent, ticket.number, "已答复。", LATER)
        else:
            ACTS[Event.REFUSE if state is State.REFUSED else Event.TRANSFER](office, session, ticket)
        told = [row.kind for row in session.scalars(select(Outbox)) if row.kind.startswith("ticket.")]
        assert told in ([], ["ticket.accepted"])
        assert ticket.state == state


# -- sealed -------------------------------------------------------------------------------------------


def test_of_a_sealed_ticket_nobody_is_sent_a_message_however_it_ends(
    database: Database, office: Office
) -> None:
    for act in (Event.FINISH, Event.REFUSE, Event.TRANSFER):
        with database.session() as session:
            ticket = office.saved(session, replace(FORM, sealed=True))
            _by_discipline(office, session, ticket, act)
            assert not [row for row in session.scalars(select(Outbox)) if row.kind.startswith("ticket.")]
            session.rollback()


def _by_discipline(office: Office, session: Session, ticket: Ticket, event: Event) -> None:
    by: Viewer = office.discipline
    ACTS[event](replace(office, agent=by, dispatcher=by), session, ticket)
    assert ticket.state == TICKET[State.ACCEPTED][event]


@pytest.mark.parametrize("event", [Event.FINISH, Event.WITHDRAW])
def test_who_took_a_sealed_matter_cannot_bury_it(database: Database, office: Office, event: Event) -> None:
    with database.session() as session:
        ticket = office.saved(session, replace(FORM, sealed=True))
        with pytest.raises(Refused) as refused:
            ACTS[event](office, session, ticket)
        assert refused.value.faults == {"event": "sealed_goes_on"}
        assert (ticket.state, ticket.version) == (State.ACCEPTED, 1)
        _by_discipline(office, session, ticket, event)


def test_what_was_told_in_a_sealed_matter_is_counted_nowhere(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.saved(session, replace(FORM, sealed=True))
        entry = KnowledgeEntry(title="举报须知", body="请当面递交材料。", state="published")
        session.add(entry)
        session.flush()
        answering.answer_directly(
            session, office.discipline, ticket.number, entry.body, LATER, entry=str(entry.id)
        )
        session.refresh(entry)
        assert entry.used == 0


def test_a_sealed_ticket_cannot_be_ended_by_who_is_not_named_for_it(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session, replace(FORM, sealed=True))
        for event in (Event.REFUSE, Event.TRANSFER, Event.MERGE, Event.SPLIT):
            with pytest.raises(NotVisible):
                ACTS[event](office, session, ticket)
