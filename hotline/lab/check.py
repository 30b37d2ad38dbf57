"""`hotline lab check`: every line and menu path dialled, one call answered in a browser; a finding each."""

import fcntl
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from cases import lab, people
from cases.duty import Shown, duties
from cases.errors import Refused
from hotline import wiring
from hotline.check import Finding
from hotline.lab.browser import Desk
from hotline.lab.call import CALLER_HZ, Result, Wish, a_number, place
from hotline.lab.caller import Caller
from hotline.lab.ground import Ground, ground
from hotline.lab.sipp import LabFault, sipp
from hotline.settings import Settings
from routing.policy import Line
from telephony import lab_recordings

Tell = Callable[[str], None]

AT_ONCE, MOST_AT_ONCE = 4, 12  # calls at a time: a machine of two cores has sound to spare for more
ROUNDS = 4  # more lines are dialled more at a time, that two minutes be enough
AGENT_HZ = 850.0
RING_SECONDS = 30.0
TALK_SECONDS = 3.0
ON_DUTY = {Shown.READY, Shown.RINGING, Shown.TALKING, Shown.WRAPUP}
SEE_BROWSER = (
    "see hotline check: can a browser on this machine reach the desk and Asterisk's WebSocket, by HTTPS "
    "where HOTLINE_BIND is not 127.0.0.1?"
)


def run(settings: Settings, tell: Tell) -> Iterator[Finding]:
    """What is found, as it is found. A fault foreseen ends the check as its last finding."""
    try:
        sipp()
        with ground(settings) as here, _alone(here):
            yield from readiness(here)
            yield from calls(here, tell)
            yield from agent(here, tell)
            lab_recordings.remove(here.database, here.home.recordings_kept, datetime.now(UTC))
    except wiring.FORESEEN as why:
        for line in str(why).splitlines():
            told, _, remedy = line.rpartition(": ")
            yield Finding("lab", False, told or line, remedy if told else "see hotline check")


