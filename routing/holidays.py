"""The State Council's yearly notice on holidays, read from a table or from its own words.

A table has a day or a span, whether it works, and a name: `2027-01-01~2027-01-03,休,元旦`. The notice
itself says `一、元旦：1月1日至3日放假。` and `2月6日上班。`; its heading tells the year.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

_WORKS = {"班": True, "上班": True, "works": True, "work": True, "yes": True, "1": True, "true": True}
_WORKS |= {"休": False, "放假": False, "off": False, "no": False, "0": False, "false": False}
_FULL = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_SPAN = re.compile(r"\s*(?:~|～|至|到|–|—|\.\.)\s*")
_SAID = re.compile(r"(?:(\d{4})年)?(?:(\d{1,2})月)?(\d{1,2})日")
_ASIDE = re.compile(r"（[^）]*）|\([^)]*\)")
_HEADING = re.compile(r"(\d{4})年")
_ITEM = re.compile(r"^\s*[一二三四五六七八九十]+、\s*")
LONGEST_SPAN = 31  # days; a longer holiday is a slip of the pen


@dataclass(frozen=True, slots=True)
class Listed:
    day: date
    works: bool
    name: str

    @property
    def differs(self) -> bool:
        """From Monday to Friday."""
        return self.works != (self.day.weekday() < 5)


@dataclass(frozen=True, slots=True)
class Bad:
    """`line` from 1; `fault`: no_date, no_word (neither 休 nor 班), span (too long, or backwards), twice."""

    line: int
    text: str
    fault: Literal["no_date", "no_word", "span", "twice"]


class NoSuchDayError(ValueError):
    """`fault` as in Bad."""

    def __init__(self, fault: Literal["no_date", "no_word", "span"]) -> None:
        super().__init__(fault)
        self.fault = fault


def read(text: str) -> tuple[list[Listed], list[Bad]]:
    """All days of a notice, by date, and the lines that cannot be read. Other lines are passed over."""
    found: dict[date, Listed] = {}
    bad: list[Bad] = []
    year: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        try:
            days = list(_row(line) or _sentences(line, year))
        except NoSuchDayError as why:
            bad.append(Bad(number, line.strip(), why.fault))
            continue
        if heading := _HEADING.search(line):
            year = int(heading[1])
        if any(found.get(each.day, each).works != each.works for each in days):
            bad.append(Bad(number, line.strip(), "twice"))
        found |= {each.day: each for each in days}
    return sorted(found.values(), key=lambda each: each.day), bad


# -- a table ------------------------------------------------------------------------------------------


def _row(line: str) -> list[Listed]:
    """A line of a table; none for one that is not. Raises NoSuchDayError."""
    fields = [field.strip().strip('"') for field in re.split(r"[,\t，;；]", line.strip().lstrip("\ufeff"))]
    begins = _FULL.match(fields[0])
    if not begins or (len(fields) == 1 and "日" in line):
        if len(fields) > 1 and fields[1].lower() in _WORKS:
            raise NoSuchDayError("no_date")
        return []
    if len(fields) < 2 or fields[1].lower() not in _WORKS:
        if "放假" in line or "上班" in line:
            return []
        raise NoSuchDayError("no_word")
    ends = [_day(_FULL.fullmatch(each)) for each in _SPAN.split(fields[0], maxsplit=1)]
    name = fields[2] if len(fields) > 2 else ""
    return [Listed(day, _WORKS[fields[1].lower()], name) for day in _between(ends[0], ends[-1])]


def _day(match: "re.Match[str] | None") -> date:
    if match is None:
        raise NoSuchDayError("no_date")
    return _date(*map(int, match.groups()))


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise NoSuchDayError("no_date") from None


def _between(first: date, last: date) -> Iterator[date]:
    if not 0 <= (last - first).days < LONGEST_SPAN:
        raise NoSuchDayError("span")
    for index in range((last - first).days + 1):
        yield first + timedelta(days=index)


# -- the notice in its own words ----------------------------------------------------------------------


def _sentences(line: str, year: int | None) -> Iterator[Listed]:
    """What a line of the notice says. Raises NoSuchDayError, as when no heading told the year."""
    name, _, rest = _ASIDE.sub("", line).partition("：")
    for sentence in re.split(r"[。；;]", rest):
        works = "上班" in sentence
        if works or "放假" in sentence:
            for day in _said(sentence, year):
                yield Listed(day, works, _ITEM.sub("", name).strip())


def _said(sentence: str, year: int | None) -> Iterator[date]:
    before: date | None = None
    ended, month = 0, None
    for match in _SAID.finditer(sentence):
        year = int(match[1]) if match[1] else year
        month = int(match[2]) if match[2] else month
        if year is None or month is None:
            raise NoSuchDayError("no_date")
        day = _date(year, month, int(match[3]))
        spans = before is not None and _SPAN.fullmatch(sentence[ended : match.start()])
        yield from list(_between(before, day))[1:] if spans and before else [day]
        before, ended = day, match.end()
