"""The product's spine, on real parts only: SIPp → Asterisk → Chromium, from the ring to the record.

One city for all: the calls come in the order of the tests, and the last test stops and starts everything.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from hotline.lab import audio
from tests.hotline.conftest import new_city
from tests.real.sip_trace import Seen, SipTrace
from tests.real.sipp import SippCall
from tests.real.spine import CALLER_HZ, MENU_HZ, Agent, House, fetch, play_and_seek
from tests.real.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
FIRST_HZ, SECOND_HZ = 1370.0, 1790.0
SPOKEN_DB = -45.0  # a browser takes a steady tone for noise and turns it down, to some -32 dB
QUIETER_DB = 40.0
TALK_SECONDS = 3.0
OPEN_NUMBER, SEALED_NUMBER, THIRD_NUMBER = "13811112222", "13833334444", "13855556666"
OPEN_WORDS = "厂区停水两天，影响生产，请尽快恢复。"
SEALED_WORDS = "窗口人员索要好处费，请查处。"
OTHERS = ("agent2", "agent3", "leader", "supervisor", "admin")
STOPPED = (
    r"manager.c: Unable to process manager action '.*'. Asterisk is shutting down"  # see asterisk-lines.md
)
AUDIO = re.compile(r"/recordings/(\d+)/audio\?play=[\w-]+")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with (
        new_city() as city,
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
    ):
        house = House(city, playwright, Path(folder))
        try:
            house.up()
            yield house
        finally:
            house.close()


@pytest.fixture(scope="module")
def first(house: House) -> Agent:
    return house.agent("agent1", FIRST_HZ)


@pytest.fixture(scope="module")
def second(house: House) -> Agent:
    return house.agent("agent2", SECOND_HZ)


@dataclass(frozen=True)
class Visit:
    """What is left of a call that is over."""

    call_id: str
    ticket: str

    def recording(self, client: httpx.Client) -> str:
        """The address of its sound, once the ledger has it."""

        def ready() -> str:
            found = AUDIO.search(client.get(f"/tickets/{self.ticket}").text)
            return found[0] if found else ""

        return until(ready, "the recording in the ticket")


@dataclass(frozen=True)
class Pop:
    """Seconds since 1970, by the browser's clock and by Asterisk's trace of SIP."""

    rang_at: float
    painted_at: float
    answered_at: float


def levels(sound: audio.Samples, hz: float) -> list[float]:
    """The tone's level in each quarter of a second, dB."""
    quarter = audio.RATE // 4
    return [
        audio.level_db(sound[at : at + quarter], hz) for at in range(0, len(sound) - quarter + 1, quarter)
    ]


def hear_each_other(call: SippCall, agent: Agent) -> None:
    """For long enough to be measured in the recording."""
    seconds = TALK_SECONDS

    def caller_hears() -> bool:
        heard = levels(call.media.last(seconds), agent.hz)
        return len(heard) > 4 * seconds - 2 and min(heard) > SPOKEN_DB

    until(caller_hears, f"the caller to hear {agent.login} for {seconds} s")
    until(lambda: agent.hears(CALLER_HZ), f"{agent.login} to hear the caller")


def save_ticket(agent: Agent, words: str) -> str:
    """Write and save while the call goes on; the ticket's number."""
    work = agent.page.locator(".work:not([hidden])")
    work.locator("[name=content]").fill(words)
    agent.page.keyboard.press("Control+s")
    expect(work.locator("[data-says=result]")).to_contain_text("已保存")
    address = work.locator("[data-saved]").get_attribute("href")
    assert address
    return address.removeprefix("/tickets/")


def call_id_of(agent: Agent) -> str:
    found = agent.page.locator(".work:not([hidden])").get_attribute("data-call")
    assert found
    return found


def be_done(agent: Agent) -> None:
    agent.says("话后处理")
    agent.page.keyboard.press("Alt+w")


def offer_and_answer(messages: list[Seen], call_id: str) -> tuple[Seen, Seen]:
    """The INVITE that offered the call first, and the 200 OK that took it."""
    invite = next(m for m in messages if f"X-Hotline-Call: {call_id}" in m.text)
    dialog = re.search(r"^Call-ID: .*$", invite.text, re.MULTILINE)
    assert dialog
    taken = (m for m in messages if m.start == "SIP/2.0 200 OK" and m.source == invite.target)
    return invite, next(m for m in taken if dialog[0] in m.text)


@pytest.fixture(scope="module")
def talk(house: House, first: Agent, second: Agent) -> tuple[Visit, Pop]:
    """A call in full: the menu, the ring with the manager's port closed, a ticket, a transfer, a reload."""
    first.go_ready()
    trace = SipTrace(house.cli, house.home.asterisk_log / "sip.pcap")
    call = house.call(OPEN_NUMBER)
    with house.without_manager():
        house.press(call, "2")
        first.rings()
        expect(first.page.locator(".work:not([hidden]) .record-number")).to_have_text("138 1111 2222")
        first.answer()
        painted_at = first.painted_at()
        hear_each_other(call, first)
    visit = Visit(call_id_of(first), save_ticket(first, OPEN_WORDS))
    invite, answer = offer_and_answer(trace.messages(), visit.call_id)
    house.hire("agent9", "8009")
    first.pick("8002", "blind")
    second.rings()
    expect(second.page.locator(".work .record-number")).to_have_text("138 1111 2222")
    second.answer()
    hear_each_other(call, second)
    call.hang_up()
    be_done(first)
    return visit, Pop(invite.at, painted_at, answer.at)


