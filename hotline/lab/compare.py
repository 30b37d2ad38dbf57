"""Where the caller, the record and the plan of a call disagree: a row a step, each fault with its remedy."""

from collections.abc import Iterator
from datetime import datetime

from hotline.lab import audio
from hotline.lab.caller import LIKE, Caller
from hotline.lab.plan import Hear, Plan, Press
from hotline.lab.record import Record
from hotline.lab.report import Row
from routing.route import ToQueue

SAME_TIME_SECONDS = 3.0  # by so much caller and record may differ over one event
VOICE_SECONDS = 0.8
VOICE_DB = -40.0
SEE_MENU = "see hotline check, then log/ivr.log"
SEE_CLOCK = "see hotline check, then log/clock.log"
SEE_ASTERISK = "see hotline check, then asterisk/log/asterisk.log"


def settled(record: Record | None) -> bool:
    """Nothing more is to come: the call is over, and its recording kept or given up."""
    if record is None or record.told.call.ended_at is None:
        return False
    recording = record.recording
    return record.told.call.queued_at is None or (recording is not None and recording.state != "open")


def compare(way: Plan | None, caller: Caller, record: Record | None) -> Iterator[Row]:
    """Both sides of each step, in the order in which a call goes. `way`: None for a number not published."""
    yield _answer(way, caller, record)
    if caller.answer is None or caller.answer.status != 200 or way is None:
        return
    yield from _dialogue(way, caller, record)
    if record is None:
        return
    if isinstance(way.ending, ToQueue):
        yield _kind(way.ending, way, record)
        yield _queue(caller, record)
    if record.told.call.answered_at or caller.when("voice"):
        yield _agent(caller, record)
    yield _end(caller, record)
    if record.told.call.queued_at:
        yield from _recording(caller, record)


def _answer(way: Plan | None, caller: Caller, record: Record | None) -> Row:
    at = caller.when("answer")
    call = record.told.call if record else None
    mine = f"{caller.answer.start} after {caller.after(at):.2f} s" if caller.answer and at else "no answer"
    theirs = f"call {call.id}, {call.outcome}, began {_clock(call.began_at)}" if call else "no such call"
    fault, remedy = "", ""
    if caller.answer is None:
        fault, remedy = "nobody answers", "start it: hotline up"
    elif caller.answer.status != 200:
        fault = f"refused with {caller.answer.start}"
        remedy = "dial one of the policy's lines" if way is None else "hotline config --reload"
    elif way is None:
        fault, remedy = "answered, and the policy has no such line", "hotline config --reload"
    elif call is None:
        fault, remedy = "answered, and not on record", SEE_CLOCK
    elif at and abs(call.began_at.timestamp() - at) > SAME_TIME_SECONDS:
        fault, remedy = "the record has another time", "set this machine's clock"
    return Row("answer", mine, theirs, fault, remedy)


def _dialogue(way: Plan, caller: Caller, record: Record | None) -> Iterator[Row]:
    """Prompts and keys in the plan's order, as far as the caller came."""
    heard = [each for each in caller.seen if each.what in ("prompt", "key")]
    noted = record.steps("key") if record else []
    for act in way.acts:
        seen = heard.pop(0) if heard else None
        after = f" at {caller.after(seen.at):.1f} s" if seen else ""
        if isinstance(act, Press):
            step = noted.pop(0) if noted else None
            theirs = f"{step.detail.get('key')}, {_clock(step.at)}" if step else "no key"
            wrong = step is None or step.detail.get("key") != act.key
            fault = f"the record has {theirs}" if wrong else ""
            yield Row(
                f"key {act.key}", f"pressed{after}", theirs, fault if seen else "", SEE_MENU if wrong else ""
            )
        elif seen:
            yield Row(f"{act.prompt} ({act.language})", f"heard{after}")
        else:
            yield _unheard(act, caller, record)
            return
    for step in noted:
        yield Row(
            "key", "not pressed", str(step.detail.get("key")), "the record has a key too many", SEE_MENU
        )


def _unheard(act: Hear, caller: Caller, record: Record | None) -> Row:
    """Why a prompt may be missing, as far as can be told."""
    name = f"{act.prompt} ({act.language})"
    answered_by_menu = record is None or any(step.source == "agi" for step in record.told.steps)
    theirs = "" if answered_by_menu else "not a word from the voice menu"
    sound = f"not heard; {caller.sound_seconds:.1f} s of sound in all"
    if caller.sounds.prompt(act.prompt, act.language) is None:
        file = f"{act.language}/{act.prompt}.wav"
        return Row(
            name, sound, theirs, f"the prompt {file} is missing", "hotline prompts, then hotline config"
        )
    if not answered_by_menu:
        return Row(name, sound, theirs, "the voice menu did not take the call", SEE_MENU)
    return Row(name, sound, theirs, f"{act.prompt} was not heard", SEE_ASTERISK)


