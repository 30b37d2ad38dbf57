"""The lab against a running city: it says that all is well when it is, and what is not when it is not."""

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from cases import lab
from cases.calls import CallSearch, list_calls
from cases.duty import duties, set_wanted
from cases.export import export_calls
from cases.people import everybody
from hotline.check import Finding
from hotline.lab import check
from hotline.lab.ground import Ground, ground
from hotline.settings import load
from storage.staff import Person
from storage.tables import Call, Journal, Recording
from storage.viewer import COMMAND_LINE
from tests.real.ports import free_port
from tests.real.town import Town, a_town
from tests.real.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with a_town() as town:
        yield town


@pytest.fixture
def here(town: Town, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    for name, value in town.city.environment.items():
        monkeypatch.setenv(name, value)
    with ground(load()) as here:
        yield here


def called(town: Town, *words: str, status: int) -> dict[str, Any]:
    """`hotline lab call` with its one JSON document."""
    done = town.city.command("lab", "call", "--hold", "1", "--json", *words)
    assert done.returncode == status, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["ok"] is (status == 0)
    return document


def faults(document: dict[str, Any]) -> dict[str, str]:
    assert all(fault["remedy"] for fault in document["faults"]), document["faults"]
    return {fault["step"]: fault["told"] for fault in document["faults"]}


def checked(step: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a step of the check finds. On a thread of its own: Playwright allows one loop a thread."""
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(lambda: list(step())).result()


def nobody_rang(town: Town) -> bool:
    return all(phone.rung.empty() for phone in town.phones.values())


def test_a_lab_call_is_told_alike_by_its_caller_and_by_the_record(town: Town) -> None:
    call = called(town, "--to", "962299", "--keys", "2", status=0)
    assert call["caller"]["keys"] == "2"
    seen = [event["what"] for event in call["caller"]["events"]]
    assert seen == ["invite", "answer", "prompt", "prompt", "key", "prompt", "music", "bye"]
    assert call["caller"]["sound_seconds"] > 1
    record = call["record"]
    assert (record["origin"], record["kind"], record["outcome"]) == ("lab", "help", "abandoned")
    assert [leg["part"] for leg in record["legs"]] == ["caller"]
    assert [recording["state"] for recording in record["recordings"]] == ["ready"]
    assert nobody_rang(town)


def test_a_lab_call_is_in_no_list_and_no_export(town: Town) -> None:
    with town.database.session() as session:
        assert session.scalars(select(Call.id).where(Call.origin == lab.ORIGIN)).all()
        listed = [call.origin for call in list_calls(session, COMMAND_LINE, CallSearch(limit=1000))]
        exported = [call["origin"] for call in export_calls(session, COMMAND_LINE)]
    assert listed and lab.ORIGIN not in listed + exported


def test_a_number_that_nobody_published_is_refused_and_said_to_be(town: Town) -> None:
    call = called(town, "--to", "962298", status=1)
    assert call["caller"]["status"] == 404
    assert call["record"]["outcome"] == "rejected"
    assert faults(call) == {"answer": "refused with SIP/2.0 404 Not Found"}


def test_a_check_of_a_sound_city_finds_no_fault_and_leaves_nothing_behind(town: Town, here: Ground) -> None:
    findings = checked(lambda: check.run(here.settings, lambda _words: None))
    assert all(finding.ok for finding in findings), findings
    subjects = [finding.subject for finding in findings]
    paths = [f"962299 key {keys}" for keys in ("1", "2", "3", "0", "91")]
    assert subjects == ["queue main", *paths, "desk", "agent", "closing"]
    assert nobody_rang(town)
    with town.database.session() as session:
        answered = session.scalars(
            select(Call).where(Call.origin == "lab", Call.answered_at.is_not(None))
        ).one()
        agent = session.get_one(Person, answered.agent_id)
        assert agent.endpoint == lab.AGENT
        assert answered.closed_reason
        sealed = session.scalars(select(Call.sealed).where(Call.origin == "lab", Call.kind == "complaint"))
        assert list(sealed) == [True]
        assert agent.id not in [one.id for one in everybody(session)]
        assert agent.id not in [one.person_id for one in duties(session)]
        states = select(Recording.state).join(Call).where(Call.origin == "lab")
        assert set(session.scalars(states)) == {"removed"}
        assert session.scalars(select(Journal.id).where(Journal.act == "recording.removed")).all()
    assert "e1ab00000" not in town.asterisk.cli("queue show main")


def test_a_queue_with_nobody_ready_is_a_fault(town: Town, here: Ground) -> None:
    with town.database.session() as session:
        for person_id in town.phones:
            set_wanted(session, None, person_id, "off")
    try:
        (found,) = check.readiness(here)
        assert (found.ok, found.told) == (False, "nobody is ready to answer 962299")
        assert found.remedy
    finally:
        with town.database.session() as session:
            for person_id in town.phones:
                set_wanted(session, None, person_id, "ready")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_voice_menu_that_hangs_is_a_fault(town: Town) -> None:
    with stopped(town.city.processes()["up"]), stopped(town.city.processes()["ivr"]):
        call = called(town, "--to", "962299", "--keys", "2", status=1)
    assert "the voice menu did not take the call" in faults(call).values()


@contextmanager
def menu_killed(town: Town) -> Iterator[int]:
    """No voice menu, and nobody to start another; its pid. `up` may just be replacing one that hung."""
    up = town.city.processes()["up"]

    def struck() -> int:
        os.kill(up, signal.SIGSTOP)
        if "ivr" in town.city.processes():
            return town.strike("ivr")
        os.kill(up, signal.SIGCONT)
        return 0

    old = until(struck, "a voice menu to kill")
    try:
        yield old
    finally:
        os.kill(up, signal.SIGCONT)


def test_a_voice_menu_that_died_is_a_fault(town: Town) -> None:
    with menu_killed(town) as old:
        call = called(town, "--to", "962299", "--keys", "2", status=1)
    assert "the voice menu did not take the call" in faults(call).values()
    assert {"fallback", "queued"} <= {step["step"] for step in call["record"]["steps"]}
    town.wait_back("ivr", old)


def test_a_prompt_that_is_missing_is_a_fault(town: Town) -> None:
    prompt = town.home.asterisk_lib / "sounds/zh/hotline/menu.wav"
    aside = prompt.with_suffix(".aside")
    prompt.rename(aside)
    try:
        call = called(town, "--to", "962299", "--keys", "2", status=1)
    finally:
        aside.rename(prompt)
    assert faults(call)["menu (zh)"] == "the prompt zh/menu.wav is missing"


def test_a_recording_that_cannot_be_written_is_a_fault(town: Town) -> None:
    town.home.recordings_incoming.chmod(0o500)
    try:
        call = called(town, "--to", "962299", "--keys", "2", status=1)
    finally:
        town.home.recordings_incoming.chmod(0o700)
    assert faults(call) == {"recording": "the recording is missing"}


def test_a_browser_that_cannot_reach_the_telephone_is_a_fault(town: Town, here: Ground) -> None:
    check.hire(here, "until the check gives another")
    rendered = town.home.asterisk_etc / "http.conf"
    text = rendered.read_text()
    port = town.city.ports["ASTERISK_HTTP_PORT"]
    rendered.write_text(text.replace(f"bindport = {port}", f"bindport = {free_port()}"))
    town.asterisk.cli("module reload http")
    try:
        found = checked(lambda: check.agent(here, lambda _words: None))
    finally:
        rendered.write_text(text)
        town.asterisk.cli("module reload http")
    assert [(finding.subject, finding.ok) for finding in found] == [("desk", False)]
    assert "does not register" in found[0].told
    until(lambda: str(port) in town.asterisk.cli("http show status"), "Asterisk at its own port again")
