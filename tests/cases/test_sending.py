"""What is owed leaves once, or a person is told that nobody knows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from cases import joining, notices, receipts, retention, sending
from cases.errors import NotAllowed, NotVisible
from cases.sending import Fate, NotSent, Outgoing, PerhapsSent, Post
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from cases.visible import name
from storage import outbox
from storage.notices import Notice, NoticeSetting, Receipt
from storage.tables import Outbox, Ticket
from tests.cases.conftest import NOW, Staff
from tests.cases.test_notices import Office, office

__all__ = ["office"]

WORDS = {
    "notice.subject": "{name} {n}",
    "notice.sealed": "等您处理",
    "notice.several": "{n}件",
    "notice.more": "另有{n}件",
    "notice.no_due": "未定",
    "notice.provisional": "暂定",
}


def _say(key: str, **values: object) -> str:
    return WORDS.get(key, f"{key} {{number}} {{matter}} {{due}}").format(**values)


@dataclass
class Fake:
    """A way out that does as it is told, and remembers what it was given."""

    repeatable: bool = True
    does: Callable[[Outgoing], int] = lambda _: 1
    had: list[Outgoing] = field(default_factory=list)

    def send(self, message: Outgoing) -> int:
        self.had.append(message)
        return self.does(message)


@dataclass
class Desk:
    office: Office
    mail: Fake
    sms: Fake

    def owe(self, kind: str = "order.sent", now: datetime = NOW, **ids: int) -> None:
        self.office.plan(kind, now, ("email", "sms"), **({"order_id": self.office.order_id} | ids))

    def turn(self, now: datetime = NOW) -> int:
        says = {"zh": _say, "en": _say}
        post = Post({"email": self.mail, "sms": self.sms}, self.office.policy, says, "https://desk.cn")
        return sending.turn(self.office.database, post, lambda: now)

    def states(self) -> list[str]:
        with self.office.database.session() as session:
            return list(session.scalars(select(Receipt.state).order_by(Receipt.state)))

    def wants(self, channel: str = "email", login: str = "clerk", **how: object) -> None:
        address = "+8613812345678" if channel == "sms" else f"{login}@example.cn"
        with self.office.database.session() as session:
            person_id = self.office.ids[login]
            session.add(NoticeSetting(person_id=person_id, channel=channel, address=address, **how))


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(office, Fake(), Fake(repeatable=False))


def _fails(error: Exception) -> Callable[[Outgoing], int]:
    def send(_: Outgoing) -> int:
        raise error

    return send


def test_it_is_sent_once_and_says_what_it_is_about(desk: Desk) -> None:
    desk.wants()
    desk.owe()
    assert desk.turn() == 1
    assert desk.turn() == 0
    (letter,) = desk.mail.had
    assert letter.address == "clerk@example.cn"
    assert desk.office.ticket.number in letter.text
    assert "2026-09-21 10:00" in letter.text  # three days later, local
    assert "https://desk.cn/notices/" in letter.text
    assert desk.states() == [Fate.SENT]


def test_neither_names_nor_texts_of_the_case_are_in_it(desk: Desk) -> None:
    desk.wants()
    desk.owe()
    desk.turn()
    told = str(desk.mail.had)
    assert not [word for word in ("王芳", "厂区停电", "13812345678") if word in told]


def test_of_a_sealed_matter_it_says_only_that_one_awaits_her(desk: Desk) -> None:
    desk.wants()
    with desk.office.database.session() as session:
        ticket = session.get_one(Ticket, desk.office.ticket.id)
        ticket.sealed = True
        name(session, desk.office.ids["clerk"], "charged", ticket_id=ticket.id)
    desk.owe()
    desk.turn()
    (letter,) = desk.mail.had
    assert letter.text.splitlines()[1].startswith("· 等您处理 https://desk.cn/notices/")
    assert desk.office.ticket.number not in str(letter)


def test_what_was_sealed_before_it_left_reaches_the_named_alone_and_without_words(desk: Desk) -> None:
    desk.wants()
    desk.wants(login="clerk_two")
    desk.owe()
    with desk.office.database.session() as session:
        session.get_one(Ticket, desk.office.ticket.id).sealed = True
        name(session, desk.office.ids["clerk"], "charged", ticket_id=desk.office.ticket.id)
    desk.turn()
    assert [letter.address for letter in desk.mail.had] == ["clerk@example.cn"]
    assert desk.office.ticket.number not in str(desk.mail.had)
    assert desk.states() == [Fate.DROPPED, Fate.SENT]


def test_a_digest_is_one_message(desk: Desk) -> None:
    desk.wants(digest="hourly")
    for _ in range(3):
        desk.owe(now=NOW + timedelta(minutes=5))
    assert desk.turn(NOW + timedelta(minutes=59)) == 0
    assert desk.turn(NOW + timedelta(minutes=60)) == 1
    (letter,) = desk.mail.had
    assert len(letter.text.splitlines()) == 4
    assert desk.states() == [Fate.SENT] * 3


def test_what_she_read_meanwhile_is_not_sent_after(desk: Desk) -> None:
    desk.wants(digest="hourly")
    desk.owe(now=NOW + timedelta(minutes=5))
    with desk.office.database.session() as session:
        session.execute(update(Notice).values(seen_at=NOW))
    desk.turn(NOW + timedelta(hours=1))
    assert desk.mail.had == []
    assert desk.states() == [Fate.DROPPED]


def test_who_wants_it_no_more_gets_it_not(desk: Desk) -> None:
    desk.wants()
    desk.owe()
    with desk.office.database.session() as session:
        session.query(NoticeSetting).delete()
    desk.turn()
    assert desk.mail.had == []


def test_a_failure_is_tried_again_later_under_the_same_key(desk: Desk) -> None:
    desk.wants()
    desk.owe()
    desk.mail.does = _fails(NotSent("unreachable", final=False))
    desk.turn()
    assert desk.turn() == 0
    desk.mail.does = lambda _: 1
    assert desk.turn(NOW + sending.RETRY[0]) == 1
    assert desk.mail.had[0].key == desk.mail.had[1].key
    assert desk.states() == [Fate.SENT]


def test_what_goes_as_one_message_is_taken_whole_or_by_nobody(desk: Desk) -> None:
    desk.wants(digest="hourly")
    for _ in range(3):
        desk.owe(now=NOW + timedelta(minutes=5))
    desk.mail.does = _fails(NotSent("away", final=False))
    assert desk.turn(NOW + timedelta(minutes=60)) == 1
    desk.mail.does = lambda _: 1
    later = NOW + timedelta(minutes=62)
    with desk.office.database.session() as session:  # who takes it has locked the first of them so far
        first = select(Receipt.id).order_by(Receipt.id).limit(1).with_for_update()
        assert session.scalar(first)
        assert desk.turn(later) == 0
    assert desk.turn(later) == 1
    before, after = desk.mail.had
    assert (after.key, after.text) == (before.key, before.text)


def test_it_failed_when_every_try_did(desk: Desk) -> None:
    desk.wants()
    desk.owe()
    desk.mail.does = _fails(PerhapsSent("timeout"))
    now = NOW
    for wait in (timedelta(0), *sending.RETRY, timedelta(days=1)):
        now += wait
        desk.turn(now)
    assert len(desk.mail.had) == len(sending.RETRY) + 1
    assert len({letter.key for letter in desk.mail.had}) == 1
    assert desk.states() == [Fate.FAILED]


def test_a_final_no_is_not_asked_again(desk: Desk) -> None:
    desk.wants()
    desk.owe()
    desk.mail.does = _fails(NotSent("address", final=True))
    desk.turn()
    desk.turn(NOW + timedelta(days=1))
    assert len(desk.mail.had) == 1
    assert desk.states() == [Fate.FAILED]


class Killed(BaseException):
    """The sender's process is over while it waits."""