def test_the_record_is_painted_before_the_agent_answers_with_the_managers_port_closed(
    talk: tuple[Visit, Pop],
) -> None:
    _, pop = talk
    print(f"painted {1000 * (pop.painted_at - pop.rang_at):.0f} ms after INVITE, ", end="")
    print(f"{1000 * (pop.answered_at - pop.painted_at):.0f} ms before 200 OK")
    assert pop.rang_at < pop.painted_at < pop.answered_at


def margins(stereo: audio.Samples, agent_hz: float) -> tuple[float, float]:
    """While this agent speaks: how far the own voice is above any other, dB; caller's channel, agent's.

    The median second: a packet that this machine was too busy to send in time is a click in all frequencies.
    """
    theirs, ours = stereo[:, 0], stereo[:, 1]
    quarter = audio.RATE // 4
    loud = [i for i, level in enumerate(levels(ours, agent_hz)) if level > SPOKEN_DB]
    speech = slice((loud[0] + 1) * quarter, loud[-1] * quarter)
    assert speech.stop - speech.start > (TALK_SECONDS - 1) * audio.RATE

    def least(channel: audio.Samples, own: float) -> float:
        others = {FIRST_HZ, SECOND_HZ, CALLER_HZ} - {own}
        assert audio.level_db(channel[speech], own) > SPOKEN_DB
        seconds = [channel[at : at + audio.RATE] for at in range(speech.start, speech.stop, audio.RATE)]
        return float(
            np.median(
                [
                    audio.level_db(one, own) - max(audio.level_db(one, hz) for hz in others)
                    for one in seconds
                    if len(one) == audio.RATE
                ]
            )
        )

    return least(theirs, CALLER_HZ), least(ours, agent_hz)


def test_each_channel_holds_its_own_voice_and_no_other_before_and_after_the_transfer(
    house: House, talk: tuple[Visit, Pop]
) -> None:
    visit, _ = talk
    supervisor = house.client("supervisor")
    sound = fetch(supervisor, visit.recording(supervisor))
    (house.folder / "fetched.wav").write_bytes(sound)
    stereo = audio.read_wav(house.folder / "fetched.wav")
    before, after = margins(stereo, FIRST_HZ), margins(stereo, SECOND_HZ)
    print(f"{len(stereo) / audio.RATE:.1f} s; least margins (caller, agent) before {before}, after {after}")
    assert min(*before, *after) > QUIETER_DB
    for agent in ("agent1", "agent2"):
        client = house.client(agent)
        assert fetch(client, visit.recording(client)) == sound
    outsider = house.client("agent3")
    assert AUDIO.search(outsider.get(f"/tickets/{visit.ticket}").text) is None


def test_the_recording_plays_in_the_ticket_and_goes_where_one_seeks(
    house: House, first: Agent, talk: tuple[Visit, Pop]
) -> None:
    visit, _ = talk
    visit.recording(house.client("agent1"))
    page = first.context.new_page()
    page.goto(f"{house.base}/tickets/{visit.ticket}")
    expect(page.locator("#main")).to_contain_text(OPEN_WORDS)
    duration, landed, later = play_and_seek(page, 0.6)
    assert duration > 2 * TALK_SECONDS
    assert abs(landed - 0.6 * duration) < 0.1
    assert later > landed
    page.close()


def test_nothing_in_asterisks_log_complains_of_a_full_call_a_transfer_and_reloads(
    house: House, talk: tuple[Visit, Pop]
) -> None:
    assert "8009" in house.cli("dialplan show from-staff")
    house.assert_nothing_left()
    house.assert_clean_log()


@pytest.fixture(scope="module")
def sealed(house: House, first: Agent, talk: tuple[Visit, Pop]) -> Visit:
    """A report by key 3, taken by the first agent, with its ticket and its recording."""
    first.says("就绪，等候来电")
    call = house.call(SEALED_NUMBER)
    house.press(call, "3")
    first.rings()
    expect(first.page.locator(".work:not([hidden]) .record-head")).to_contain_text("保密件")
    first.answer()
    hear_each_other(call, first)
    visit = Visit(call_id_of(first), save_ticket(first, SEALED_WORDS))
    call.hang_up()
    be_done(first)
    visit.recording(house.client("discipline"))
    return visit


def searched(client: httpx.Client, visit: Visit) -> dict[str, httpx.Response]:
    """Every list, whole and searched for the caller, the ticket."""
    lists = ["/", "/desk", "/desk/day", "/desk/colleagues", "/calls", "/tickets", "/recordings"]
    lists += [f"/{what}?number={SEALED_NUMBER}" for what in ("calls", "tickets", "recordings")]
    lists += [f"/recordings?ticket={visit.ticket}"]
    return {path: client.get(path, follow_redirects=True) for path in lists}


