"""Why something is due when it is, as text that is kept beside the deadline and can be reckoned anew.

    help complex - land 30 calendar_days since 2026-02-13T02:00:00+00:00 + 15 working_days

Kind, choice, urgency and category come first if it is a ticket's ("-": none had a say), then the limit, the
moment that it began, and what it was extended by. Older ones have neither category nor beginning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self
from zoneinfo import ZoneInfo

from routing.terms import Hours, Limit, Unit
from routing.working_time import Calendar, Due, due

_SINCE = " since "
_MORE = " + "
_NONE = "-"


@dataclass(frozen=True, slots=True)
class Span:
    """`hours`: whose opening hours count, '' unless they do."""

    amount: int
    unit: Unit
    hours: str = ""

    @classmethod
    def of(cls, limit: Limit) -> Self:
        return cls(limit.amount, limit.unit, limit.hours or "")

    @classmethod
    def read(cls, amount: str, unit: str) -> Self:
        name, _, hours = unit.partition("@")
        return cls(int(amount), Unit(name), hours)

    def __str__(self) -> str:
        return f"{self.amount} {self.unit.value}" + (f"@{self.hours}" if self.hours else "")

    def due(self, since: datetime, calendar: Calendar, zone: ZoneInfo, hours: Mapping[str, Hours]) -> Due:
        """Raises KeyError for hours that are not the policy's."""
        open_hours = hours[self.hours] if self.hours else None
        return due(since, self.amount, self.unit, calendar, zone, open_hours)


@dataclass(frozen=True, slots=True)
class Rule:
    """`spans`: the limit, and each extension after it. Empty codes: nothing of the kind had a say."""

    spans: tuple[Span, ...]
    since: datetime | None = None
    kind: str = ""
    choice: str = ""
    urgency: str = ""
    category: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ValueError for what is no rule."""
        first, *more = text.split(_MORE)
        said, _, since = first.partition(_SINCE)
        *why, amount, unit = said.split()
        codes = ["" if code == _NONE else code for code in why]
        if len(codes) not in (0, 3, 4):
            raise ValueError(f"no rule: {text}")
        return cls(
            (Span.read(amount, unit), *(Span.read(*span.split()) for span in more)),
            datetime.fromisoformat(since) if since else None,
            *codes,
        )

    def __str__(self) -> str:
        why = [code or _NONE for code in (self.kind, self.choice, self.urgency, self.category)]
        first = [*(why if self.kind else ()), str(self.spans[0])]
        since = f"{_SINCE}{self.since.isoformat()}" if self.since else ""
        return " ".join(first) + since + "".join(f"{_MORE}{span}" for span in self.spans[1:])

    def extended(self, by: Limit) -> Self:
        return replace(self, spans=(*self.spans, Span.of(by)))

    def counts_from(self, zone: ZoneInfo) -> date | datetime | None:
        """What of its beginning has a say in its end: of a limit in days the day alone."""
        by_day = self.since is not None and self.spans[0].unit in (Unit.CALENDAR_DAYS, Unit.WORKING_DAYS)
        return self.since.astimezone(zone).date() if self.since and by_day else self.since

    def due(self, calendar: Calendar, zone: ZoneInfo, hours: Mapping[str, Hours]) -> Due:
        """When it ends: each span counts from the end of the one before. Raises ValueError, KeyError."""
        if self.since is None:
            raise ValueError("it is not known since when")
        at, provisional = self.since, False
        for span in self.spans:
            ends = span.due(at, calendar, zone, hours)
            at, provisional = ends.at, provisional or ends.provisional
        return Due(at, provisional, str(self))
