"""The journal as the auditor reads it: who did what, when, from where, and under which rule."""

import ipaddress
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.filters import ROWS, Typed, Unreadable
from cases import chain, history
from cases.history import ACTS, Cursor, JournalSearch, Line
from cases.journal import SUBJECTS
from cases.permissions import Action
from routing.policy import Policy
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Filter:
    """As typed. `before`: the cursor of an older page."""

    person: Typed = ""
    act: Typed = ""
    kind: Typed = ""
    day: Typed = ""
    address: Typed = ""
    before: Annotated[str, Query(max_length=60)] = ""

    @property
    def narrowed(self) -> bool:
        """True when anything but the page is set."""
        return any(getattr(self, each.name) for each in fields(self) if each.name != "before")

    def older(self, cursor: Cursor | None) -> str:
        """The address of the rows before this cursor; '' when there are none."""
        typed = {each.name: getattr(self, each.name) for each in fields(self)}
        typed["before"] = str(cursor) if cursor else ""
        return (
            f"/journal?{urlencode({name: value for name, value in typed.items() if value})}" if cursor else ""
        )


@router.get("/journal")
def journal_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.READ_JOURNAL))],
    typed: Annotated[Filter, Depends()],
) -> Response:
    """Its lines newest first, found by person, act, kind of thing, day and address."""
    errors: dict[str, str] = {}
    lines: list[Line] = []
    cursor: Cursor | None = None
    with services(request).database.session() as session:
        try:
            lines, cursor = history.read_journal(session, who, read(typed, services(request).policy))
        except Unreadable as fault:
            errors = fault.faults
        context: dict[str, Any] = {"state": chain.state(session), "people": _people(session)}
    return page(
        request,
        "journal.html",
        422 if errors else 200,
        typed=typed,
        errors=errors,
        lines=lines,
        acts=ACTS,
        kinds=SUBJECTS,
        newest="/journal" if typed.before else "",
        older=typed.older(cursor),
        **context,
    )


def read(typed: Filter, policy: Policy) -> JournalSearch:
    """Understand what was typed. Raises Unreadable with every fault at once."""
    faults: dict[str, str] = {}
    person = int(typed.person) if typed.person.isascii() and typed.person.isdecimal() else None
    if typed.person and (person is None or person >= 2**63):
        faults["person"] = "journal.bad_person"
    if typed.act and typed.act not in ACTS:
        faults["act"] = "journal.bad_choice"
    if typed.kind and typed.kind not in SUBJECTS:
        faults["kind"] = "journal.bad_choice"
    since, until = _day(typed.day.strip(), policy, faults)
    address = typed.address.strip()
    before = None
    try:
        address = str(ipaddress.ip_address(address)) if address else ""
    except ValueError:
        faults["address"] = "journal.bad_address"
    try:
        before = Cursor.read(typed.before) if typed.before else None
    except ValueError:
        faults["before"] = "journal.bad_choice"
    if faults:
        raise Unreadable(faults)
    return JournalSearch(person, typed.act, typed.kind, since, until, address, before, ROWS)


def _day(typed: str, policy: Policy, faults: dict[str, str]) -> tuple[datetime, datetime] | tuple[None, None]:
    try:
        day = date.fromisoformat(typed) if typed else None
    except ValueError:
        day = date.min
    if day is None:
        return None, None
    if not 1990 <= day.year <= 2200:
        faults["day"] = "filter.bad_day"
        return None, None
    midnight = datetime.combine(day, time(0), policy.zone)
    return midnight, datetime.combine(day + timedelta(days=1), time(0), policy.zone)


def _people(session: Session) -> list[tuple[str, str]]:
    """Everybody who may have done something, for a choice by name; 0 is the system itself."""
    return [(str(each.id), f"{each.name} {each.login}") for each in history.actors(session)]
