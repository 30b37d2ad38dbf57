"""All pages that a log-in is led to by their links, what they count, and whether anything in them tells of a
sealed case."""

import html
import re
from collections.abc import Iterable

import httpx

FIRST = ("/", "/day", "/notices/badge")  # and what these lead to
# Files, other people's sheets to print, what is about whoever asks; a notice that is opened counts as read.
NO_PAGE = re.compile(
    r"^/(static|call$|me\b|login|hotline-ca|knowledge|city|people)|^/notices/\d"
    r"|/(print|export|audio|edit|erasure|sessions)\b|\bdate=|^/journal\?"
)
COUNT = re.compile(r'data-count="(\w+)"[^>]*>\s*(\d+)|id="badge-(\w+)"[^>]*><span aria-hidden="true">(\d+)')
LINK = re.compile(r'href="(/[^"#]*)')
MATTER = re.compile(r"^/(tickets|calls|recordings|callers|enterprises|orders)/")


def turn_all(client: httpx.Client) -> dict[str, str]:
    """Address → text, of every page that she can get to by clicking."""
    found: dict[str, str] = {}
    ahead = list(FIRST)
    while ahead:
        address = ahead.pop()
        if address in found or NO_PAGE.search(address):
            continue
        answer = client.get(address, follow_redirects=True)
        assert answer.status_code == 200 or address in FIRST, f"{address}: {answer.status_code}"
        found[address] = answer.text
        ahead += map(html.unescape, LINK.findall(answer.text))
    return found


def counted(pages: dict[str, str]) -> set[tuple[str, ...]]:
    """Every number that counts matters, and every matter that a link leads to.

    Notices of other matters come when they are due: what those say is another question.
    """
    counts = {
        (address, *found)
        for address, text in pages.items()
        for found in COUNT.findall(text)
        if "notices" not in found
    }
    return counts | {(address,) for address in pages if MATTER.search(address)}


def telling(pages: dict[str, str], traces: Iterable[str]) -> list[tuple[str, str]]:
    """Where a page has what it must not have."""
    return [(address, trace) for address, text in pages.items() for trace in traces if trace in text]