def opened(client: httpx.Client, visit: Visit, audio_address: str) -> dict[str, httpx.Response]:
    """Every address of the call, its ticket and its recording, and every act on them."""
    desk, ticket = f"/desk/calls/{visit.call_id}", f"/tickets/{visit.ticket}"
    pages = [f"/calls/{visit.call_id}", desk, f"{desk}?offer=guessed", ticket, f"{ticket}/edit"]
    pages += [f"/tickets?ticket={visit.ticket}", audio_address, audio_address.partition("/audio")[0]]
    answers = {path: client.get(path, follow_redirects=True) for path in pages}
    part = client.get(audio_address, headers={"Range": "bytes=0-99"})
    typed = {"kind": "complaint", "content": "x", "reason": "silent", "version": "1", "answer": "x"}
    acts = [f"{desk}/ticket", f"{desk}/close", f"{desk}/leader", ticket, f"{ticket}/answer"]
    posted = {f"POST {path}": client.post(path, data=typed) for path in acts}
    return answers | posted | {"range": part}


def test_a_call_by_key_3_is_found_by_those_named_and_by_nobody_else(house: House, sealed: Visit) -> None:
    audio_address = sealed.recording(house.client("discipline"))
    for login in ("discipline", "agent1"):
        client = house.client(login)
        assert sealed.call_id in client.get(f"/calls?number={SEALED_NUMBER}").text
        assert sealed.ticket in client.get("/tickets").text
        assert SEALED_WORDS in client.get(f"/tickets/{sealed.ticket}").text
        assert fetch(client, audio_address)[:4] == b"RIFF"

    secrets = (sealed.call_id, SEALED_WORDS, SEALED_NUMBER, "3333 4444", audio_address.partition("/audio")[0])
    for login in OTHERS:
        client = house.client(login)
        lists, direct = searched(client, sealed), opened(client, sealed, audio_address)
        for path, answer in (lists | direct).items():
            typed = (f'value="{SEALED_NUMBER}"', f'href="{answer.request.url.path}"')  # by themselves
            shown = answer.text.replace(typed[0], "").replace(typed[1], "")
            assert not [secret for secret in secrets if secret in shown], f"{login} {path}"
        for path, answer in direct.items():
            assert answer.status_code in (403, 404), f"{login} {path}: {answer.status_code}"
    for viewer in ([], ["--viewer", "supervisor"]):
        for what in ("calls", "tickets"):
            told = house.city.command("export", what, "--json", *viewer).stdout
            assert json.loads(told)
            assert not [secret for secret in secrets if secret in told]


def test_english_on_its_key_reaches_the_channel_and_the_agent(
    house: House, first: Agent, second: Agent, sealed: Visit
) -> None:
    first.page.click("[data-wanted=off]")
    first.says("未上岗")
    second.go_ready()
    call = house.call(SEALED_NUMBER)
    house.press(call, "9")
    house.press(call, "1", "en")
    second.rings()
    # The call before has its ticket, from the other desk: the new record takes its place.
    expect(second.page.locator(".work:not([hidden]) .record-pressed")).to_contain_text("English")
    channel = house.cli(f"core show channel {house.channel('PJSIP/trunk-')}")
    assert re.findall(r"Language: (\w+)", channel) == ["en"]
    second.answer()
    work = second.page.locator(".work:not([hidden])")
    expect(work.locator(".record-pressed")).to_contain_text("English")
    expect(work.locator(".record .count")).to_have_text(["0", "0"])  # her sealed call is not told here either
    hear_each_other(call, second)
    call.hang_up()
    be_done(second)


def test_after_everything_was_stopped_all_is_found_again_and_the_menu_can_be_switched_off(
    house: House, first: Agent, second: Agent, talk: tuple[Visit, Pop], sealed: Visit
) -> None:
    second.says("就绪，等候来电")
    house.down()
    house.menu_off()
    house.up()
    visit, _ = talk
    page = first.page
    page.goto(f"{house.base}/calls?number={OPEN_NUMBER}")
    page.click(f"#main a[href='/calls/{visit.call_id}']")
    story = page.locator("#main .story")
    for step in ("按键 2", "坐席接听 李晓雯", "直接转接", "通话结束"):
        expect(story).to_contain_text(step)
    page.click(f"#main a[href='/tickets/{visit.ticket}']")
    expect(page.locator("#main .text", has_text=OPEN_WORDS)).to_be_visible()
    play_and_seek(page, 0.3)
    named = house.client("discipline")
    assert SEALED_WORDS in named.get(f"/tickets/{sealed.ticket}").text
    assert fetch(named, sealed.recording(named))[:4] == b"RIFF"

    second.page.reload()
    second.says("就绪，等候来电")
    call = house.call(THIRD_NUMBER)
    second.rings()
    second.answer()
    expect(second.page.locator(".work:not([hidden]) .record-pressed")).to_contain_text("未按键，直接人工")
    hear_each_other(call, second)
    assert max(levels(call.media.heard(), MENU_HZ["zh"])) < -50
    call.hang_up()
    house.assert_nothing_left()
    house.assert_clean_log(STOPPED)
