"""Answers one call from outside: opens its record, runs the dialogue, stores what was learned, sends it on.

No database connection is held while a human speaks. Whatever fails, the caller goes on to a queue.
What is said is ivr/dialogues/; what to do without us is the dialplan's.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from cases.calls import Arrival, Opening, Step, open_call
from ivr.dialogues.inbound import Known, inbound
from ivr.spool import GONE, Spool, Visit, write_visit
from routing import policy as policies
from routing.hours import is_open
from routing.route import Ending, HangUp, ToQueue
from routing.working_time import Calendar
from storage.database import Database, DatabaseAway
from telephony.agi_wire import Request
from telephony.channels import origin_of
from telephony.line import Line, PromptSeconds
from telephony.words import Answer, Dialogue, Gone, Pressed, Silent, Speak, Word

DATABASE_SECONDS = 1.0
MENU_LANGUAGE = "zh"
UNKNOWN_PROMPT_SECONDS = 30.0
WAV_HEADER_BYTES = 44
WAV_BYTES_A_SECOND = 16_000

_CALL_ID = re.compile(r"[0-9A-Za-z.-]{3,80}")

_log = structlog.get_logger(__name__)


class Answering:
    """The AGI handler `inbound`; one object serves all calls at once.

    `calendar` reads the working days in the session it is given.
    """

    def __init__(
        self,
        database: Database,
        policy: policies.Policy,
        spool: Spool,
        calendar: Callable[[Session], Calendar],
    ) -> None:
        self._database = database
        self._policy = policy
        self._spool = spool
        self._load_calendar = calendar
        self._calendar = Calendar()  # the last one read; plain weeks until then

    def __call__(self, line: Line, request: Request) -> None:
        """Raises AGIHangup when the caller has gone, after all is stored; ValueError on a foreign request."""
        arrival = _arrival(request)
        published = self._policy.line(arrival.line)
        if published is None:
            raise ValueError("the dialplan sent a line that is not in the policy; render the files again")
        opening = self._open(arrival, published)
        talk = _Talk(line, arrival.call_id)
        ending = talk.run(self._dialogue(published, arrival, opening))
        token = opening.offer_token if opening else secrets.token_urlsafe(16)
        self._store(_visit(arrival, talk, ending, token), opened=opening is not None)
        if ending is not None:
            _send_on(line, ending, token)

    def _open(self, arrival: Arrival, published: policies.Line) -> Opening | None:
        """The call's record, or None while there is no database: the menu plays all the same."""
        try:
            with self._database.session(DATABASE_SECONDS) as session:
                if self._policy.hours[published.hours].days == "working":
                    self._calendar = self._load_calendar(session)
                return open_call(session, arrival, self._policy)
        except DatabaseAway as away:
            _log.warning("call_opened_without_database", call=arrival.call_id, why=str(away))
        except Exception:
            _log.exception("call_not_opened", call=arrival.call_id)
        return None

    def _dialogue(self, published: policies.Line, arrival: Arrival, opening: Opening | None) -> Dialogue:
        policy = self._policy
        open_now = is_open(policy.hours[published.hours], arrival.at, self._calendar, policy.zone)
        known = Known(opening.preferred_endpoint, opening.gave_up) if opening else Known()
        return inbound(published, policy, is_open=open_now, known=known)

    def _store(self, visit: Visit, opened: bool) -> None:
        """Store before the call moves on: a sealed call must be sealed before anybody is offered it."""
        try:
            with self._database.session(DATABASE_SECONDS) as session:
                if not opened:
                    open_call(session, visit.arrival, self._policy)
                write_visit(session, visit, self._policy)
            return
        except DatabaseAway as away:
            _log.warning("call_spooled", call=visit.arrival.call_id, why=str(away))
        except Exception:
            _log.exception("call_not_stored", call=visit.arrival.call_id)
        try:
            self._spool.keep(visit)
        except OSError:
            _log.exception("call_not_spooled", call=visit.arrival.call_id)


class _Talk:
    """A dialogue on its line, and the steps it took."""

    def __init__(self, line: Line, call_id: str) -> None:
        self._line = line
        self._call_id = call_id
        self.steps: list[Step] = []
        self.language = MENU_LANGUAGE

    def run(self, dialogue: Dialogue) -> Ending | None:
        """How it ended; None when we failed, which is logged and leaves the call to the dialplan."""
        try:
            word = next(dialogue)
            while True:
                answer = self._line.speak(word)
                self._note(word, answer)
                word = dialogue.send(answer)
        except StopIteration as end:
            ending: Ending = end.value
            self._note_ending(ending)
            return ending
        except Exception:
            _log.exception("dialogue_failed", call=self._call_id)
            self._step("failed")
            return None

    def _note(self, word: Word, answer: Answer) -> None:
        if isinstance(answer, Gone):
            self._step(GONE)
        elif isinstance(word, Speak):
            self.language = word.language
            self._step("language", language=word.language)
        elif isinstance(answer, Pressed):
            self._step("key", key=answer.key, prompts=word.prompts)
        else:
            self._step("silent" if isinstance(answer, Silent) else "said", prompts=word.prompts)

    def _note_ending(self, ending: Ending) -> None:
        if self.steps and self.steps[-1].step == GONE:
            return
        if isinstance(ending, ToQueue):
            self._step("queue", queue=ending.queue, kind=ending.kind, preferred=ending.preferred)
        else:
            self._step("hangup", reason=ending.reason)

    def _step(self, step: str, **detail: object) -> None:
        fingerprint = f"agi:{self._call_id}:{len(self.steps)}"
        self.steps.append(Step(_now(), step, detail, fingerprint))


def prompt_seconds(sounds: Path) -> PromptSeconds:
    """How long prompts play, from `<sounds>/<language>/hotline/<prompt>.wav` (8 kHz, 16 bit, mono)."""

    def seconds(language: str, prompt: str) -> float:
        try:
            size = (sounds / language / "hotline" / f"{prompt}.wav").stat().st_size
        except OSError:
            return UNKNOWN_PROMPT_SECONDS
        return max(0, size - WAV_HEADER_BYTES) / WAV_BYTES_A_SECOND

    return seconds


def _arrival(request: Request) -> Arrival:
    try:
        call_id, linkedid, line, withheld = request.args
    except ValueError:
        raise ValueError(f"the dialplan sent {len(request.args)} arguments instead of 4") from None
    if not _CALL_ID.fullmatch(call_id):
        raise ValueError("the dialplan sent a call id that is none")
    hidden = withheld == "1"
    return Arrival(
        call_id,
        linkedid,
        line,
        "" if hidden else request.number,
        hidden,
        _now(),
        origin=origin_of(request.channel),
    )


def _visit(arrival: Arrival, talk: _Talk, ending: Ending | None, token: str) -> Visit:
    return Visit(replace(arrival, offer_token=token), tuple(talk.steps), talk.language, ending, _now())


def _send_on(line: Line, ending: Ending, token: str) -> None:
    """Tell the dialplan where to; the route last, for by it the dialplan knows that all is there."""
    line.renew_switch()
    if isinstance(ending, HangUp):
        line.set_variable("HOTLINE_ROUTE", "hangup")
        return
    line.set_variable("HOTLINE_OFFER", token)
    line.set_variable("HOTLINE_PRIO", ending.priority)
    line.set_variable("HOTLINE_PREFERRED", ending.preferred)
    line.set_variable("CHANNEL(language)", line.language)
    line.set_variable("HOTLINE_KIND", ending.kind)
    line.set_variable("HOTLINE_ROUTE", ending.queue)


def _now() -> datetime:
    return datetime.now(UTC)
