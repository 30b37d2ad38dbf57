"""Callers: found, read as one record each, corrected, merged. Enterprises: agents/enterprises.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.filters import ROWS, Typed
from agents.tickets import form_fields
from cases import correcting, merging, parties, personal
from cases.errors import Conflict, NotVisible
from cases.errors import Refused as Faulty
from cases.known import record_of
from cases.parties import CallerRecord, CallerRow, History, PartySearch
from cases.permissions import Action
from cases.ticket_form import code_fault
from routing import uscc
from routing.numbers import normalise
from routing.policy import Policy
from storage.tables import Call
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services
from web.render import now, page

router = APIRouter()
Reader = Annotated[Viewer, Depends(needs(Action.SEE_PARTIES))]
Merger = Annotated[Viewer, Depends(needs(Action.MERGE_PARTIES))]
Shower = Annotated[Viewer, Depends(needs(Action.SHOW_PERSONAL))]
Id = Annotated[int, Path(ge=0, lt=2**63)]


async def lists_typed(request: Request) -> dict[str, list[str]]:
    """Dependency: a form's fields as typed, those with several values too."""
    form = await request.form(max_files=0, max_fields=80, max_part_size=20_000)
    return {name: [str(each) for each in form.getlist(name)] for name in form}


Lists = Annotated[dict[str, list[str]], Depends(lists_typed)]
Words = Annotated[dict[str, str], Depends(form_fields)]
CALLER_FIELDS = ("name", "sex", "company", "uscc", "place", "note", "add")


@dataclass(frozen=True, slots=True)
class Filter:
    """As typed; `page` counts from 1."""

    number: Typed = ""
    name: Typed = ""
    company: Typed = ""
    uscc: Typed = ""
    page: Annotated[int, Query(ge=1, le=10_000)] = 1

    def address(self, path: str, page: int) -> str:
        """The list with this filter, at a page."""
        typed = {field: getattr(self, field) for field in ("number", "name", "company", "uscc")}
        told = {field: text for field, text in typed.items() if text} | ({"page": page} if page > 1 else {})
        return f"{path}?{urlencode(told)}" if told else path

    @property
    def narrowed(self) -> bool:
        """True when anything but the page is set."""
        return any((self.number, self.name, self.company, self.uscc))

    def read(self, policy: Policy, errors: dict[str, str]) -> PartySearch:
        """Understand what was typed; what cannot be goes into `errors`: field → code."""
        number = normalise(self.number, policy.area_code).number if self.number.strip() else None
        if self.number.strip() and number is None:
            errors["number"] = "number"
        if self.uscc.strip() and (wrong := code_fault(self.uscc)):
            errors["uscc"] = wrong
        return PartySearch(
            number=number,
            name=self.name.strip(),
            company=self.company.strip(),
            uscc=uscc.normalise(self.uscc),
            limit=ROWS + 1,
            offset=(self.page - 1) * ROWS,
        )

    def pages(self, path: str, found: int) -> dict[str, Any]:
        """Where newer and older rows are."""
        return {
            "newest": self.address(path, 1) if self.page > 1 else "",
            "older": self.address(path, self.page + 1) if found > ROWS else "",
        }


@router.get("/callers")
def callers_page(request: Request, who: Reader, typed: Annotated[Filter, Depends()]) -> Response:
    """Callers, who was heard of last first; found by a whole number, name, company or code."""
    errors: dict[str, str] = {}
    rows: list[CallerRow] = []
    search = typed.read(services(request).policy, errors)
    with services(request).database.session() as session:
        if not errors:
            rows = parties.find_callers(session, who, search)
        shown = [shown_row(row, full=False) for row in rows[:ROWS]]
    pages = typed.pages("/callers", len(rows))
    return page(
        request, "callers.html", 422 if errors else 200, typed=typed, errors=errors, rows=shown, **pages
    )


@router.get("/callers/{caller_id}")
def caller_page(request: Request, caller_id: Id, who: Reader) -> Response:
    """One caller: who she is, her numbers, calls and tickets, what is open, who may be the same."""
    return one(request, caller_id, who)


@router.post("/callers/{caller_id}/full")
def caller_in_full(request: Request, caller_id: Id, who: Shower) -> Response:
    """The same page with names and numbers in full, this once; that she asked is journalled."""
    return one(request, caller_id, who, asked=True)


