"""A unit's reply as it is typed: read, checked field by field, nothing of it thrown away."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cases.errors import Refused
from storage.tables import Ticket
from storage.work import SubOrder

FINDINGS = ("true", "partly", "untrue", "unclear")
SOLVED = ("yes", "partly", "no")
CONTACTED = ("phone", "visit", "message", "none")
LONGEST = 5000  # characters of a text

_TEXTS = ("account", "public_reply", "why_unsolved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`account` is for the office alone, `public_reply` for the caller. `contacted_at`: local, as typed."""

    account: str = ""
    public_reply: str = ""
    finding: str = ""
    solved: str = ""
    why_unsolved: str = ""
    out_of_remit: bool = False
    contacted_how: str = ""
    contacted_at: str = ""

    @classmethod
    def read(cls, typed: Mapping[str, str]) -> "Reply":
        """From a form's fields; those that are not a reply's are passed over."""
        known = {name: typed.get(name, "").strip() for name in cls.__slots__ if name != "out_of_remit"}
        return cls(**known, out_of_remit=bool(typed.get("out_of_remit")))


def leads(order: SubOrder) -> bool:
    """The unit that answers for the case: its reply is what the caller is told from."""
    return order.part == "lead" and order.parent_id is None


def checked(form: Reply, ticket: Ticket, order: SubOrder, zone: ZoneInfo, now: datetime) -> dict[str, object]:
    """The columns that the reply gives.

    Raises Refused with every fault at once: required, unknown, too_long, moment, later, before_it.
    """
    faults = {name: "too_long" for name in _TEXTS if len(getattr(form, name)) > LONGEST}
    for name, allowed in (("finding", FINDINGS), ("solved", SOLVED), ("contacted_how", CONTACTED)):
        if (value := getattr(form, name)) not in allowed:
            faults[name] = "unknown" if value else "required"
    needed = ["account"]
    if leads(order) and ticket.reply_wanted:
        needed.append("public_reply")
    if form.solved in ("partly", "no"):
        needed.append("why_unsolved")
    if form.contacted_how in ("phone", "visit", "message"):
        needed.append("contacted_at")
    faults |= {name: "required" for name in needed if not getattr(form, name)}
    at = _moment(form.contacted_at, zone)
    if form.contacted_at and (fault := _untimely(at, ticket, now)):
        faults["contacted_at"] = fault
    if faults:
        raise Refused(faults)
    said = {name: getattr(form, name) for name in Reply.__slots__}
    return said | {"contacted_at": at if form.contacted_how != "none" else None}


def _moment(typed: str, zone: ZoneInfo) -> datetime | None:
    try:
        at = datetime.fromisoformat(typed)
        return at if at.tzinfo else at.replace(tzinfo=zone)
    except ValueError:
        return None


def _untimely(at: datetime | None, ticket: Ticket, now: datetime) -> str:
    if at is None:
        return "moment"
    if at > now:
        return "later"
    # What is typed has no seconds.
    return "before_it" if at < ticket.created_at.replace(second=0, microsecond=0) else ""