def _kind(ending: ToQueue, way: Plan, record: Record) -> Row:
    call = record.told.call
    wanted = (ending.kind, ending.sealed, way.language)
    found = (call.kind, call.sealed, call.language)
    fault = "" if wanted == found else f"should be {_said(*wanted)}"
    return Row("way", f"pressed {way.keys or 'nothing'}", _said(*found), fault, SEE_MENU if fault else "")


def _said(kind: str, sealed: bool, language: str) -> str:
    return f"{kind or 'no kind'}{', sealed' if sealed else ''}, {language}"


def _queue(caller: Caller, record: Record) -> Row:
    at, queued = caller.when("music"), record.told.call.queued_at
    mine = f"music at {caller.after(at):.1f} s" if at else "no music"
    theirs = f"queued {_clock(queued)}" if queued else "never queued"
    if not queued:
        return Row("queue", mine, theirs, "the record has her in no queue", SEE_CLOCK)
    fault = "" if at or record.told.call.answered_at else "the queue's music was not heard"
    return Row("queue", mine, theirs, fault, SEE_ASTERISK if fault else "")


def _agent(caller: Caller, record: Record) -> Row:
    at, answered = caller.when("voice"), record.told.call.answered_at
    mine = f"a voice at {caller.after(at):.1f} s" if at else "no voice"
    theirs = f"answered {_clock(answered)}" if answered else "not answered"
    fault = ""
    if not answered:
        fault = "a voice was heard, and the record has no answer"
    elif not at:
        fault = "answered, and the agent was not heard"
    return Row("agent", mine, theirs, fault, SEE_CLOCK if not answered else SEE_ASTERISK if fault else "")


def _end(caller: Caller, record: Record) -> Row:
    call, bye = record.told.call, caller.bye
    mine = f"BYE by the {_who(caller)} at {caller.after(bye.at):.1f} s" if bye else "no BYE"
    ends = record.steps("end")
    by = str(ends[-1].detail.get("by")) if ends else ""
    theirs = f"{call.outcome}, ended {_clock(call.ended_at)}{f' by {by}' if by else ''}"
    fault, remedy = "", SEE_CLOCK
    if call.ended_at is None:
        fault = "the record does not know that it ended"
    elif bye is None:
        fault, remedy = "it ended without BYE", SEE_ASTERISK
    elif not caller.parted:
        fault, remedy = "nobody answered the BYE", SEE_ASTERISK
    elif abs(call.ended_at.timestamp() - bye.at) > SAME_TIME_SECONDS:
        fault = "the record has another time"
    elif by and (by == "caller") != bye.sent:
        fault = f"the record says that it was ended by {by}"
    return Row("end", mine, theirs, fault, remedy if fault else "")


def _who(caller: Caller) -> str:
    return "caller" if caller.bye and caller.bye.sent else "hotline"


def _recording(caller: Caller, record: Record) -> Iterator[Row]:
    recording = record.recording
    mine = f"{caller.sound_seconds:.1f} s of sound heard"
    if recording is None or recording.state == "open":
        yield Row("recording", mine, "none", "the recording is missing", SEE_CLOCK)
        return
    theirs = f"{recording.state}, {recording.duration_seconds or 0:.1f} s"
    if recording.state != "ready" or record.voices is None:
        fault = recording.note or "its file is not there"
        yield Row("recording", mine, theirs, fault, "can recordings/ be written? see hotline check")
        return
    left, right = record.voices
    yield _voice("caller's voice", _is_in(caller.said, left), theirs)
    if caller.agent_hz:
        yield _voice("agent's voice", audio.level_db(right, caller.agent_hz) > VOICE_DB, theirs)


def _voice(name: str, there: bool, theirs: str) -> Row:
    fault = "" if there else f"the {name} is not in its channel of the recording"
    return Row(
        name, "spoke", theirs if there else f"{theirs}, without it", fault, SEE_ASTERISK if fault else ""
    )


def _is_in(said: audio.Samples, channel: audio.Samples) -> bool:
    """What the caller says begins anew all the time: of a long sound any part may have been recorded."""
    pieces = [said[begin : begin + audio.RATE * 2] for begin in range(0, len(said), audio.RATE * 2)]
    chunks = [audio.loudest(piece, VOICE_SECONDS) for piece in pieces]
    loud = [chunk for chunk in chunks if audio.sound_seconds(chunk) > VOICE_SECONDS / 2]
    return not loud or any(audio.find(chunk, channel)[0] > LIKE for chunk in loud)


def _clock(at: datetime | None) -> str:
    return at.astimezone().strftime("%H:%M:%S.%f")[:-4] if at else ""