def _die(_: Outgoing) -> int:
    raise Killed


def test_a_letter_whose_sender_died_goes_again_under_the_same_key(desk: Desk) -> None:
    desk.wants()
    desk.owe()
    desk.mail.does = _die
    with pytest.raises(Killed):
        desk.turn()
    desk.mail.does = lambda _: 1
    assert desk.turn(NOW + sending.LEASE) == 0
    assert desk.turn(NOW + sending.LEASE + timedelta(seconds=1)) == 1
    assert desk.mail.had[0].key == desk.mail.had[1].key


def test_a_text_whose_sender_died_is_unsure_and_never_sent_again(desk: Desk) -> None:
    desk.wants("sms")
    desk.owe()
    desk.sms.does = _die
    with pytest.raises(Killed):
        desk.turn()
    desk.turn(NOW + sending.LEASE + timedelta(seconds=1))
    desk.turn(NOW + timedelta(days=1))
    assert len(desk.sms.had) == 1
    assert desk.states() == [Fate.UNSURE]


def test_a_text_that_may_have_left_is_unsure_at_once(desk: Desk) -> None:
    desk.wants("sms")
    desk.owe()
    desk.sms.does = _fails(PerhapsSent("timeout"))
    desk.turn()
    desk.turn(NOW + timedelta(days=1))
    assert len(desk.sms.had) == 1
    assert desk.states() == [Fate.UNSURE]


# -- callers -----------------------------------------------------------------------------------------


def test_a_caller_is_told_in_the_words_of_the_policy(desk: Desk) -> None:
    desk.owe("ticket.done")
    desk.turn()
    (text,) = desk.sms.had
    assert text.address == "+8613812345678"
    assert text.text == desk.office.policy.texts["done"].zh.format(number=desk.office.ticket.number)


@pytest.mark.parametrize(("is_open_year", "mark"), [(False, ""), (True, "暂定")])
def test_a_date_that_nobody_can_promise_yet_says_so_to_the_caller(
    desk: Desk, is_open_year: bool, mark: str
) -> None:
    with desk.office.database.session() as session:
        ticket = session.get_one(Ticket, desk.office.ticket.id)
        ticket.due_at, ticket.due_provisional = datetime(2027, 1, 5, 15, 59, 59, tzinfo=UTC), is_open_year
    desk.owe("ticket.accepted")
    desk.turn()
    (text,) = desk.sms.had
    assert f"将于2027-01-05{mark}前答复" in text.text


