"""Whose name and number somebody is shown: this module decides, and templates get what it lets through.

In full for whoever holds SEE_PERSONAL over that very call or ticket, and for whoever has its caller at her
ear; masked for everybody else, until she asks for that one thing (SHOW_PERSONAL), which is journalled.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import journal
from cases.errors import NotAllowed, NotVisible
from cases.lab import incoming_call
from cases.offers import Pop
from cases.permissions import Action, Scope, cell, demand, may, rule
from cases.ticket_form import TicketForm
from cases.visible import reaches, visible_calls, visible_tickets
from storage.parties import Caller, CallerNumber, Enterprise
from storage.staff import PersonDuty
from storage.tables import Call, CallStep, Ticket
from storage.viewer import Viewer

HIDDEN = "****"
SHORTEST_NUMBER = 7  # digits; what is shorter is a service or a colleague

_NUMBER = re.compile(
    r"(?<!\d)(?:"
    r"(?:\+?86[-\s]?)?1[3-9]\d[-\s]?\d{4}[-\s]?\d{4}"  # mobile
    r"|\(?0\d{2,3}\)?[-\s]?[2-9]\d{6,7}"  # with an area code
    r"|\d{17}[\dXx]"  # identity card
    r"|(?<=电话)[:：]?\s?[2-8]\d{6,7}"
    r"|\+(?!86)\d[\d\s-]{7,16}\d"  # abroad
    r")(?!\d)"
)
_LEFT_ALONE = re.compile(r"\*\*|…$")  # nobody types this into a name or number
_DISTRICT = re.compile(r".*?(?:[区县市镇乡]|新城)")


# -- masks ------------------------------------------------------------------------------------------


def mask_number(number: str) -> str:
    """138****5678; short codes and extensions are nobody's and stay."""
    plain = number.removeprefix("+86")
    digits = re.sub(r"\D", "", plain if plain == number or plain[:1] == "1" else f"0{plain}")
    if len(digits) < SHORTEST_NUMBER:
        return number
    head, tail = (3, 4) if len(digits) >= 11 else (2, 2)
    return f"{digits[:head]}{HIDDEN}{digits[-tail:]}"


def mask_name(name: str) -> str:
    """王**"""
    return f"{name.strip()[:1]}**" if name.strip() else ""


def mask_company(company: str) -> str:
    """The first two characters."""
    return f"{company.strip()[:2]}**" if company.strip() else ""


def mask_place(place: str) -> str:
    """The district, without street and house."""
    found = _DISTRICT.match(place)
    kept = found[0] if found else place[:2]
    return kept if kept == place else f"{kept}…"


def mask_uscc(code: str) -> str:
    """91****341L"""
    return f"{code[:2]}{HIDDEN}{code[-4:]}"


def mask_text(text: str, names: Iterable[str] = ()) -> str:
    """A text whose numbers are masked, and the `names` too."""
    for name in names:
        if len(name) > 1:
            text = text.replace(name, mask_name(name))
    return _NUMBER.sub(lambda found: mask_number(found[0]), text)


_Mask = Callable[[Any, str], str]


def _by(mask: Callable[[str], str]) -> _Mask:
    return lambda _row, value: mask(value)


def _told(row: Any, text: str) -> str:
    return mask_text(text, _names(row))


def _names(row: Any) -> tuple[str, ...]:
    match row:
        case Ticket():
            return (row.caller_name,)
        case Caller():
            return (row.name,)
        case Enterprise():
            return (row.contact_name, row.name)
    return ()


