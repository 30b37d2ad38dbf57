"""What a notice says. Of a sealed matter: that one awaits her, and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cases.notices import TEST, TO_CALLERS
from cases.notices_mine import Told
from routing.handling import Told as CallersText
from routing.policy import Policy
from storage.tables import Ticket

Say = Callable[..., str]  # a message catalogue of one language: key and values → words
OF = ("progress", "instruction", "supervision", "visit")  # whose deadline it is, if not the matter's own
LINES = 40  # in one message; more are counted


@dataclass(frozen=True, slots=True)
class Words:
    """One message: a subject that tells of no case, and the body."""

    subject: str
    text: str


def line(told: Told, policy: Policy, say: Say, language: str) -> str:
    """One notice in one sentence."""
    kind, ticket = told.notice.kind, told.ticket
    if kind == TEST or ticket is None:
        return say(f"notice.line.{kind}")
    if ticket.sealed:
        return say("notice.sealed")
    owed = told.order or ticket
    due, due_at = say("notice.no_due"), told.rung.due_at if told.rung else owed.due_at
    if due_at is not None:
        due = f"{due_at.astimezone(policy.zone):%Y-%m-%d %H:%M}"
        due += say("notice.provisional") if owed.due_provisional and due_at == owed.due_at else ""
    matter = policy.kind(ticket.kind).name.say(language)
    of = say(f"notice.of.{told.rung.subject_kind}") if told.rung and told.rung.subject_kind in OF else ""
    return say(f"notice.line.{kind}", number=ticket.number, due=due, matter=matter, of=of, unit=told.unit)


def letter(told: Sequence[Told], policy: Policy, say: Say, language: str, desk: str) -> Words:
    """For e-mail and chat: a line each, with the way to it; `desk`: the address of the pages, or ''."""
    lines = [
        f"· {line(each, policy, say, language)}{f' {desk}/notices/{each.notice.id}' if desk else ''}"
        for each in told[:LINES]
    ]
    if len(told) > LINES:
        lines.append(say("notice.more", n=len(told) - LINES))
    head = say("notice.subject", name=policy.name, n=len(told))
    return Words(head, "\n".join([head, *lines]))


def short(told: Sequence[Told], policy: Policy, say: Say, language: str) -> str:
    """For SMS: one line, or how many; no addresses, which carriers hold back."""
    if len(told) == 1:
        return line(told[0], policy, say, language)
    return say("notice.several", n=len(told))


def for_caller(
    kind: str,
    ticket: Ticket,
    policy: Policy,
    say: Say,
    language: str,
    line_name: str,
    unit: str,
    zone: ZoneInfo,
) -> str:
    """The policy's text for the caller, its date marked where it is provisional."""
    code: CallersText = TO_CALLERS[kind]  # type: ignore[assignment]
    template = policy.texts[code].say(language)
    date = f"{ticket.due_at.astimezone(zone):%Y-%m-%d}" if ticket.due_at else ""
    date += say("notice.provisional") if ticket.due_provisional else ""
    return template.format(number=ticket.number, date=date, line=line_name, unit=unit)