def test_the_caller_of_a_repeat_hears_which_unit_has_the_case_that_it_went_into(desk: Desk) -> None:
    office, number = desk.office, "13912345678"
    with office.database.session() as session:
        form = TicketForm(kind="help", content="又停电", contact_number=number)
        agent, sorter = (office.viewer(session, login) for login in ("agent", "dispatcher"))
        again = save_ticket(session, agent, form, None, office.policy, NOW)
        lead = session.get_one(Ticket, office.ticket.id)
        lead.state = State.HANDLING
        joining.merge(session, sorter, again.number, lead.number, office.policy, NOW)
        session.query(Outbox).delete()
        told = again.id
    office.plan("ticket.progress", NOW, ("sms",), ticket_id=told)
    desk.turn()
    (text,) = desk.sms.had
    assert (text.address, "供电公司" in text.text) == (f"+86{number}", True)


@pytest.mark.parametrize(
    "why",
    [{"sealed": True}, {"reply_wanted": False}, {"contact_number": "08162223344"}, {"contact_number": ""}],
)
def test_a_caller_is_not_told_of_what_became_sealed_or_by_no_mobile(
    desk: Desk, why: dict[str, object]
) -> None:
    desk.owe("ticket.done")
    with desk.office.database.session() as session:
        for column, value in why.items():
            setattr(session.get_one(Ticket, desk.office.ticket.id), column, value)
    desk.turn()
    assert desk.sms.had == []
    assert desk.states() == [Fate.DROPPED]


def test_a_caller_who_may_not_have_been_told_is_the_dispatchers_to_call(desk: Desk) -> None:
    desk.sms.does = _fails(PerhapsSent("timeout"))
    desk.owe("ticket.done")
    desk.turn()
    with desk.office.database.session() as session:
        kinds = select(Outbox.kind).where(Outbox.done_at.is_(None))
        assert list(session.scalars(kinds)) == ["text.lost"]


# -- those that were lost ----------------------------------------------------------------------------


def _lost(desk: Desk) -> int:
    desk.wants("sms")
    desk.owe()
    desk.sms.does = _fails(PerhapsSent("timeout"))
    desk.turn()
    with desk.office.database.session() as session:
        return session.scalars(select(Receipt.id)).one()


def test_a_lost_one_is_told_to_who_keeps_the_ways_open_and_sent_again_at_her_word(
    desk: Desk, staff: Staff
) -> None:
    receipt_id = _lost(desk)
    with desk.office.database.session() as session:
        assert receipts.count_lost(session) == 1
        (one,) = receipts.lost(session, staff.administrator)
        assert (one.person, one.state, one.error) == ("clerk", Fate.UNSURE, "timeout")
        receipts.send_again(session, staff.administrator, receipt_id, NOW)
    desk.sms.does = lambda _: 1
    desk.turn()
    assert len(desk.sms.had) == 2
    assert desk.states() == [Fate.SENT]


def test_a_lost_one_is_settled_once_and_by_nobody_else(desk: Desk, staff: Staff) -> None:
    receipt_id = _lost(desk)
    with desk.office.database.session() as session:
        with pytest.raises(NotAllowed):
            receipts.settle(session, staff.supervisor, receipt_id, NOW)
        receipts.settle(session, staff.administrator, receipt_id, NOW)
        assert receipts.count_lost(session) == 0
        with pytest.raises(NotVisible):
            receipts.send_again(session, staff.administrator, receipt_id, NOW)


def test_planning_and_sending_leave_nothing_behind(desk: Desk) -> None:
    desk.wants()
    for _ in range(25):
        desk.owe()
    with desk.office.database.session() as session:
        outbox.put(session, "order.sent", {"ticket_id": desk.office.ticket.id}, NOW)
        notices.plan(session, desk.office.policy, ("email",), NOW)
    desk.turn()
    assert set(desk.states()) == {Fate.SENT}
    assert sum(len(letter.text.splitlines()) - 1 for letter in desk.mail.had) == 26


def test_notices_and_receipts_go_when_their_time_is_over_but_not_what_still_waits(desk: Desk) -> None:
    desk.wants()
    desk.owe()
    desk.turn()
    desk.owe("ticket.done")
    desk.turn()
    desk.wants("sms")
    desk.owe()  # waits, by text
    kinds = [kind for kind in retention.KINDS if kind.name in ("notices", "receipts")]
    files = retention.Files(Path("/nowhere"), Path("/nowhere"))
    keep = desk.office.policy.retention
    for days, left in ((keep.notices - 1, 4), (keep.notices + 1, 2)):
        with desk.office.database.session() as session:
            for kind in kinds:
                retention.sweep(session, kind, keep, files, NOW + timedelta(days=days))
        with desk.office.database.session() as session:
            assert len(session.scalars(select(Receipt)).all()) == left
    with desk.office.database.session() as session:
        assert session.scalars(select(Notice.person_id)).all() == [desk.office.ids["clerk"]]
