"""What was kept as long as the policy says goes, once, on record; what is held, open or younger stays."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from cases import attachments, erasing, holds, recordings, retention
from cases.answering import answer_directly
from cases.drafts import keep_draft
from cases.errors import NotAllowed, NotVisible, Refused
from cases.resealing import Resealer
from cases.retention import KINDS, Files
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage import files, vault
from storage.base import Base
from storage.database import Database
from storage.files import Writing, content, writing
from storage.parties import Caller, CallerNumber
from storage.tables import (
    Attachment,
    Call,
    CallStep,
    Draft,
    Hold,
    Journal,
    Named,
    Outbox,
    Recording,
    Ticket,
    TicketNumber,
)
from storage.viewer import COMMAND_LINE, Viewer
from tests.cases.conftest import NOW, NewCall, Staff

YEARS = timedelta(days=6 * 365)
NUMBER = "13812345678"
SOUND = b"RIFF the words of a caller"


class City:
    """Calls with recordings and tickets with attachments, all of them at NOW."""

    def __init__(
        self, database: Database, staff: Staff, policy: Policy, folder: Path, new_call: NewCall
    ) -> None:
        self.database, self.staff, self.policy, self.new_call = database, staff, policy, new_call
        self.files = Files(folder / "kept", folder / "attachments")
        for each in (self.files.recordings, self.files.attachments):
            each.mkdir()

    def call(self, kind: str = "", number: str = NUMBER, sealed_file: bool = True) -> str:
        call_id = self.new_call(kind, number)
        file = self.files.recordings / f"{call_id}.wav"
        written = self._write(file, recordings.file_context(call_id)).done
        if not sealed_file:
            file.write_bytes(SOUND)
        with self.database.session() as session:
            session.execute(
                update(Recording)
                .where(Recording.name == call_id)
                .values(sha256=written.sha256, key_id=written.key_id if sealed_file else "")
            )
        return call_id

    def ticket(self, call_id: str, kind: str = "help", done: bool = True) -> str:
        with self.database.session() as session:
            form = TicketForm(
                kind=kind,
                title="停电",
                content=f"王芳（{NUMBER}）说厂里停电",
                caller_name="王芳",
                contact_number=NUMBER,
            )
            ticket = save_ticket(session, self.staff.agent, form, call_id, self.policy, NOW)
            path = f"of-{ticket.id}"
            written = self._write(self.files.attachments / path, attachments.file_context(path)).done
            attachments.attach(
                session,
                self.staff.discipline if ticket.sealed else self.staff.agent,
                ticket.number,
                name="信.pdf",
                media_type="application/pdf",
                path=path,
                written=written,
                at=NOW,
            )
            if done:
                who = self.staff.discipline if ticket.sealed else self.staff.agent
                answer_directly(session, who, ticket.number, "已答复。", NOW)
            ticket.changed_at = NOW
            return ticket.number

    def sweep(self, after: timedelta = YEARS) -> dict[str, int]:
        gone = {}
        for kind in KINDS:
            with self.database.session() as session:
                keep, files = self.policy.retention, self.files
                gone[kind.name] = retention.sweep(session, kind, keep, files, NOW + after)
        return {name: count for name, count in gone.items() if count}

    def count(self, *tables: type[Base]) -> list[int]:
        with self.database.session() as session:
            return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]

    def left(self) -> list[str]:
        folders = (self.files.recordings, self.files.attachments)
        return sorted(file.name for folder in folders for file in folder.iterdir())

    def acts(self, *acts: str) -> list[tuple[str, str]]:
        with self.database.session() as session:
            rows = select(Journal.act, Journal.subject_id).where(Journal.act.in_(acts)).order_by(Journal.id)
            return [(row.act, row.subject_id) for row in session.execute(rows)]

    def hold(self, kind: holds.Kind, key: str, who: Viewer | None = None) -> None:
        with self.database.session() as session:
            holds.place(session, who or self.staff.supervisor, kind, key, "诉讼")

    @staticmethod
    def _write(file: Path, context: str) -> Writing:
        with writing(file, context) as out:
            out.write(SOUND)
        return out


@pytest.fixture
def city(database: Database, staff: Staff, policy: Policy, tmp_path: Path, new_call: NewCall) -> City:
    return City(database, staff, policy, tmp_path, new_call)


def test_nothing_goes_before_its_time(city: City) -> None:
    city.ticket(city.call())
    city.call()
    assert city.sweep(timedelta(days=29)) == {}
    assert len(city.left()) == 3


def test_a_recording_goes_before_its_call_and_its_row_says_so(city: City) -> None:
    call_id = city.call()
    assert city.sweep(timedelta(days=366)) == {"recordings": 1}
    assert city.left() == []
    with city.database.session() as session:
        row = session.scalars(select(Recording)).one()
        assert (row.state, row.path, row.peaks, row.key_id) == ("removed", "", None, "")
    assert city.count(Call) == [1]
    assert city.acts("recording.removed", "retention.removed") == [
        ("recording.removed", str(row.id)),
        ("retention.removed", "recordings"),
    ]
    assert call_id


def test_a_call_without_a_ticket_goes_with_all_that_belongs_to_it(city: City) -> None:
    call_id = city.call()
    with city.database.session() as session:
        keep_draft(session, city.staff.agent, call_id, {"title": "半句"}, 1)
        session.add(CallStep(call_id=call_id, at=NOW, step="menu"))
    assert city.sweep() == {"recordings": 1, "calls": 1}
    assert city.count(Call, Recording, CallStep, Draft) == [0, 0, 0, 0]
    assert city.acts("call.removed") == [("call.removed", call_id)]


def test_a_closed_ticket_goes_then_its_call_then_its_caller(city: City) -> None:
    number = city.ticket(city.call())
    gone = city.sweep()
    assert gone == {"recordings": 1, "attachments": 1, "tickets": 1, "calls": 1, "callers": 1}
    assert city.count(Ticket, Call, Attachment, Recording, Caller, CallerNumber, Named) == [0] * 7
    assert city.left() == []
    with city.database.session() as session:
        assert session.get_one(TicketNumber, number).ticket_id is None  # and is never given again


def test_an_open_ticket_keeps_its_recordings(city: City) -> None:
    city.ticket(city.call(), done=False)
    assert city.sweep() == {}
    assert len(city.left()) == 2


@pytest.mark.parametrize("kind", ["call", "ticket"])
def test_what_is_held_stays_with_all_that_belongs_to_it_until_the_hold_is_lifted(
    city: City, kind: holds.Kind
) -> None:
    call_id = city.call()
    number = city.ticket(call_id)
    with city.database.session() as session:
        keep_draft(session, city.staff.agent, call_id, {"title": "半句"}, 1)
    key = call_id if kind == "call" else number
    city.hold(kind, key)
    city.hold(kind, key)
    assert city.count(Hold) == [1]
    assert city.sweep() == {}
    assert len(city.left()) == 2
    with city.database.session() as session:
        holds.lift(session, city.staff.discipline, kind, key)
    city.sweep()
    city.sweep()
    assert city.count(Call, Ticket, Draft, Hold) == [0, 0, 0, 0]
    assert city.left() == []
    assert [act for act, _ in city.acts(f"{kind}.held", f"{kind}.released")] == [
        f"{kind}.held",
        f"{kind}.released",
    ]


def test_a_hold_needs_a_reason_the_right_and_the_sight_of_it(city: City) -> None:
    call_id = city.call("complaint")
    number = city.ticket(call_id, "complaint", done=False)
    with city.database.session() as session:
        with pytest.raises(NotAllowed):
            holds.place(session, city.staff.agent, "ticket", number, "why")
        with pytest.raises(NotVisible):
            holds.place(session, city.staff.supervisor, "ticket", number, "why")
        with pytest.raises(Refused):
            holds.place(session, city.staff.discipline, "ticket", number, "  ")
        holds.place(session, city.staff.discipline, "ticket", number, "why")
        with pytest.raises(NotVisible):
            holds.lift(session, city.staff.supervisor, "call", call_id)


def test_what_was_sealed_is_in_no_count(city: City) -> None:
    city.ticket(city.call("complaint"), "complaint")
    city.sweep()
    assert city.count(Ticket) == [0]
    told = {subject for act, subject in city.acts("retention.removed")}
    assert not told & {"recordings", "attachments", "tickets", "calls"}
    assert len(city.acts("ticket.removed", "recording.removed", "ticket.attachment_removed")) == 3


def test_three_sweeps_at_once_delete_each_thing_once(city: City) -> None:
    for _ in range(12):
        city.call()
    start = threading.Barrier(3)

    def run() -> None:
        start.wait(20)
        city.sweep()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    city.sweep()
    for act in ("recording.removed", "call.removed"):
        ids = [subject for _, subject in city.acts(act)]
        assert len(ids) == len(set(ids)) == 12


def test_a_dry_run_counts_what_goes_and_changes_nothing(city: City) -> None:
    city.ticket(city.call())
    city.call()
    with city.database.session() as session:
        counts = {
            kind.name: retention.count(session, kind, city.policy.retention, NOW + YEARS) for kind in KINDS
        }
    assert (counts["recordings"], counts["attachments"], counts["tickets"], counts["calls"]) == (2, 1, 1, 1)
    assert len(city.left()) == 3


def test_messages_that_were_sent_go_and_those_owed_stay(city: City) -> None:
    with city.database.session() as session:
        session.add(Outbox(kind="a", payload={}, done_at=NOW))
        session.add(Outbox(kind="b", payload={}))
    assert city.sweep() == {"outbox": 1}
    assert city.count(Outbox) == [1]


# -- files that are plain, or have an older key ------------------------------------------------------


def test_plain_files_are_sealed_and_sound_the_same(city: City) -> None:
    call_id = city.call(sealed_file=False)
    resealer = Resealer(city.database, city.files)
    assert resealer.turn() == 1
    assert resealer.turn() == 0
    with city.database.session() as session:
        row = session.scalars(select(Recording)).one()
        assert row.key_id == vault.installed().current
        assert content(recordings.sound(city.files.recordings, row)).read() == SOUND
    assert files.is_sealed(city.files.recordings / f"{call_id}.wav")


def test_a_sealing_that_was_killed_between_file_and_row_is_finished(city: City) -> None:
    call_id = city.call(sealed_file=False)
    files.rewrite(city.files.recordings / f"{call_id}.wav", recordings.file_context(call_id), "")
    assert Resealer(city.database, city.files).turn() == 1
    with city.database.session() as session:
        row = session.scalars(select(Recording)).one()
        assert content(recordings.sound(city.files.recordings, row)).read() == SOUND


def test_a_file_that_is_gone_holds_up_no_other(city: City) -> None:
    gone, there = city.call(sealed_file=False), city.call(sealed_file=False)
    (city.files.recordings / f"{gone}.wav").unlink()
    resealer = Resealer(city.database, city.files)
    resealer.turn()
    assert files.is_sealed(city.files.recordings / f"{there}.wav")
    assert resealer.turn() == 0


# -- erasing on request ------------------------------------------------------------------------------


def test_a_callers_data_goes_and_the_matter_and_the_journal_stay(city: City) -> None:
    call_id = city.call()
    number = city.ticket(call_id)
    with city.database.session() as session:
        before = session.execute(select(Journal.id, Journal.act, Journal.detail).order_by(Journal.id)).all()
        hers = erasing.of_caller(session, COMMAND_LINE, f"+86{NUMBER}")
        erasing.erase(session, COMMAND_LINE, hers, city.files)
    with city.database.session() as session:
        call, ticket = session.get_one(Call, call_id), session.scalars(select(Ticket)).one()
        assert (call.number, call.number_raw, call.outcome) == (None, "", "answered")
        assert (ticket.number, ticket.caller_name, ticket.contact_number) == (number, "", "")
        assert "王芳" not in ticket.content and NUMBER not in ticket.content and "厂里停电" in ticket.content
        assert session.scalars(select(Caller)).one().name == ""
        after = session.execute(select(Journal.id, Journal.act, Journal.detail).order_by(Journal.id)).all()
        assert after[: len(before)] == before
        with pytest.raises(NotVisible):
            erasing.of_caller(session, COMMAND_LINE, f"+86{NUMBER}")
    assert city.left() == []
    assert city.count(CallerNumber, Attachment) == [0, 0]
    assert [act for act, _ in city.acts("call.erased", "ticket.erased", "retention.erased")] == [
        "call.erased",
        "ticket.erased",
        "retention.erased",
    ]


@pytest.mark.parametrize("why", ["open", "held"])
def test_what_is_open_or_held_is_not_erased(city: City, why: str) -> None:
    number = city.ticket(city.call(), done=why != "open")
    if why == "held":
        city.hold("ticket", number)
    with city.database.session() as session:
        hers = erasing.of_caller(session, COMMAND_LINE, f"+86{NUMBER}")
        with pytest.raises(Refused) as refused:
            erasing.erase(session, COMMAND_LINE, hers, city.files)
    assert refused.value.faults["tickets"] == why
    assert len(city.left()) == 2


def test_the_command_line_erases_nothing_sealed_and_does_not_tell_of_it(city: City) -> None:
    city.ticket(city.call("complaint"), "complaint")
    with city.database.session() as session, pytest.raises(NotVisible):
        erasing.of_caller(session, COMMAND_LINE, f"+86{NUMBER}")
    with city.database.session() as session:
        hers = erasing.of_caller(session, city.staff.discipline, f"+86{NUMBER}")
        erasing.erase(session, city.staff.discipline, hers, city.files)
    assert city.left() == []
