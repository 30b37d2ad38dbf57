"""Channel events of a real Asterisk 22, told into the record."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from cases.calls import Arrival, Opening, open_call
from storage.database import Database
from storage.tables import Call, CallLeg, CallStep, Journal, ReadMark
from telephony import cel
from telephony.cel import CelReader
from telephony.cel_file import CHUNK_BYTES
from telephony.lost import end_lost_calls
from tests.ivr.test_inbound import a_policy
from tests.telephony.conftest import DATA, Read

SAMPLES = [
    "answered",
    "blind_back",
    "attended",
    "given_while_ringing",
    "consulted",
    "phone_lost",
    "unanswered",
    "injected",
    "refused",
]


def the_call(database: Database) -> Call:
    with database.session() as session:
        return session.scalars(select(Call)).one()


def legs(database: Database) -> list[CallLeg]:
    with database.session() as session:
        return list(session.scalars(select(CallLeg).order_by(CallLeg.began_at)))


def steps(database: Database) -> list[str]:
    with database.session() as session:
        return list(session.scalars(select(CallStep.step).order_by(CallStep.at, CallStep.id)))


def details(database: Database, step: str) -> list[dict[str, Any]]:
    with database.session() as session:
        return list(
            session.scalars(select(CallStep.detail).where(CallStep.step == step).order_by(CallStep.at))
        )


def offers_in_vain(database: Database) -> list[Journal]:
    with database.session() as session:
        return list(session.scalars(select(Journal).where(Journal.act == "offer.unanswered")))


def everything(database: Database) -> list[dict[str, Any]]:
    """All that CEL writes, but for the mark, the token and the journal, which only grows."""
    with database.session() as session:
        rows = [
            {
                key: value
                for key, value in vars(row).items()
                if not key.startswith("_") and key not in ("id", "offer_token")
            }
            for table in (Call, CallLeg, CallStep)
            for row in session.scalars(select(table))
        ]
    return sorted(rows, key=repr)


@pytest.mark.usefixtures("staff")
def test_a_call_the_menu_never_wrote_is_on_record(database: Database, read: Read) -> None:
    assert read("answered") == 17
    call = the_call(database)
    assert (call.id, call.linkedid, call.line) == ("1795296973.12-7383", "1795296973.12", "962299")
    assert (call.number, call.number_kind) == ("+8613812345678", "mobile")
    assert call.began_at == datetime.fromtimestamp(1795296973.831757, UTC)


def test_an_answered_call_has_its_agent_its_wait_and_its_end(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    read("answered")
    call = the_call(database)
    assert (call.outcome, call.agent_id) == ("answered", staff["e00000001"])
    assert call.queued_at and call.answered_at and call.ended_at
    assert timedelta(0) < call.answered_at - call.queued_at < timedelta(seconds=1)
    assert call.ended_at == datetime.fromtimestamp(1795296980.066847, UTC)
    assert steps(database) == ["recording", "queued", "offer", "answer", "end"]
    assert details(database, "end") == [{"by": "staff", "cause": 26}]
    taker = legs(database)[1]
    assert details(database, "answer") == [{"person_id": staff["e00000001"], "uniqueid": taker.uniqueid}]
    assert [(leg.part, leg.person_id, leg.answered_at is not None, leg.cause) for leg in legs(database)] == [
        ("caller", None, True, 26),
        ("agent", staff["e00000001"], True, 26),
    ]


@pytest.mark.usefixtures("staff")
def test_what_the_menu_wrote_is_kept(database: Database, read: Read) -> None:
    arrival = Arrival(
        "1795296973.12-7383", "1795296973.12", "962299", "", True, datetime.fromtimestamp(1795296973.9, UTC)
    )
    with database.session() as session:
        opening: Opening = open_call(session, arrival, a_policy())
    read("answered")
    call = the_call(database)
    assert (call.offer_token, call.number_kind, call.outcome) == (opening.offer_token, "withheld", "answered")


def test_an_agent_who_lets_it_ring_has_an_offer_and_no_call(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    read("unanswered")
    call = the_call(database)
    assert (call.outcome, call.agent_id, call.answered_at) == ("abandoned", None, None)
    assert steps(database) == ["recording", "queued", "offer", "offer_ended", "end"]
    (offer,) = offers_in_vain(database)
    assert (offer.subject_kind, offer.subject_id) == ("person", str(staff["e00000001"]))
    assert offer.detail == {"call": call.id, "rang_seconds": 15.0, "cause": 26}


@pytest.mark.parametrize("sample", ["gone_in_menu", "gone_in_queue"])
@pytest.mark.usefixtures("staff")
def test_a_caller_who_leaves_before_anybody_answers_has_abandoned(
    database: Database, read: Read, sample: str
) -> None:
    read(sample)
    call = the_call(database)
    assert call.outcome == "abandoned"
    assert call.ended_at is not None
    assert (call.queued_at is None) == (sample == "gone_in_menu")
    assert details(database, "end")[0]["by"] == "caller"


def test_a_blind_transfer_moves_the_call_to_the_colleague(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    read("blind")
    call = the_call(database)
    assert call.agent_id == staff["e00000002"]
    assert details(database, "transfer") == [{"kind": "blind", "person_id": staff["e00000001"]}]
    with database.session() as session:
        assert session.scalars(select(CallStep.number).where(CallStep.step == "transfer")).all() == ["802"]
    assert steps(database) == ["recording", "queued", "offer", "answer", "transfer", "offer", "answer", "end"]
    assert offers_in_vain(database) == []


def test_a_blind_transfer_that_is_refused_brings_the_call_back(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    read("blind_back")
    assert the_call(database).agent_id == staff["e00000001"]
    assert details(database, "transfer_failed") == [{"person_id": staff["e00000001"]}]
    assert [offer.subject_id for offer in offers_in_vain(database)] == [str(staff["e00000002"])]
    assert [leg.part for leg in legs(database)] == ["caller", "agent", "agent", "agent"]


def test_a_colleague_who_answers_after_the_agent_let_go_has_the_call(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    read("given_while_ringing")
    assert the_call(database).agent_id == staff["e00000002"]
    last = legs(database)[-1]
    assert (last.part, last.person_id) == ("agent", staff["e00000002"])
    assert [one["person_id"] for one in details(database, "answer")] == list(staff.values())
    assert offers_in_vain(database) == []


def test_an_attended_transfer_moves_the_call_to_the_colleague_who_was_asked(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    read("attended")
    call = the_call(database)
    assert call.agent_id == staff["e00000002"]
    assert details(database, "transfer") == [
        {"kind": "attended", "person_id": staff["e00000001"], "to_person_id": staff["e00000002"]}
    ]
    assert [(leg.part, leg.person_id) for leg in legs(database)] == [
        ("caller", None),
        ("agent", staff["e00000001"]),
        ("consult", staff["e00000001"]),
        ("agent", staff["e00000002"]),
    ]
    assert call.ended_at == datetime.fromtimestamp(1795297055.327822, UTC)


def test_a_consultation_leaves_the_call_where_it_was(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    read("consulted")
    assert the_call(database).agent_id == staff["e00000001"]
    assert [leg.part for leg in legs(database)] == ["caller", "agent", "consult", "consult"]
    assert offers_in_vain(database) == []


def test_a_phone_that_died_is_a_step_and_the_next_agent_answers_the_same_call(
    database: Database, staff: dict[str, int], read: Read
) -> None:
    read("phone_lost")
    call = the_call(database)
    assert call.agent_id == staff["e00000002"]
    assert call.answered_at
    assert call.answered_at.timestamp() == pytest.approx(1795297073.02, abs=0.1)
    assert details(database, "phone_lost") == [{"person_id": staff["e00000001"]}]
    assert [leg.cause for leg in legs(database)] == [None, 44, 26]


@pytest.mark.usefixtures("staff")
def test_a_forged_number_changes_no_other_call(database: Database, read: Read) -> None:
    read("injected")
    call = the_call(database)
    assert call.number is None or call.number_kind == "unknown"
    assert steps(database) == ["fallback", "recording", "queued"]


def test_a_call_to_an_unpublished_number_is_on_record_as_rejected(database: Database, read: Read) -> None:
    read("refused")
    with database.session() as session:
        calls = session.scalars(select(Call).order_by(Call.began_at)).all()
    assert {call.outcome for call in calls} == {"rejected"}
    assert [call.line for call in calls] == ["5551234", "abSHELLidx", "5551234"]  # a hostile one is filtered
    assert [call.number for call in calls] == ["+8613812345678", "+8613812345678", None]
    assert [call.number_kind for call in calls] == ["mobile", "mobile", "withheld"]
    assert steps(database) == ["refused"] * 3
    assert legs(database) == []


def test_a_file_that_grew_long_is_put_aside_and_nothing_in_it_or_after_it_is_lost(
    database: Database, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cel, "MOST_BYTES", 1000)
    read("refused")
    assert not (tmp_path / "cel.csv").exists()
    with (tmp_path / "cel.csv.1").open("ab") as late:  # Asterisk had it open as it was put aside
        late.write((DATA / "cel_unanswered.csv").read_bytes())
    read("gone_in_menu")
    with database.session() as session:
        outcomes = sorted(session.scalars(select(Call.outcome)))
    assert outcomes == ["abandoned", "abandoned", "rejected", "rejected", "rejected"]


@pytest.mark.usefixtures("staff")
@pytest.mark.parametrize("pieces", [3, 40])
def test_it_is_all_the_same_however_the_file_grows(
    database: Database, read: Read, pieces: int, tmp_path: Path
) -> None:
    for sample in SAMPLES:
        read(sample, pieces)
    in_pieces = everything(database)
    with database.session() as session:
        for table in (CallStep, CallLeg, Call, ReadMark):
            session.query(table).delete()
    CelReader(tmp_path / "cel.csv", database, a_policy()).read()
    assert everything(database) == in_pieces


@pytest.mark.usefixtures("staff")
def test_reading_it_all_again_changes_nothing(database: Database, read: Read, tmp_path: Path) -> None:
    for sample in SAMPLES:
        read(sample)
    before, offers = everything(database), len(offers_in_vain(database))
    with database.session() as session:
        session.query(ReadMark).delete()
    assert CelReader(tmp_path / "cel.csv", database, a_policy()).read() > 0
    assert everything(database) == before
    assert len(offers_in_vain(database)) == offers > 0


@pytest.mark.usefixtures("staff")
def test_a_restart_goes_on_where_it_stopped(database: Database, read: Read, tmp_path: Path) -> None:
    read("answered")
    assert CelReader(tmp_path / "cel.csv", database, a_policy()).read() == 0


@pytest.mark.usefixtures("staff")
def test_rubbish_longer_than_a_piece_holds_up_nothing(database: Database, read: Read, tmp_path: Path) -> None:
    skipped = b'"ANSWER","1795296973.832556","too short"\n'
    (tmp_path / "cel.csv").write_bytes(skipped * (2 * CHUNK_BYTES // len(skipped)))
    with capture_logs():
        assert read("answered") == 17


@pytest.mark.usefixtures("staff")
def test_the_place_does_not_move_when_the_facts_are_not_stored(
    database: Database, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(cel, "apply_legs", fail)
        with pytest.raises(OSError, match="no space"):
            read("answered")
    with database.session() as session:
        assert session.scalars(select(ReadMark)).all() == []
        assert session.scalars(select(Call)).all() == []


@pytest.mark.usefixtures("staff")
def test_an_event_that_cannot_be_stored_holds_up_no_other(
    database: Database, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setitem(cel._ACTS, "BRIDGE_ENTER", fail)
    with capture_logs() as logs:
        assert read("answered") == 17
    assert the_call(database).ended_at is not None
    assert [entry["event"] for entry in logs] == [
        "cel_batch_failed",
        "cel_event_skipped",
        "cel_event_skipped",
    ]


@pytest.mark.usefixtures("staff")
def test_calls_between_colleagues_are_nobodys_case(database: Database, tmp_path: Path) -> None:
    line = (DATA / "cel_consulted.csv").read_text().replace("1795297058.32-6544", "")
    (tmp_path / "cel.csv").write_text(line)
    CelReader(tmp_path / "cel.csv", database, a_policy()).read()
    with database.session() as session:
        assert session.scalars(select(Call)).all() == []
        assert session.scalars(select(CallLeg)).all() == []


@pytest.mark.usefixtures("staff")
def test_a_call_whose_end_asterisk_never_told_ends_with_the_last_that_is_known(
    database: Database, read: Read
) -> None:
    read("phone_lost")
    call_id = the_call(database).id
    now = datetime.now(UTC) + timedelta(days=365)
    assert end_lost_calls(database, {call_id}, now) == 0
    assert end_lost_calls(database, set(), datetime(2020, 1, 1, tzinfo=UTC)) == 0
    assert end_lost_calls(database, set(), now) == 1
    call = the_call(database)
    assert call.outcome == "answered"
    assert call.ended_at == datetime.fromtimestamp(1795297083.019941, UTC)
    assert end_lost_calls(database, set(), now) == 0
