"""What is typed into a ticket: read, checked field by field, nothing of it thrown away."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from cases.errors import Refused
from routing import uscc
from routing.numbers import normalise
from routing.policy import Policy

_LONGEST = {"content": 20_000, "answer": 5_000}
_LONGEST_OTHER = 200
_TITLE = 40  # characters of the content that serve as a title when none is typed

CHANNELS = ("phone", "sms", "fax", "web", "letter")
URGENCIES = ("normal", "urgent", "critical")
SEXES = ("", "female", "male")


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketForm:
    """`choice`: a code of the kind's longer limits, or ''. `done`: answered at once, nothing is owed.

    `accused`: whom it is about, in the caller's words; `accused_unit`: that unit's code.
    `form_id` is the browser's name for this form: saving it twice saves one ticket.
    """

    kind: str
    content: str
    title: str = ""
    urgency: str = "normal"
    choice: str = ""
    caller_name: str = ""
    caller_sex: str = ""
    contact_number: str = ""
    company: str = ""
    uscc: str = ""
    place: str = ""
    category: str = ""
    accused: str = ""
    accused_unit: str = ""
    answer: str = ""
    channel: str = "phone"
    reply_wanted: bool = True
    sealed: bool = False
    done: bool = False
    form_id: str = ""

    @classmethod
    def read(cls, typed: Mapping[str, object]) -> "TicketForm":
        """From a web form's or draft's fields; those that are not a ticket's are passed over."""
        values: dict[str, object] = {"kind": "", "content": ""}
        for field in fields(cls):
            if isinstance(field.default, bool):
                values[field.name] = _ticked(typed.get(field.name))
            elif field.name in typed:
                values[field.name] = str(typed[field.name] or "").strip()
        return cls(**values)  # type: ignore[arg-type]


def check(form: TicketForm, policy: Policy, category: str = "") -> None:
    """Raises Refused with every fault at once: required, unknown, other_kind, too_long, number, a code's.

    `category`: what stands there already, which may stay: a text of before there was a list.
    """
    faults = _too_long(form)
    known = {kind.code: kind for kind in policy.kinds}
    if not form.content:
        faults["content"] = "required"
    if form.kind not in known:
        faults["kind"] = "unknown" if form.kind else "required"
    elif form.choice and form.choice not in known[form.kind].longer:
        faults["choice"] = "unknown"
    if form.category not in ("", category, *(each.code for each in policy.categories_of(form.kind))):
        faults["category"] = "other_kind" if policy.category_way(form.category) else "unknown"
    for field_name, allowed in (("urgency", URGENCIES), ("caller_sex", SEXES), ("channel", CHANNELS)):
        if getattr(form, field_name) not in allowed:
            faults[field_name] = "unknown"
    if form.contact_number and contact(form, policy) is None:
        faults["contact_number"] = "number"
    if form.uscc and (wrong := code_fault(form.uscc)):
        faults["uscc"] = wrong
    if faults:
        raise Refused(faults)


def contact(form: TicketForm, policy: Policy) -> str | None:
    """The number to call back, normalised."""
    return normalise(form.contact_number, policy.area_code).number if form.contact_number else None


def code_fault(typed: str) -> str:
    """What is wrong with an enterprise's code: a fault's code, after a colon what its message has to name."""
    wrong = uscc.fault(uscc.normalise(typed))
    if wrong is None:
        return ""
    return f"uscc_{wrong.code}:{wrong.at if wrong.code in ('character', 'region') else wrong.right}"


def title_of(form: TicketForm) -> str:
    """What was typed, else the content's first words."""
    first = form.content.strip().splitlines()[0] if form.content.strip() else ""
    return form.title or (first if len(first) <= _TITLE else first[: _TITLE - 1] + "…")


def _too_long(form: TicketForm) -> dict[str, str]:
    texts = {each.name: getattr(form, each.name) for each in fields(form)}
    return {
        name: "too_long"
        for name, text in texts.items()
        if isinstance(text, str) and len(text) > _LONGEST.get(name, _LONGEST_OTHER)
    }


def _ticked(value: object) -> bool:
    return value in (True, "on", "true", "1", "yes")
