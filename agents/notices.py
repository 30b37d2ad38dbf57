"""A person's notices: the list and the counts in the rail, by which further ways she hears, what was lost."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from agents.tickets import form_fields
from agents.waiting import waiting
from cases import notice_settings, notices_mine, receipts
from cases.errors import NotVisible, Refused
from cases.notice_words import line
from cases.notices import GROUPS
from cases.permissions import Action
from storage.notices import NoticeSetting
from storage.viewer import Viewer
from web.login import needs, services, viewer
from web.render import look, page, translate

router = APIRouter()

Anybody = Annotated[Viewer, Depends(viewer)]
Keeper = Annotated[Viewer, Depends(needs(Action.MANAGE_PEOPLE))]


@router.get("/notices")
def notices_page(request: Request, who: Anybody, before: datetime | None = None) -> Response:
    """Hers, newest first; each leads to its matter."""
    if before is not None and before.tzinfo is None:
        before = before.replace(tzinfo=UTC)
    policy, say, language = services(request).policy, translate(request), look(request).language
    with services(request).database.session() as session:
        told = notices_mine.mine(session, who, before)
        rows = [(each, line(each, policy, say, language)) for each in told]
    full = len(rows) == notices_mine.LISTED
    older = f"/notices?before={told[-1].notice.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if full else ""
    return page(request, "notices.html", rows=rows, older=older, newest="/notices" if before else "")


@router.get("/notices/badge")
def badge(request: Request, who: Anybody) -> Response:
    """The counts in the rail: what waits behind each of its entries, and her unseen notices."""
    policy = services(request).policy
    with services(request).database.session() as session:
        counts: dict[str, int] = {"notices": notices_mine.unseen(session, who)}
        for key, count in waiting(session, who, policy).items():
            place = key.partition(".")[0]
            counts[place] = counts.get(place, 0) + count
    return page(request, "notices_badge.html", counts=counts)


@router.post("/notices/seen")
def see_all(request: Request, who: Anybody) -> Response:
    """All are read."""
    with services(request).database.session() as session:
        notices_mine.see_all(session, who, datetime.now(UTC))
    return RedirectResponse("/notices", status_code=303)


@router.get("/notices/lost")
def lost_page(request: Request, who: Keeper) -> Response:
    """Messages that failed, or that may have; of whom and why, never of what."""
    say = translate(request)
    with services(request).database.session() as session:
        rows = [(each, _why(say, each.error)) for each in receipts.lost(session, who)]
    return page(request, "notices_lost.html", rows=rows)


def _why(say: Any, code: str) -> str:
    key = f"receipt.error.{code}"
    return str(say(key) if say.has(key) else say("receipt.error.other", code=code))


@router.post("/notices/lost/{receipt_id}/again")
def send_again(request: Request, receipt_id: int, who: Keeper) -> Response:
    """Once more, knowingly."""
    with services(request).database.session() as session:
        receipts.send_again(session, who, receipt_id, datetime.now(UTC))
    return RedirectResponse("/notices/lost", status_code=303)


@router.post("/notices/lost/{receipt_id}/settle")
def settle(request: Request, receipt_id: int, who: Keeper) -> Response:
    """It was seen to."""
    with services(request).database.session() as session:
        receipts.settle(session, who, receipt_id, datetime.now(UTC))
    return RedirectResponse("/notices/lost", status_code=303)


@router.get("/notices/{notice_id}")
def open_notice(request: Request, notice_id: int, who: Anybody) -> Response:
    """Marks it read and goes where it leads."""
    with services(request).database.session() as session:
        told = notices_mine.see(session, who, notice_id, datetime.now(UTC))
        there = f"/tickets/{told.ticket.number}" if told.opens and told.ticket else "/notices"
    return RedirectResponse(there, status_code=303)


# -- her own page ------------------------------------------------------------------------------------


@router.get("/me/notices")
def mine_page(request: Request, who: Anybody) -> Response:
    """By which further ways she hears, and when."""
    return _mine(request, who)


@router.get("/me/notices/{channel}")
def way_page(request: Request, channel: str, who: Anybody) -> Response:
    """One of them, to be set up or changed."""
    with services(request).database.session() as session:
        form = _form(notice_settings.mine(session, who).get(channel))
    return _way(request, channel, form)


@router.post("/me/notices/{channel}")
def save(
    request: Request,
    channel: str,
    who: Anybody,
    typed: Annotated[dict[str, str], Depends(form_fields)],
) -> Response:
    """A fault gives the form back with every word still in it."""
    form = notice_settings.Form(
        address=typed.get("address", ""),
        secret=typed.get("secret", ""),
        from_=typed.get("from_", ""),
        to=typed.get("to", ""),
        days=_chosen(typed, "day_", "1234567"),
        digest=typed.get("digest", ""),
        digest_at=typed.get("digest_at", ""),
        kinds=_chosen(typed, "kind_", GROUPS),
    )
    at, now = services(request), datetime.now(UTC)
    try:
        with at.database.session() as session:
            notice_settings.save(session, who, channel, form, at.ways, at.policy, now)
    except Refused as refused:
        return _way(request, channel, form, refused.faults)
    return _mine(request, who, done="saved")


@router.post("/me/notices/{channel}/remove")
def remove(request: Request, channel: str, who: Anybody) -> Response:
    """This way no more."""
    with services(request).database.session() as session:
        notice_settings.remove(session, who, channel)
    return RedirectResponse("/me/notices", status_code=303)


@router.post("/me/notices/{channel}/test")
def test(request: Request, channel: str, who: Anybody) -> Response:
    """A notice by this way, to see whether it arrives."""
    try:
        with services(request).database.session() as session:
            notice_settings.test(session, who, channel, datetime.now(UTC))
    except Refused as refused:
        return _mine(request, who, fault=refused.faults["channel"])
    return _mine(request, who, done="tested")


def _mine(request: Request, who: Viewer, *, done: str = "", fault: str = "") -> Response:
    with services(request).database.session() as session:
        settings = notice_settings.mine(session, who)
    ways = [
        (channel, channel in settings, _form(settings.get(channel)))
        for channel in services(request).ways.channels
    ]
    return page(request, "notices_mine.html", 422 if fault else 200, ways=ways, done=done, fault=fault)


def _way(
    request: Request, channel: str, form: notice_settings.Form, faults: Mapping[str, str] | None = None
) -> Response:
    if channel not in services(request).ways.channels:
        raise NotVisible(f"no way {channel}")
    status = 422 if faults else 200
    shown: dict[str, Any] = {"channel": channel, "form": form, "faults": faults or {}, "groups": GROUPS}
    shown["hosts"] = "、".join(services(request).ways.hosts)
    return page(request, "notices_way.html", status, **shown)


def _form(setting: NoticeSetting | None) -> notice_settings.Form:
    """What is stored, as it is typed; nothing is: working hours."""
    if setting is None:
        return notice_settings.Form(from_="08:00", to="18:00", days=tuple("12345"))
    return notice_settings.Form(
        address=setting.address,
        from_=_clock(setting.from_minute),
        to=_clock(setting.to_minute),
        days=tuple(setting.days),
        digest=setting.digest,
        digest_at=_clock(setting.digest_minute),
        kinds=tuple(setting.kinds),
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _chosen(typed: Mapping[str, str], prefix: str, among: str | tuple[str, ...]) -> tuple[str, ...]:
    """Check boxes that were ticked; a browser sends no others."""
    return tuple(each for each in among if typed.get(f"{prefix}{each}"))
