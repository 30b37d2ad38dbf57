"""Telephone numbers as they arrive from Chinese trunks, made one form per subscriber.

`phonenumbers` knows the numbering plan; what it misreads of short numbers and trunk habits is settled
here first. A number's district is never guessed from a mobile.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

NumberKind = Literal["mobile", "fixed", "short", "service", "foreign", "staff", "withheld", "web", "unknown"]

CALLABLE: tuple[NumberKind, ...] = ("mobile", "fixed", "short", "service")  # whom we call: nobody abroad

_WITHHELD = {"", "anonymous", "unavailable", "unknown", "restricted", "private", "withheld", "id"}
_IP_PREFIX = re.compile(r"^(?:179\d\d|12593)(?=0?1[3-9]\d{9}$|0[1-9]\d{8,10}$)")  # cheap long-distance codes
_MOBILE = re.compile(r"^0?(1[3-9]\d{9})$")
_SERVICE = re.compile(r"^(?:106[5-9]\d{3,17}|[48]00\d{7})$")  # mass senders; 400 and 800 numbers
_SHORT = re.compile(r"^(?:1[0-2]\d{1,3}|9[56]\d{3,4})$")  # beyond those the library lists
_BEIJING = re.compile(r"^10\d{8}$")
_LOCAL = re.compile(r"^[2-8]\d{6,7}$")
_NO_AREA = "none"  # a stored number needs none


@dataclass(frozen=True, slots=True)
class Number:
    """`number` is E.164, or the bare short or service code, or None when nothing can be said.

    `raw` is what the trunk gave; empty when the caller withheld it, asserted or not. `display` is for people.
    """

    raw: str
    number: str | None
    kind: NumberKind
    display: str


def normalise(raw: str, area_code: str, withheld: bool = False) -> Number:
    """Read a calling or dialled number; `area_code` is the city's own, such as "0816"."""
    text = _bare(raw)
    if withheld or text.lower() in _WITHHELD:
        return Number("" if withheld else raw, None, "withheld", "")
    match = re.fullmatch(r"(\+|00)?(\d+)", text)
    if match is None:
        return Number(raw, None, "unknown", text)
    international, digits = bool(match[1]), match[2]
    if international and not digits.startswith("86"):
        return _foreign(raw, digits)
    return _chinese(raw, _national(digits, international), area_code)


def display(number: str | None) -> str:
    """A stored number for people; '' when there is none."""
    return normalise(number, _NO_AREA).display if number else ""


def _bare(raw: str) -> str:
    """Half width, without URI dress, spaces, dashes and brackets."""
    text = unicodedata.normalize("NFKC", raw).strip().strip('"<>')
    text = re.sub(r"^(?:tel|sips?):", "", text, flags=re.IGNORECASE)
    text = re.split(r"[;@]", text, maxsplit=1)[0]
    return re.sub(r"[\s\-‐-―−().·/]", "", text)


def _national(digits: str, international: bool) -> str:
    """Drop the country code and a long-distance carrier's prefix."""
    if digits.startswith("86") and (international or len(digits) >= 12):
        digits = digits[2:]
        # After +86 an area code has lost its 0; a mobile or a short number never had one.
        if not (
            digits.startswith("0") or _MOBILE.match(digits) or _is_short(digits) or _SERVICE.match(digits)
        ):
            digits = "0" + digits
    return _IP_PREFIX.sub("", digits)


def _chinese(raw: str, digits: str, area_code: str) -> Number:
    if mobile := _MOBILE.match(digits):
        plain = mobile[1]
        return Number(raw, f"+86{plain}", "mobile", f"{plain[:3]} {plain[3:7]} {plain[7:]}")
    if digits.startswith(area_code) and _is_short(digits.removeprefix(area_code)):
        digits = digits.removeprefix(area_code)
    if _is_short(digits) or _is_distant_short(digits):
        return Number(raw, digits, "short", digits)
    if _SERVICE.match(digits):
        return Number(raw, digits, "service", digits)
    if _LOCAL.match(digits):
        digits = area_code + digits
    return _fixed(raw, digits)


def _is_short(digits: str) -> bool:
    if _SHORT.match(digits):
        return True
    # The library's short numbers have no area code, nor are they longer than 96 + 4 digits.
    parsed = _parsed(digits) if 3 <= len(digits) <= 6 else None
    return parsed is not None and phonenumbers.is_valid_short_number_for_region(parsed, "CN")


def _is_distant_short(digits: str) -> bool:
    """Another city's 12345 or 96xxxx: it stays apart from ours, with its area code."""
    area = re.match(r"0(?:10|2\d|[3-9]\d\d)", digits)
    return area is not None and bool(_SHORT.match(digits[area.end() :]))


def _fixed(raw: str, digits: str) -> Number:
    parsed = _parsed(digits)
    if not digits.startswith("0") or parsed is None or not phonenumbers.is_valid_number(parsed):
        return Number(raw, None, "unknown", digits)
    area = re.match(r"0(?:10|2\d|[3-9]\d\d)", digits)
    display = f"{digits[: area.end()]}-{digits[area.end() :]}" if area else digits
    return Number(raw, phonenumbers.format_number(parsed, PhoneNumberFormat.E164), "fixed", display)


def _foreign(raw: str, digits: str) -> Number:
    parsed = _parsed("+" + digits)
    if parsed is None or not phonenumbers.is_valid_number(parsed):
        return Number(raw, None, "unknown", "+" + digits)
    return Number(
        raw,
        phonenumbers.format_number(parsed, PhoneNumberFormat.E164),
        "foreign",
        phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL),
    )


def _parsed(text: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, "CN")
    except NumberParseException:
        return None