@contextmanager
def _alone(here: Ground) -> Iterator[None]:
    """There is one lab agent: one check at a time. Raises LabFault."""
    with (here.home.path / "lab.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LabFault("another hotline lab check is at work: wait for its end") from None
        yield


# -- is somebody there -----------------------------------------------------------------------------


def readiness(here: Ground) -> Iterator[Finding]:
    """Who calls within opening hours should find somebody on duty."""
    with here.database.session() as session:
        shown = [each.shown for each in duties(session)]
    on_duty = sum(each in ON_DUTY for each in shown)
    for queue in dict.fromkeys(line.queue for line in here.policy.lines):
        numbers = [line.number for line in here.policy.lines if line.queue == queue and here.is_open(line)]
        lines = (
            f"{numbers[0]}{f' and {len(numbers) - 1} more' if len(numbers) > 1 else ''}" if numbers else ""
        )
        if not numbers:
            yield Finding(f"queue {queue}", True, "outside its opening hours")
        elif on_duty:
            yield Finding(f"queue {queue}", True, f"{on_duty} on duty for {lines}")
        else:
            remedy = "agents log in at the desk and choose ready"
            yield Finding(f"queue {queue}", False, f"nobody is ready to answer {lines}", remedy)


# -- lines and menu paths --------------------------------------------------------------------------


def calls(here: Ground, tell: Tell) -> Iterator[Finding]:
    wishes = list(_wishes(here))
    at_once = calls_at_once(len(wishes))
    tell(f"{len(wishes)} calls, {at_once} at a time")
    with ThreadPoolExecutor(at_once) as several:
        for (subject, _), result in zip(
            wishes, several.map(lambda each: _placed(here, each[1], tell), wishes), strict=True
        ):
            yield _finding(subject, result)


def calls_at_once(calls: int) -> int:
    return min(max(AT_ONCE, ceil(calls / ROUNDS)), MOST_AT_ONCE)


def _wishes(here: Ground) -> Iterator[tuple[str, Wish]]:
    """A call to every line; where there is a menu, by every path through it."""
    menu = here.policy.menu
    first = next(iter(menu.keys))
    asked: set[str] = set()
    for line in here.policy.lines:
        paths = [""]
        if line.menu and line.queue not in asked and here.is_open(line):
            asked.add(line.queue)
            paths = [*menu.keys, *([menu.english_key + first] if menu.english_key else [])]
        for keys in paths:
            subject = f"{line.number}{f' key {keys}' if keys else ''}"
            yield subject, Wish(line.number, a_number(), keys, hold_seconds=1.0)


def _placed(here: Ground, wish: Wish, tell: Tell) -> Result:
    return place(here, wish, lambda words: tell(f"{wish.to} {wish.keys}: {words}"))


def _finding(subject: str, result: Result) -> Finding:
    """The first fault, for the others follow from it."""
    fault = next((row for row in result.rows if row.fault), None)
    if fault:
        return Finding(subject, False, f"{fault.step}: {fault.fault}", fault.remedy)
    heard = [each.detail.split(" ")[0] for each in result.caller.seen if each.what == "prompt"]
    told = f"answered; {', '.join(heard)} heard"
    if result.record and result.record.told.call.kind:
        told += f"; on record as {result.record.told.call.kind}"
    return Finding(subject, True, told)


# -- one call answered -----------------------------------------------------------------------------


@dataclass
class _Talk:
    """What the agent's side has to say of the call that she answers."""

    desk: Desk
    faults: list[str] = field(default_factory=list)
    sound_missing: bool = False  # and nothing else

    def __call__(self, caller: Caller) -> None:
        desk = self.desk
        if not desk.becomes("ringing", RING_SECONDS):
            self.faults.append(f"the call did not ring in the browser, which shows {desk.state}")
            return
        answered = desk.press("answer") and desk.becomes("talking")
        if not answered:
            self.faults.append(f"the browser could not answer, and shows {desk.state}")
        agent_heard = caller.wait_voice(AGENT_HZ, 10.0)
        if not agent_heard:
            self.faults.append("the caller did not hear the agent")
        if not desk.hears(CALLER_HZ):
            self.faults.append("the agent did not hear the caller")
            self.sound_missing = answered and not agent_heard
        caller.stay(TALK_SECONDS)


def agent(here: Ground, tell: Tell) -> Iterator[Finding]:
    """The whole way once: browser, desk, ring, both voices, recording, the call closed without a ticket."""
    line = next((line for line in here.policy.lines if here.is_open(line)), None)
    if line is None:
        yield Finding("agent", True, "not tried: every line is outside its opening hours")
        return
    tell("a browser logs in at the desk")
    password = secrets.token_urlsafe(24)
    hire(here, password)
    with Desk(here.folder, _base(here), AGENT_HZ) as desk:
        if not desk.log_in(people.LAB_LOGIN, password):
            yield Finding("desk", False, f"nobody can log in at {_base(here)}", "see hotline check")
            return
        if not desk.becomes("off"):
            told = f"the browser phone does not register, and shows {desk.state}"
            yield Finding("desk", False, told, SEE_BROWSER)
            return
        try:
            if not (desk.press("ready") and desk.becomes("ready")):
                yield Finding(
                    "desk", False, f"ready was chosen, and the desk shows {desk.state}", SEE_BROWSER
                )
                return
            yield Finding("desk", True, f"logged in at {_base(here)}, phone registered")
            yield from _answered(here, line, desk, tell)
        finally:
            desk.press("off")


def _answered(here: Ground, line: Line, desk: Desk, tell: Tell) -> Iterator[Finding]:
    talk = _Talk(desk)
    wish = Wish(line.number, a_number(), _plain_key(here) if line.menu else "", hold_seconds=0.0)
    result = place(here, wish, lambda words: tell(f"{wish.to}, answered in a browser: {words}"), talk)
    record = result.record
    if talk.faults:
        remedy = SEE_BROWSER
        if talk.sound_missing:
            remedy = f"let UDP pass to ports {here.settings.rtp_start} to {here.settings.rtp_end}, and back"
        yield Finding("agent", False, "; ".join(talk.faults), remedy)
    elif not result.ok:
        yield _finding("agent", result)
    else:
        yield Finding("agent", True, "answered in a browser; both heard each other, and are in the recording")
    if record is None or record.told.call.answered_at is None:
        return
    closed = desk.close_call(record.told.call.id, here.policy.closing_reasons[0].code)
    told = "the call was closed at the desk" if closed else "the call could not be closed at the desk"
    yield Finding("closing", closed, told, "" if closed else "see log/desk.log")


def _plain_key(here: Ground) -> str:
    """A key whose calls are not sealed."""
    keys = here.policy.menu.keys
    return next((key for key, kind in keys.items() if not kind or not here.policy.kind(kind).sealed), "")


def hire(here: Ground, password: str) -> None:
    """The lab's agent, her password for this one check, her phone known to Asterisk. Raises LabFault.

    Asterisk's files are written anew the first time only: a check repairs nothing.
    """
    try:
        with here.database.session() as session:
            people.lab_agent(session, password)
    except Refused as why:
        raise LabFault(f"the lab's agent cannot be made ({why}): see hotline people list") from why
    server = wiring.asterisk(here.settings, here.home)
    if f"/{lab.AGENT}" in server.cli(f"pjsip show endpoint {lab.AGENT}"):
        return
    changed = wiring.render_config(here.settings, here.home, here.database.url, here.policy, server.binary)
    wiring.reload(server, changed)


def _base(here: Ground) -> str:
    """The desk as this machine reaches it."""
    scheme = wiring.desk_address(here.settings, here.home).partition(":")[0]
    return f"{scheme}://{wiring.authority(here.server[0], here.settings.web_port)}"