_TICKET: Mapping[str, Callable[[str], str]] = {
    "caller_name": mask_name,
    "contact_number": mask_number,
    "company": mask_company,
    "uscc": mask_uscc,
    "place": mask_place,
}
_TEXTS = ("accused", "title", "content", "answer")
_MASKS: Mapping[type, Mapping[str, _Mask]] = {
    Call: {"number": _by(mask_number), "number_raw": _by(mask_number), "closed_note": _told},
    Caller: {"name": _by(mask_name), "company": _by(mask_company), "place": _by(mask_place), "note": _told},
    CallerNumber: {"number": _by(mask_number)},
    CallStep: {"number": _by(mask_number)},
    Enterprise: {
        "name": _by(mask_company),
        "uscc": _by(mask_uscc),
        "place": _by(mask_place),
        "contact_name": _by(mask_name),
        "contact_number": _by(mask_number),
        "note": _told,
    },
    Ticket: {
        **{field: _by(mask) for field, mask in _TICKET.items()},
        "calling_number": _by(mask_number),
        **dict.fromkeys(_TEXTS, _told),
    },
}


class Masked:
    """A row as it is shown to those who need no more: reads like the row, without what is personal."""

    __slots__ = ("_row",)

    def __init__(self, row: object) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._row, name)
        mask = _MASKS[type(self._row)].get(name)
        return mask(self._row, value) if mask and value else value


def shown(row: Any, *, full: bool) -> Any:
    """The row (a call, caller or one of her numbers, enterprise, step, ticket; or None) as it is shown."""
    return row if full or row is None else Masked(row)


def shown_pop(pop: Pop, *, full: bool) -> Pop:
    """All of a call's record as the viewer is shown it."""
    if full:
        return pop
    hide: Callable[[Any], Any] = partial(shown, full=False)
    return replace(
        pop,
        call=hide(pop.call),
        caller=hide(pop.caller),
        number_display=mask_number(pop.call.number or ""),
        earlier_calls=[hide(each) for each in pop.earlier_calls],
        tickets=[hide(each) for each in pop.tickets],
        open_tickets=[hide(each) for each in pop.open_tickets],
    )


def telling(ticket: Ticket, *, full: bool) -> Callable[[str], str]:
    """How the texts about a ticket's case are shown: replies, accounts, grounds, notes."""
    return str if full else partial(mask_text, names=(ticket.caller_name,))


def unmasked(typed: str, before: str, ticket: Ticket) -> str:
    """A text about the case that was typed over a masked one: what the mask hid is put back."""
    return _unmask(typed, before, ticket.caller_name)


# -- forms over masked values -----------------------------------------------------------------------


def over_ticket(session: Session, viewer: Viewer, number: str, form: TicketForm) -> TicketForm:
    """A form filled in over a masked ticket; where a mask was left alone, what is stored is put back."""
    ticket = session.scalar(visible_tickets(viewer).where(Ticket.number == number))
    if ticket is None:
        return form
    return _over(form, {field: getattr(ticket, field) for field in (*_TICKET, *_TEXTS)})


def over_call(session: Session, viewer: Viewer, call_id: str, form: TicketForm) -> TicketForm:
    """The same of a call's new form, which begins with what is known of its caller."""
    call = session.scalar(visible_calls(viewer).where(Call.id == call_id))
    if call is None:
        return form
    caller = session.get(Caller, call.caller_id) if call.caller_id is not None else None
    known = {"contact_number": call.number or ""}
    if caller is not None:
        known |= {"caller_name": caller.name, "company": caller.company, "place": caller.place}
    return _over(form, known)


def _over(form: TicketForm, stored: Mapping[str, str]) -> TicketForm:
    name = stored.get("caller_name", "")
    put_back: dict[str, Any] = {}
    for field, before in stored.items():
        typed, text = getattr(form, field), field in _TEXTS
        masked = mask_text(before, [name]) if text else _TICKET[field](before)
        if text:
            put_back[field] = before if typed == masked else _unmask(typed, before, name)
        else:  # a mask of what stood there before somebody else changed it is nobody's word either
            put_back[field] = before if typed == masked or _LEFT_ALONE.search(typed) else typed
    return replace(form, **put_back)