def one(
    request: Request,
    caller_id: int,
    who: Viewer,
    status: int = 200,
    *,
    asked: bool = False,
    typed: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    """A caller's page; `typed` and `faults`: of the form that merges another into it."""
    with services(request).database.session() as session:
        record = parties.read_caller(session, who, caller_id)
        if record.caller.id != caller_id:
            return RedirectResponse(f"/callers/{record.caller.id}", status_code=303)
        if asked:
            personal.show_record(session, who, record.caller)
        full = asked or personal.sees_caller(session, who, record.caller)
        context = _shown(record, full=full) | {
            "can_show": not full and personal.may_show_record(who),
            "asked": asked,
            "undoable": undoable_until(session, "caller", caller_id),
        }
    return page(request, "callers_one.html", status, typed=typed or {}, faults=faults or {}, **context)


@router.get("/callers/{caller_id}/edit")
def edit_page(request: Request, caller_id: Id, who: Merger) -> Response:
    """The form over a record."""
    return _form(request, caller_id, who)


@router.post("/callers/{caller_id}")
def correct(request: Request, caller_id: Id, who: Merger, form: Lists) -> Response:
    """Puts the record right; faults and conflicts give the form back with every word still in it."""
    typed: dict[str, Any] = {name: "".join(form.get(name, ())) for name in CALLER_FIELDS}
    typed |= {name: form.get(name, []) for name in ("tags", "drop")}
    version = version_of("".join(form.get("version", ())))
    policy = services(request).policy
    try:
        with services(request).database.session() as session:
            caller = correcting.correct_caller(session, who, caller_id, typed, version, policy)
            kept = caller.id
    except Faulty as fault:
        return _form(request, caller_id, who, 422, typed | {"version": version}, fault.faults)
    except Conflict as conflict:
        return _form(request, caller_id, who, 409, typed | {"version": conflict.theirs.version}, theirs=True)
    return RedirectResponse(f"/callers/{kept}", status_code=303)


@router.post("/callers/{caller_id}/merge")
def merge(request: Request, caller_id: Id, who: Merger, typed: Words) -> Response:
    """Another record goes into this one: `other` (its id), or `number` (whose it is)."""
    try:
        with services(request).database.session() as session:
            other = _other(session, typed, services(request).policy)
            kept = merging.merge(session, who, "caller", caller_id, other, now()).id
    except Faulty as fault:
        return one(request, caller_id, who, 422, typed=typed, faults=fault.faults)
    return RedirectResponse(f"/callers/{kept}", status_code=303)


@router.post("/callers/{caller_id}/undo")
def undo(request: Request, caller_id: Id, who: Merger) -> Response:
    """The last merge into this record is taken apart, within a day."""
    try:
        with services(request).database.session() as session:
            merging.undo(session, who, "caller", caller_id, now())
    except Faulty as fault:
        raise Refused("parties.not_undone", status=409) from fault
    return RedirectResponse(f"/callers/{caller_id}", status_code=303)


# -- what agents/enterprises.py shows as well ---------------------------------------------------------


def shown_row(row: CallerRow, *, full: bool) -> dict[str, Any]:
    """A caller in a list, as she is shown."""
    return {
        "caller": personal.shown(row.caller, full=full),
        "numbers": [personal.shown(number, full=full) for number in row.numbers],
        "enterprise": personal.shown(row.enterprise, full=full),
        "tickets": row.tickets,
        "open": row.open,
    }


def shown_history(history: History, *, full: bool) -> dict[str, Any]:
    """Calls and tickets of a record, as they are shown."""
    return {
        "events": [
            ("call" if isinstance(event, Call) else "ticket", at, personal.shown(event, full=full))
            for at, event in history.events
        ],
        "open": [personal.shown(ticket, full=full) for ticket in history.open],
        "rated": personal.shown(history.rated, full=full),
    }


def version_of(typed: str) -> int:
    """What was read when the form was opened. Raises Refused."""
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 10):
        raise Refused("error.input", field="version", name="version")
    return int(typed)


def id_of(typed: str) -> int:
    """An id in a form. Raises NotVisible."""
    if not (typed.isascii() and typed.isdecimal() and len(typed) < 19):
        raise NotVisible("no such record")
    return int(typed)


def undoable_until(session: Session, kind: merging.Kind, kept_id: int) -> datetime | None:
    """Until when the last merge can be undone; None: there is none."""
    log = merging.undoable(session, kind, kept_id, now())
    return log.at + merging.UNDONE_WITHIN if log else None


def _shown(record: CallerRecord, *, full: bool) -> dict[str, Any]:
    return {
        "person": personal.shown(record.caller, full=full),
        "numbers": [personal.shown(number, full=full) for number in record.numbers],
        "enterprise": personal.shown(record.enterprise, full=full),
        "doubles": [shown_row(row, full=full) for row in record.doubles],
        "history": shown_history(record.history, full=full),
    }


def _form(
    request: Request,
    caller_id: int,
    who: Viewer,
    status: int = 200,
    typed: Mapping[str, Any] | None = None,
    faults: Mapping[str, str] | None = None,
    *,
    theirs: bool = False,
) -> Response:
    with services(request).database.session() as session:
        record = parties.read_caller(session, who, caller_id)
        context = _shown(record, full=personal.sees_caller(session, who, record.caller))
    person, enterprise = context["person"], context["enterprise"]
    stored = {name: getattr(person, name, "") for name in (*CALLER_FIELDS, "tags", "version")}
    stored |= {"uscc": enterprise.uscc if enterprise and enterprise.uscc else "", "drop": ()}
    return page(
        request,
        "callers_edit.html",
        status,
        values=stored | dict(typed or {}),
        faults=faults or {},
        theirs=theirs,
        **context,
    )


def _other(session: Session, typed: Mapping[str, str], policy: Policy) -> int:
    """Whom to merge. Raises Refused on `number`."""
    if typed.get("other"):
        return id_of(typed["other"])
    told = typed.get("number", "").strip()
    number = normalise(told, policy.area_code).number if told else None
    if number is None:
        raise Faulty({"number": "number" if told else "required"})
    found = record_of(session, number)
    if found is None:
        raise Faulty({"number": "no_such"})
    return found.id
