"""From Asterisk's channel events to the record: legs, offers, answers, transfers, the end of each call.

The place in the file moves in the transaction that stores what was read, so nothing is told twice or
lost. A call that the menu never wrote (we were down) is opened here. The file itself: cel_file.py.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog
from sqlalchemy import ARRAY, String, any_, bindparam, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cases import journal
from cases.calls import (
    Arrival,
    Leg,
    Progress,
    Step,
    advance,
    apply_legs,
    note_all,
    open_call,
    person_of_endpoint,
)
from cases.offers import end_offers
from cases.refused import refuse_calls, refused_id
from routing.policy import Policy
from storage.database import Database, DatabaseAway
from storage.tables import Call, CallLeg, ReadMark
from telephony.cel_file import Event, Place, read_on
from telephony.channels import DOORS, endpoint_of, origin_of

MARK = "cel"
BATCH_SECONDS = 5.0
BARGE_CONTEXT = "hotline-barge"
REFUSED = "HOTLINE_REFUSED"
MOST_BIRTHS = 10_000
MOST_BYTES = 64 << 20  # of the file; then it is put aside, and the one put aside before goes

Part = Literal["caller", "agent", "consult", "other"]
_CALL_ID = re.compile(r"[0-9A-Za-z.-]+-\d{1,5}")
_log = structlog.get_logger(__name__)


class CelReader:
    """Reads `path` on from where it stopped; one reader at a time (the clock's lock sees to that)."""

    def __init__(self, path: Path, database: Database, policy: Policy) -> None:
        self._path = path
        self._database = database
        self._policy = policy
        self._told_to: Place | None = None
        self._births: dict[str, Event] = {}  # CHAN_START comes before the dialplan says whose call it is
        self._asked: dict[str, Leg] = {}  # bridge → a colleague in it who was asked, and has no caller yet

    def read(self) -> int:
        """Store what Asterisk has written since; how many events. Raises DatabaseAway: then nothing moved."""
        end = self._end()
        if end == self._told_to:
            return 0  # most of the time nothing happened, and the database need not hear of it
        told, place, before = 0, None, end
        while place not in (end, before):
            before = place
            events, place = self._read_chunk(careful=False)
            told += events
        self._told_to = end
        if end is not None and place == end and end.offset > MOST_BYTES:
            self._path.rename(f"{self._path}.1")  # Asterisk opens it anew for each event
        return told

    def _end(self) -> Place | None:
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            return None
        return Place(facts.st_ino, facts.st_size)

    def _read_chunk(self, careful: bool) -> tuple[int, Place | None]:
        """One chunk, one transaction; `careful` goes event by event and passes over what cannot be stored."""
        try:
            with self._database.session(BATCH_SECONDS) as session:
                mark = session.get(ReadMark, MARK, with_for_update=True)
                events, place = read_on(self._path, Place(mark.inode, mark.offset) if mark else None)
                if place is not None:
                    session.merge(ReadMark(name=MARK, inode=place.inode, offset=place.offset))
                self._tell(session, events, careful)
            return len(events), place
        except (DatabaseAway, OSError):
            raise
        except Exception:
            if careful:
                raise
            _log.exception("cel_batch_failed", remedy="reading it again event by event")
            return self._read_chunk(careful=True)

    def _tell(self, session: Session, events: list[Event], careful: bool) -> None:
        record = _Record(session, self._policy, self._births, self._asked)
        record.recall(events)
        for event in events:
            if careful:
                _alone(session, record, event)
            else:
                record.tell(event)
        record.write()
        for uniqueid in list(self._births)[:-MOST_BIRTHS]:
            del self._births[uniqueid]


def _alone(session: Session, record: "_Record", event: Event) -> None:
    try:
        with session.begin_nested():
            record.tell(event)
    except (SQLAlchemyError, LookupError, ValueError):
        _log.exception("cel_event_skipped", type=event.type, call=event.account)


def _any(name: str) -> Any:
    return any_(bindparam(name, type_=ARRAY(String)))


# Asked for every batch, so they are put together once.
_KNOWN_CALLS = select(Call.id, Call.linkedid).where(
    or_(Call.linkedid == _any("linkedids"), Call.id == _any("accounts"))
)
_KNOWN_LEGS = (
    select(Call.linkedid, *(getattr(CallLeg, field.name) for field in fields(Leg)))
    .join(Call, Call.id == CallLeg.call_id)
    .where(CallLeg.uniqueid == _any("uniqueids"))
)


class _Record:
    """Events told into the record, within one transaction."""

    def __init__(
        self, session: Session, policy: Policy, births: dict[str, Event], asked: dict[str, Leg]
    ) -> None:
        self._session, self._policy = session, policy
        self._births, self._asked = births, asked
        self._calls: dict[str, str] = {}  # linkedid → call id
        self._roots: dict[str, str] = {}  # call id → linkedid of the caller's own channel
        self._legs: dict[str, Leg] = {}
        self._changed: dict[str, None] = {}
        self._steps: list[tuple[str, Step]] = []
        self._progress: dict[str, Progress] = {}
        self._people: dict[str, int | None] = {}
        self._parted: set[str] = set()  # calls with a leg that ended
        self._refused: list[Arrival] = []

    def recall(self, events: Iterable[Event]) -> None:
        """Look up what is known of the calls and legs that these events are about."""
        linkedids = {event.linkedid for event in events}
        uniqueids = {event.uniqueid for event in events} | linkedids
        accounts = {event.account for event in events}
        asked = {"linkedids": list(linkedids), "accounts": list(accounts), "uniqueids": list(uniqueids)}
        connection = self._session.connection()
        for call_id, linkedid in connection.execute(_KNOWN_CALLS, asked):
            self._calls[linkedid], self._roots[call_id] = call_id, linkedid
        for linkedid, *leg in connection.execute(_KNOWN_LEGS, asked):
            known = Leg(*leg)
            self._calls.setdefault(known.uniqueid, known.call_id)
            self._roots[known.call_id] = linkedid
            self._legs[known.uniqueid] = known

    def tell(self, event: Event) -> None:
        """Store one event; those of channels that belong to no call are passed over."""
        if event.type == REFUSED:
            self._refused.append(_refused(event))
            return
        if event.type == "CHAN_START":
            self._births[event.uniqueid] = event
        call_id = self._call_of(event)
        if call_id is not None:
            leg = self._leg_of(event, call_id)
            self._put(leg)
            if act := _ACTS.get(event.type):
                act(self, event, leg)
        if event.type == "CHAN_END":
            self._births.pop(event.uniqueid, None)

    def write(self) -> None:
        """Store what was told; once a batch, not once an event."""
        apply_legs(self._session, [self._legs[uniqueid] for uniqueid in self._changed])
        note_all(self._session, self._steps, source="cel")
        if self._progress:
            advance(self._session, self._progress)
        if self._parted:
            end_offers(self._session, self._parted)
        if self._refused:
            refuse_calls(self._session, self._refused, self._policy)

    # Whose event it is.

    def _call_of(self, event: Event) -> str | None:
        if not _CALL_ID.fullmatch(event.account):
            return self._calls.get(event.linkedid) or self._calls.get(event.uniqueid)
        if event.account not in self._roots:
            self._open(event)
        self._calls[event.linkedid] = event.account
        return event.account

    def _open(self, event: Event) -> None:
        """The menu has not written this call, or not yet."""
        root = event.account.rpartition("-")[0]  # the dialplan makes a call's id from the caller's channel
        birth = self._births.get(root, event)
        arrival = Arrival(
            call_id=event.account,
            linkedid=root,
            line=_line(self._policy, birth.exten),
            number_raw=event.number if event.uniqueid == root else "",
            withheld=False,
            at=_began(birth, root),
            origin=origin_of(birth.channel),
        )
        open_call(self._session, arrival, self._policy)
        self._calls[root], self._roots[event.account] = event.account, root

    def _leg_of(self, event: Event, call_id: str) -> Leg:
        known = self._legs.get(event.uniqueid)
        if known is not None:
            return known
        birth = self._births.get(event.uniqueid, event)
        part = self._part(birth, event, call_id)
        staff = part in ("agent", "consult") or birth.context == BARGE_CONTEXT
        leg = Leg(
            uniqueid=event.uniqueid,
            call_id=call_id,
            channel=event.channel,
            part=part,
            began_at=_began(birth, event.uniqueid),
            person_id=self._person(endpoint_of(event.channel)) if staff else None,
        )
        if part == "agent" and event.uniqueid != self._roots[call_id]:
            self._step(birth, leg, "offer", once=True, person_id=leg.person_id)
        return leg

    def _part(self, birth: Event, event: Event, call_id: str) -> Part:
        root, endpoint = self._roots[call_id], endpoint_of(event.channel)
        if event.uniqueid == root:
            return "agent" if self._is_out(endpoint) else "caller"
        before = self._legs.get(root)
        if before is not None and self._is_out(endpoint_of(before.channel)) and endpoint in DOORS:
            return "caller"  # we called her
        if endpoint in ("", *DOORS) or BARGE_CONTEXT in (birth.context, event.context):
            return "other"
        return "agent" if birth.linkedid == root else "consult"

    @staticmethod
    def _is_out(endpoint: str) -> bool:
        """A call whose first channel is a staff phone's was placed by her."""
        return endpoint not in ("", *DOORS)

    def _places(self, leg: Leg) -> bool:
        """The phone of who called out."""
        return leg.part == "agent" and leg.uniqueid == self._roots[leg.call_id]

    def _person(self, endpoint: str) -> int | None:
        if endpoint not in self._people:
            self._people[endpoint] = person_of_endpoint(self._session, endpoint)
        return self._people[endpoint]

    def _put(self, leg: Leg) -> None:
        if self._legs.get(leg.uniqueid) != leg:
            self._legs[leg.uniqueid] = leg
            self._changed[leg.uniqueid] = None

    def _step(
        self, event: Event, leg: Leg, step: str, once: bool = False, number: str = "", **detail: Any
    ) -> None:
        """Once per event (or, if told, per leg), however often the file is read."""
        time = "" if once else f":{event.at.timestamp():.6f}"
        fingerprint = f"cel:{leg.uniqueid}:{step}{time}"
        self._steps.append((leg.call_id, Step(event.at, step, detail, fingerprint, number)))

    def _advance(self, leg: Leg, **told: Any) -> None:
        self._progress[leg.call_id] = replace(self._progress.get(leg.call_id, Progress()), **told)

    # What an event means. Each is called with the leg it happened on.

    def answered(self, event: Event, leg: Leg) -> None:
        if leg.answered_at is None:
            self._put(replace(leg, answered_at=event.at))

    def joined(self, event: Event, leg: Leg) -> None:
        """In a bridge: the colleague comes to the caller or, given her while it still rang, she to her."""
        bridge = event.extra.get("bridge_id", "")
        if leg.part == "caller" and bridge in self._asked:
            self._has_caller(event, self._asked[bridge])
        elif leg.part in ("agent", "consult"):
            if event.linkedid == self._roots[leg.call_id]:
                self._has_caller(event, leg)
            elif event.app == "AppDial":
                self._asked[bridge] = leg

    def _has_caller(self, event: Event, leg: Leg) -> None:
        self._put(replace(leg, part="agent"))
        before = self._progress.get(leg.call_id, Progress()).answers
        self._advance(leg, answers=(*before, (event.at, leg.person_id)))
        self._step(event, leg, "answer", once=True, person_id=leg.person_id, uniqueid=leg.uniqueid)

    def left(self, event: Event, leg: Leg) -> None:
        if leg.part != "caller":
            self._asked.pop(event.extra.get("bridge_id", ""), None)

    def began_app(self, event: Event, leg: Leg) -> None:
        if event.app == "Queue" and leg.part == "caller":
            before = self._progress.get(leg.call_id, Progress()).queued_at
            self._advance(leg, queued_at=before or event.at)
            self._step(event, leg, "queued")
        elif event.app == "MixMonitor" and leg.part == "caller":
            self._step(event, leg, "recording")  # again after each pause: the ledger reckons with them

    def hung_up(self, event: Event, leg: Leg) -> None:
        self._put(replace(leg, cause=_cause(event)))
        if leg.part == "caller":
            source = str(event.extra.get("hangupsource", ""))
            by = "caller" if source == event.channel else "staff" if endpoint_of(source) else "system"
            self._step(event, leg, "end", by=by, cause=_cause(event))

    def ended(self, event: Event, leg: Leg) -> None:
        if leg.ended_at is not None:
            return
        self._put(replace(leg, ended_at=event.at))
        self._parted.add(leg.call_id)
        if leg.part == "caller" or self._places(leg):
            self._advance(leg, ended_at=event.at)
        elif leg.part == "agent" and leg.answered_at is None:
            self._offer_ended(event, leg)

    def _offer_ended(self, event: Event, leg: Leg) -> None:
        rang_seconds = round((event.at - leg.began_at).total_seconds(), 1)
        self._step(event, leg, "offer_ended", person_id=leg.person_id, rang_seconds=rang_seconds)
        if leg.person_id is not None:
            detail: dict[str, Any] = {
                "call": leg.call_id,
                "rang_seconds": rang_seconds,
                "cause": leg.cause,
            }
            journal.append(self._session, None, "offer.unanswered", "person", leg.person_id, **detail)

    def transferred_blind(self, event: Event, leg: Leg) -> None:
        to = str(event.extra.get("extension", ""))
        self._step(event, leg, "transfer", number=to, kind="blind", person_id=leg.person_id)

    def transferred_attended(self, event: Event, leg: Leg) -> None:
        to = self._person(endpoint_of(str(event.extra.get("transfer_target_channel_name", ""))))
        self._step(event, leg, "transfer", kind="attended", person_id=leg.person_id, to_person_id=to)

    def told_by_dialplan(self, event: Event, leg: Leg) -> None:
        step, names_phone = _DIALPLAN_STEPS[event.type]
        endpoint = endpoint_of(f"PJSIP/{str(event.extra.get('extra', '')).removeprefix('PJSIP/')}")
        detail: dict[str, Any] = {"person_id": self._person(endpoint)} if names_phone else {}
        self._step(event, leg, step, **detail)


# User events of the dialplan → the step they are, and whether they name a phone.
_DIALPLAN_STEPS = {
    "HOTLINE_FALLBACK": ("fallback", False),
    "HOTLINE_HEAD": ("head_of_queue", False),
    "HOTLINE_RETURN": ("transfer_failed", True),
    "HOTLINE_PHONE_LOST": ("phone_lost", True),
}

_ACTS: dict[str, Callable[[_Record, Event, Leg], None]] = {
    "ANSWER": _Record.answered,
    "BRIDGE_ENTER": _Record.joined,
    "BRIDGE_EXIT": _Record.left,
    "APP_START": _Record.began_app,
    "HANGUP": _Record.hung_up,
    "CHAN_END": _Record.ended,
    "BLINDTRANSFER": _Record.transferred_blind,
    "ATTENDEDTRANSFER": _Record.transferred_attended,
    **dict.fromkeys(_DIALPLAN_STEPS, _Record.told_by_dialplan),
}


def _refused(event: Event) -> Arrival:
    """A call to a number that is not published; without a number where the caller withheld it."""
    return Arrival(
        call_id=refused_id(event.uniqueid),
        linkedid=event.linkedid,
        line=str(event.extra.get("extra", "")) or "?",
        number_raw=event.number,
        withheld=not event.number,
        at=event.at,
        origin=origin_of(event.channel),
    )


def _began(birth: Event, uniqueid: str) -> datetime:
    """When a channel began: its CHAN_START, else the second that its unique id is made of."""
    if birth.type == "CHAN_START" and birth.uniqueid == uniqueid:
        return birth.at
    found = re.search(r"(\d{9,})\.\d+$", uniqueid)
    return datetime.fromtimestamp(int(found[1]), UTC) if found else birth.at


def _line(policy: Policy, dialled: str) -> str:
    """The published line of a dialled number, which the trunk may give with its area code."""
    area = policy.area_code
    for prefix in ("", area, "+86" + area.removeprefix("0")):
        line = policy.line(dialled.removeprefix(prefix))
        if line is not None:
            return line.number
    return dialled


def _cause(event: Event) -> int | None:
    cause = event.extra.get("hangupcause")
    return cause if isinstance(cause, int) else None