def over_record(record: Caller | Enterprise, typed: Mapping[str, str]) -> dict[str, str]:
    """A form filled in over a masked record; where a mask was left alone, what is stored is put back."""
    masked, put = Masked(record), {}
    for field, text in ((name, value.strip()) for name, value in typed.items()):
        before = getattr(record, field) or ""
        untouched = text == (getattr(masked, field) or "") or (field != "note" and _LEFT_ALONE.search(text))
        put[field] = before if untouched else _unmask(text, before, _names(record)[0])
    return put


def _unmask(typed: str, before: str, name: str) -> str:
    """What the masks hid in a text, put back in its order."""
    for found in _NUMBER.finditer(before):
        typed = typed.replace(mask_number(found[0]), found[0], 1)
    return typed.replace(mask_name(name), name) if len(name) > 1 and name in before else typed


# -- who sees ---------------------------------------------------------------------------------------


def sees_call(session: Session, viewer: Viewer, call: Call) -> bool:
    """Names and numbers of this call in full, at once."""
    return reaches(session, viewer, Action.SEE_PERSONAL, call) or call is _at_her_ear(session, viewer)


def sees_ticket(session: Session, viewer: Viewer, ticket: Ticket) -> bool:
    """Names and numbers of this ticket in full, at once; also while its caller speaks with her."""
    if reaches(session, viewer, Action.SEE_PERSONAL, ticket):
        return True
    live = _at_her_ear(session, viewer)
    if live is None:
        return False
    same_number = live.number is not None and live.number in (ticket.calling_number, ticket.contact_number)
    return same_number or (live.caller_id is not None and live.caller_id == ticket.caller_id)


def may_show(session: Session, viewer: Viewer, thing: Call | Ticket) -> bool:
    """Whether she could ask to see it in full."""
    return may(viewer, Action.SHOW_PERSONAL) and reaches(session, viewer, Action.SHOW_PERSONAL, thing)


def show(session: Session, viewer: Viewer, thing: Call | Ticket) -> None:
    """She asks to see this one in full, which is journalled. Raises NotAllowed, NotVisible."""
    demand(viewer, Action.SHOW_PERSONAL)
    if not may_show(session, viewer, thing):
        raise NotVisible("not within her scope")
    kind = "call" if isinstance(thing, Call) else "ticket"
    allowed = rule(viewer, Action.SHOW_PERSONAL, sealed=thing.sealed)
    journal.append(session, viewer, "personal.shown", kind, thing.id, rule=allowed)


def sees_caller(session: Session, viewer: Viewer, caller: Caller) -> bool:
    """A caller's record in full, at once: while she rings at the viewer's phone or speaks with her."""
    live = _at_her_ear(session, viewer)
    return live is not None and live.caller_id == caller.id


def may_show_record(viewer: Viewer) -> bool:
    """Whether she could ask to see a caller's or an enterprise's record in full."""
    return cell(viewer.role, Action.SHOW_PERSONAL).ordinary is Scope.ALL


def show_record(session: Session, viewer: Viewer, record: Caller | Enterprise, act: str = "shown") -> None:
    """She asks to see this record in full, which is journalled. Raises NotAllowed."""
    demand(viewer, Action.SHOW_PERSONAL)
    if not may_show_record(viewer):
        raise NotAllowed("records are within no scope of hers")
    kind = record.__tablename__
    allowed = rule(viewer, Action.SHOW_PERSONAL)
    journal.append(session, viewer, f"personal.{act}", kind, record.id, rule=allowed)


def _at_her_ear(session: Session, viewer: Viewer) -> Call | None:
    """The call that rings at her phone or that she speaks in, as Asterisk sees it."""
    duty = select(PersonDuty.live_call_id).where(PersonDuty.person_id == viewer.person_id)
    live = select(Call).where(Call.id == duty.scalar_subquery(), Call.outcome == "live")
    return session.scalar(live.where(incoming_call()))  # whom we call, we call without being shown her number
