"""The channel event file: cut, parsed and followed through rotation, whatever a caller calls himself."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from telephony.cel_file import COLUMNS, Place, cut, read_on

DATA = Path(__file__).parent / "data"
SAMPLES = sorted(DATA.glob("cel_*.csv"))


def record(kind: str = "ANSWER", number: str = "13812345678", uniqueid: str = "1795296973.12") -> bytes:
    """A record as Asterisk writes it: every column quoted, quotes doubled."""
    columns = [
        kind,
        "1795296973.832556",
        uniqueid,
        uniqueid,
        "PJSIP/trunk-1",
        "",
        number,
        "s",
        "c",
        "",
        "",
        "",
    ]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(columns)
    return text.getvalue().encode()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_what_asterisk_wrote_is_read_whole(sample: Path) -> None:
    with capture_logs() as logs:
        events, place = read_on(sample, None)
    assert logs == []
    assert place == Place(sample.stat().st_ino, sample.stat().st_size)
    assert {event.uniqueid for event in events} == {event.uniqueid for event in events if event.channel}
    assert all(event.linkedid for event in events)


def test_records_forged_in_a_callers_number_are_not_events() -> None:
    events, _ = read_on(DATA / "cel_injected.csv", None)
    assert [event.type for event in events] == [
        "CHAN_START", "ANSWER", "HOTLINE_FALLBACK", "APP_START", "APP_END", "APP_START",
    ]  # fmt: skip
    assert len({event.uniqueid for event in events}) == 1


@given(st.lists(st.text(max_size=60), min_size=1, max_size=6), st.data())
def test_no_number_makes_or_swallows_a_record_however_the_file_is_cut(
    numbers: list[str], data: st.DataObject
) -> None:
    whole = b"".join(record(number=number, uniqueid=f"179529697{i}.1") for i, number in enumerate(numbers))
    at = data.draw(st.integers(0, len(whole)))
    first, used = cut(whole[:at])
    then, rest = cut(whole[used:])
    assert used + rest == len(whole)
    assert first + then == [
        record(number=number, uniqueid=f"179529697{i}.1") for i, number in enumerate(numbers)
    ]


@given(st.binary(max_size=300))
def test_rubbish_is_passed_over_and_spoils_no_record_after_it(rubbish: bytes) -> None:
    records, used = cut(rubbish.replace(b'"', b"") + b"\n" + record())
    assert records[-1] == record()
    assert used == len(rubbish.replace(b'"', b"")) + 1 + len(record())


def test_a_record_torn_by_a_crash_spoils_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "cel.csv"
    file.write_bytes(record("CHAN_START") + record()[:40] + record("CHAN_END"))
    with capture_logs() as logs:
        events, _ = read_on(file, None)
    assert [event.type for event in events] == ["CHAN_START", "CHAN_END"]
    assert [entry["event"] for entry in logs] == ["cel_record_skipped"]


def test_a_record_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    file = tmp_path / "cel.csv"
    file.write_bytes(record("CHAN_START") + record()[:-1])
    events, place = read_on(file, None)
    assert [event.type for event in events] == ["CHAN_START"]
    with file.open("ab") as stream:
        stream.write(b"\n")
    events, place = read_on(file, place)
    assert [event.type for event in events] == ["ANSWER"]
    assert read_on(file, place) == ([], place)


def test_a_rotated_file_is_read_to_its_end_before_its_successor(tmp_path: Path) -> None:
    file = tmp_path / "cel.csv"
    file.write_bytes(record("CHAN_START"))
    _, place = read_on(file, None)
    with file.open("ab") as stream:
        stream.write(record("ANSWER"))
    file.rename(tmp_path / "cel.csv.1")
    between, place_between = read_on(file, place)
    assert [event.type for event in between] == ["ANSWER"]
    file.write_bytes(record("CHAN_END"))
    assert read_on(file, place)[0] == between
    after, place = read_on(file, place_between)
    assert [event.type for event in after] == ["CHAN_END"]
    assert read_on(file, place) == ([], place)


def test_a_file_that_was_cut_short_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "cel.csv"
    file.write_bytes(record("CHAN_START") * 3)
    _, place = read_on(file, None)
    shutil.copyfile(file, tmp_path / "cel.csv.copy")
    with file.open("r+b") as stream:
        stream.truncate(0)
        stream.write(record("ANSWER"))
    events, _ = read_on(file, place)
    assert [event.type for event in events] == ["ANSWER"]


def test_no_file_yet_is_no_event(tmp_path: Path) -> None:
    assert read_on(tmp_path / "cel.csv", None) == ([], None)
    assert read_on(tmp_path / "cel.csv", Place(1, 2)) == ([], Place(1, 2))


@pytest.mark.parametrize(
    "line",
    [
        b'"ANSWER","1795296973.832556","only three"\n',
        record().replace(b'"",""\n', b'"{broken",""\n'),
        record().replace(b"1795296973.832556", b"99999999999999999999.000000"),
    ],
)
def test_a_record_that_makes_no_sense_is_skipped_and_logged_once(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "cel.csv"
    file.write_bytes(line + record("CHAN_END"))
    with capture_logs() as logs:
        events, _ = read_on(file, None)
    assert [event.type for event in events] == ["CHAN_END"]
    assert [entry["event"] for entry in logs] == ["cel_record_skipped"]
    assert COLUMNS == 12


def test_a_long_backlog_is_read_in_short_pieces(tmp_path: Path) -> None:
    file = tmp_path / "cel.csv"
    file.write_bytes(record() * 2000)
    place = None
    told = 0
    while found := read_on(file, place)[0]:
        _, place = read_on(file, place)
        assert len(found) < 1000
        told += len(found)
    assert told == 2000
