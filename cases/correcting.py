"""A caller's or an enterprise's record put right or completed (PIPL 46). The journal names fields alone."""

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases import journal, personal
from cases.errors import Conflict, Refused
from cases.known import alone, record_of, with_code
from cases.parties import kept_caller, kept_enterprise
from cases.permissions import Action, demand, rule
from cases.ticket_form import SEXES, code_fault
from routing import uscc
from routing.numbers import normalise
from routing.policy import Policy
from storage.base import NUMBER, USCC
from storage.parties import Caller, CallerNumber, Enterprise
from storage.viewer import Viewer

SCALES = ("", "micro", "small", "medium", "large")
INDUSTRIES = ("", *"ABCDEFGHIJKLMNOPQRST")  # sections of GB/T 4754
LONGEST, LONGEST_NOTE = 200, 2000
MOST_NUMBERS = 20

Record = TypeVar("Record", Caller, Enterprise)

CALLER_TEXTS = ("name", "company", "place", "note")
ENTERPRISE_TEXTS = ("name", "uscc", "place", "contact_name", "contact_number", "note")


def correct_caller(
    session: Session, viewer: Viewer, caller_id: int, typed: Mapping[str, Any], version: int, policy: Policy
) -> Caller:
    """`typed`: name, sex, company, place, note, `uscc` of her enterprise ('': none), `tags` (codes),
    `add` (a number more), `drop` (ids of numbers that are not hers).

    What is masked still is left as it was. Raises NotAllowed, NotVisible, Conflict, Refused.
    """
    demand(viewer, Action.MERGE_PARTIES)
    caller = kept_caller(session, viewer, caller_id, lock=True)
    if caller.version != version:
        raise Conflict(theirs=caller, yours=typed)
    put: dict[str, Any] = personal.over_record(caller, {name: typed.get(name, "") for name in CALLER_TEXTS})
    put |= {"sex": typed.get("sex", ""), "tags": sorted(set(typed.get("tags", ())))}
    faults = _too_long(put)
    if put["sex"] not in SEXES:
        faults["sex"] = "unknown"
    if not set(put["tags"]) <= {tag.code for tag in policy.caller_tags} | set(caller.tags):
        faults["tags"] = "unknown"
    enterprise = _employer(session, caller, typed.get("uscc", ""), faults)
    put["enterprise_id"] = enterprise.id if enterprise else None
    numbers = _numbers(session, caller, typed, policy, faults)
    if faults:
        raise Refused(faults)
    changed = _put(caller, put)
    if _change_numbers(session, caller, numbers, typed.get("drop", ())):
        changed.append("number")
    return _corrected(session, viewer, caller, changed)


def correct_enterprise(
    session: Session,
    viewer: Viewer,
    enterprise_id: int,
    typed: Mapping[str, Any],
    version: int,
    policy: Policy,
) -> Enterprise:
    """`typed`: ENTERPRISE_TEXTS, scale, industry. Raises NotAllowed, NotVisible, Conflict, Refused."""
    demand(viewer, Action.MERGE_PARTIES)
    enterprise = kept_enterprise(session, viewer, enterprise_id, lock=True)
    if enterprise.version != version:
        raise Conflict(theirs=enterprise, yours=typed)
    put: dict[str, Any] = personal.over_record(
        enterprise, {name: typed.get(name, "") for name in ENTERPRISE_TEXTS}
    )
    put |= {name: typed.get(name, "") for name in ("scale", "industry")}
    faults = _too_long(put)
    for name, allowed in (("scale", SCALES), ("industry", INDUSTRIES)):
        if put[name] not in allowed:
            faults[name] = "unknown"
    if not put["name"]:
        faults["name"] = "required"
    put["uscc"] = _code(session, enterprise, put["uscc"], faults)
    if put["contact_number"]:
        number = normalise(put["contact_number"], policy.area_code).number
        put["contact_number"] = number or put["contact_number"]
        if number is None:
            faults["contact_number"] = "number"
    if faults:
        raise Refused(faults)
    return _corrected(session, viewer, enterprise, _put(enterprise, put))


def _employer(session: Session, caller: Caller, typed: str, faults: dict[str, str]) -> Enterprise | None:
    before = session.get(Enterprise, caller.enterprise_id) if caller.enterprise_id else None
    if before is not None and typed.strip() in (before.uscc or "", personal.mask_uscc(before.uscc or "")):
        return before  # with or without a code: it is the one that stood there
    if not typed.strip():
        return None
    if wrong := code_fault(typed):
        faults["uscc"] = wrong
        return None
    found = with_code(session, uscc.normalise(typed))
    if found is None:
        faults["uscc"] = "no_such"
    return found


def _code(session: Session, enterprise: Enterprise, typed: str, faults: dict[str, str]) -> str | None:
    code = uscc.normalise(typed)
    if not code or code == enterprise.uscc:
        return code or None
    if wrong := code_fault(code):
        faults["uscc"] = wrong
        return code
    alone(session, USCC, code)
    if with_code(session, code) is not None:
        faults["uscc"] = "taken"
    return code


def _numbers(
    session: Session, caller: Caller, typed: Mapping[str, Any], policy: Policy, faults: dict[str, str]
) -> str | None:
    """The number to add, normalised."""
    if not typed.get("add", "").strip():
        return None
    number = normalise(typed["add"], policy.area_code).number
    if number is None:
        faults["add"] = "number"
        return None
    alone(session, NUMBER, number)
    whose = record_of(session, number)
    if whose is not None:
        faults["add"] = "hers_already" if whose.id == caller.id else "taken"
    return number


def _change_numbers(session: Session, caller: Caller, added: str | None, dropped: Any) -> bool:
    hers = session.scalars(select(CallerNumber).where(CallerNumber.caller_id == caller.id)).all()
    going = [number for number in hers if str(number.id) in {str(each) for each in dropped}]
    if len(hers) - len(going) + (added is not None) > MOST_NUMBERS:
        raise Refused({"add": "too_many"})
    for number in going:
        session.delete(number)
    if added is not None:
        session.add(CallerNumber(number=added, caller_id=caller.id))
    return bool(going) or added is not None


def _too_long(put: Mapping[str, Any]) -> dict[str, str]:
    longest = {"note": LONGEST_NOTE}
    texts = {name: text for name, text in put.items() if isinstance(text, str)}
    return {name: "too_long" for name, text in texts.items() if len(text) > longest.get(name, LONGEST)}


def _put(record: Caller | Enterprise, put: Mapping[str, Any]) -> list[str]:
    changed = sorted(name for name, value in put.items() if getattr(record, name) != value)
    for name in changed:
        setattr(record, name, put[name])
    return changed


def _corrected(session: Session, viewer: Viewer, record: Record, changed: list[str]) -> Record:
    if changed:
        record.version += 1
        record.changed_at = func.now()
        kind = record.__tablename__
        allowed = rule(viewer, Action.MERGE_PARTIES)
        journal.append(session, viewer, f"{kind}.corrected", kind, record.id, rule=allowed, fields=changed)
    session.flush()
    return record
