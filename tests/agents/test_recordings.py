"""Recordings: found by supervisors, heard by those allowed, each play in the journal once."""

from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from agents.waveform import WIDTH, draw
from cases.recordings import file_context
from storage.files import rewrite
from storage.tables import Journal, Recording
from tests.web.site import Site


def sound(site: Site, index: int = 0, play: str = "") -> str:
    return f"/recordings/{site.seed.recordings[index]}/audio" + (f"?play={play}" if play else "")


def plays(site: Site, index: int = 0) -> int:
    with site.database.session() as session:
        query = select(func.count(Journal.id)).where(
            Journal.act == "recording.played", Journal.subject_id == str(site.seed.recordings[index])
        )
        return session.scalar(query) or 0


def test_a_range_is_served_as_asked_and_the_whole_is_the_file(site: Site) -> None:
    client = site.client("chen")
    whole = client.get(sound(site, play="a"))
    assert whole.status_code == 200
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.content[:4] == b"RIFF"
    part = client.get(sound(site, play="a"), headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes 100-199/{len(whole.content)}"
    assert part.content == whole.content[100:200]
    tail = client.get(sound(site, play="a"), headers={"Range": "bytes=-50"})
    assert tail.content == whole.content[-50:]


def test_a_range_beyond_the_end_is_refused_with_the_length(site: Site) -> None:
    answer = site.client("chen").get(sound(site), headers={"Range": "bytes=99999999-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"].startswith("bytes */")


@pytest.mark.parametrize(
    ("header", "status", "start", "stop"),
    [
        ("bytes=0-", 206, 0, None),
        ("Bytes=5-5", 206, 5, 6),
        ("bytes=100-99999999999999999", 206, 100, None),
        ("bytes=-999999999", 206, 0, None),
        ("bytes=-0", 416, 0, 0),
        ("bytes=-", 200, 0, None),
        ("bytes=9-5", 200, 0, None),
        ("bytes=0-1,5-6", 200, 0, None),
        ("bytes=" + ",".join("0-" for _ in range(2000)), 200, 0, None),
        ("bytes=1e3-", 200, 0, None),
        ("bytes=١-", 200, 0, None),
        ("bytes=99999999999999999999-", 200, 0, None),
        ("lines=1-2", 200, 0, None),
    ],
)
def test_ranges_of_every_kind_are_served_or_refused_as_the_standard_says(
    site: Site, header: str, status: int, start: int, stop: int | None
) -> None:
    client = site.client("chen")
    whole = client.get(sound(site, play="r")).content
    answer = client.get(sound(site, play="r"), headers=[(b"Range", header.encode())])
    assert answer.status_code == status
    if status != 416:
        assert answer.content == whole[start:stop]
        assert answer.headers["content-length"] == str(len(answer.content))


def test_the_etag_is_the_ledgers_hash_and_saves_sending_twice(site: Site) -> None:
    client = site.client("chen")
    etag = client.get(sound(site, play="e")).headers["etag"]
    assert client.get(sound(site, play="e"), headers={"If-None-Match": etag}).status_code == 304
    other = client.get(sound(site, play="e"), headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert other.status_code == 200
    same = client.get(sound(site, play="e"), headers={"Range": "bytes=0-9", "If-Range": etag})
    assert same.status_code == 206


def test_a_play_is_journalled_once_however_many_ranges_it_takes(site: Site) -> None:
    client, before = site.client("chen"), plays(site)
    for start in range(0, 4000, 1000):
        client.get(sound(site, play="once"), headers={"Range": f"bytes={start}-{start + 999}"})
    assert plays(site) == before + 1
    client.get(sound(site, play="again"), headers={"Range": "bytes=0-9"})
    assert plays(site) == before + 2
    site.client("zhao").get(sound(site, play="once"))  # another person with the same address
    assert plays(site) == before + 3
    client.get(sound(site))
    client.get(sound(site))  # without a player each request counts
    assert plays(site) == before + 5


def test_opening_a_page_is_no_play(site: Site) -> None:
    before = plays(site)
    client = site.client("chen")
    for path in ("/recordings", f"/recordings/{site.seed.recordings[0]}", f"/tickets/{site.seed.tickets[0]}"):
        assert 'preload="auto"' not in client.get(path).text
    assert plays(site) == before


@pytest.mark.parametrize(("login", "status"), [("zhang", 404), ("admin", 403)])
def test_who_may_not_hear_it_is_told_nothing_of_it(site: Site, login: str, status: int) -> None:
    before = plays(site)
    answer = site.client(login).get(sound(site))
    assert answer.status_code == status
    assert plays(site) == before


def test_a_sealed_recording_is_heard_by_those_named_only(site: Site) -> None:
    assert site.client("chen").get(sound(site, 2)).status_code == 404
    assert site.client("zhao").get(sound(site, 2)).status_code == 404
    assert site.client("sun").get(sound(site, 2)).status_code == 200
    assert site.client("liu").get(sound(site, 2)).status_code == 200


def test_nobody_hears_without_logging_in(site: Site) -> None:
    assert httpx.get(site.url + sound(site), headers={"Range": "bytes=0-1"}).status_code == 401


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 2),
        ({"number": "0816-2223344"}, 1),
        ({"line": "962299"}, 2),
        ({"line": "12345"}, 0),
        ({"day": "2001-01-01"}, 0),
    ],
)
def test_supervisors_find_recordings(site: Site, wanted: dict[str, str], count: int) -> None:
    assert site.client("zhao").get("/recordings", params=wanted).text.count("data-row") == count


def test_supervisors_find_recordings_by_ticket_and_agent(site: Site) -> None:
    client = site.client("zhao")
    by_ticket = client.get("/recordings", params={"ticket": site.seed.tickets[1]}).text
    assert by_ticket.count("data-row") == 1
    assert "081****3344" in by_ticket
    sealed = client.get("/recordings", params={"ticket": site.seed.tickets[2]}).text
    assert sealed.count("data-row") == 0
    assert client.get("/recordings", params={"agent": site.seed.people["liu"]}).text.count("data-row") == 2


def test_a_missing_file_is_told_with_its_name(site: Site) -> None:
    with site.database.session() as session:
        recording = session.get_one(Recording, site.seed.recordings[1])
        kept, recording.path = recording.path, "2020/gone.wav"
    try:
        answer = site.client("chen").get(sound(site, 1), headers={"Accept": "application/json"})
    finally:
        with site.database.session() as session:
            session.get_one(Recording, site.seed.recordings[1]).path = kept
    assert answer.status_code == 410
    assert site.seed.calls[1] in answer.json()["error"]["remedy"]


def test_a_sealed_recording_on_the_disk_is_heard_as_it_was_and_no_forgery_in_its_place(site: Site) -> None:
    client = site.client("chen")
    whole = client.get(sound(site, 1)).content
    with site.database.session() as session:
        recording = session.get_one(Recording, site.seed.recordings[1])
        file = site.folder / recording.path
        recording.key_id = rewrite(file, file_context(recording.name), "").key_id
    assert b"RIFF" not in file.read_bytes()
    assert client.get(sound(site, 1)).content == whole
    part = client.get(sound(site, 1), headers={"Range": "bytes=70000-70099"})
    assert part.content == whole[70_000:70_100]
    kept = file.read_bytes()
    try:
        for forged in (whole, kept[:-1], kept[:70_000] + b"x" + kept[70_001:]):
            file.write_bytes(forged)
            with suppress(httpx.RemoteProtocolError):  # found out only when that chunk's turn comes
                assert client.get(sound(site, 1)).status_code == 410
    finally:
        file.write_bytes(kept)


def test_a_path_out_of_the_folder_is_never_served(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"RIFFsecret")
    with site.database.session() as session:
        recording = session.get_one(Recording, site.seed.recordings[1])
        kept, recording.path = recording.path, str(tmp_path / "secret.wav")
    try:
        assert site.client("chen").get(sound(site, 1)).status_code == 410
    finally:
        with site.database.session() as session:
            session.get_one(Recording, site.seed.recordings[1]).path = kept


def test_both_voices_are_drawn_apart() -> None:
    wave = draw({"caller": [0.0, 1.0], "agent": [0.5, 2.0]})
    assert wave is not None
    assert wave.width == 2
    assert wave.caller == "M0.5 19.5V20.5M1.5 2.0V38.0"
    assert wave.agent == "M0.5 51.0V69.0M1.5 42.0V78.0"


def test_a_long_recording_keeps_its_loudest_moments() -> None:
    peaks = [0.0] * 10_000
    peaks[7_777] = 1.0
    wave = draw({"caller": peaks, "agent": []})
    assert wave is not None
    assert wave.width == WIDTH
    assert "V38.0" in wave.caller


@pytest.mark.parametrize("peaks", [None, {}, {"caller": [], "agent": []}])
def test_without_peaks_there_is_no_picture(peaks: dict[str, list[float]] | None) -> None:
    assert draw(peaks) is None
