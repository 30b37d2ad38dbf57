"""Calling the shift leader into a call: her phone rings, and when she answers all three hear each other."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from cases import duty, offers
from cases.duty import Duty
from cases.permissions import Action
from storage.staff import Person
from storage.tables import Call
from storage.viewer import Role, Viewer
from telephony.ami import AmiError, AmiLink
from telephony.channels import Channels, is_callers
from web.answers import AWAY
from web.faults import Refused
from web.login import needs, services
from web.render import translate

router = APIRouter()
RING_SECONDS = 20


@router.post("/desk/calls/{call_id}/leader", responses=AWAY)
def call_leader(
    request: Request, who: Annotated[Viewer, Depends(needs(Action.TAKE_CALLS))], call_id: str
) -> dict[str, str]:
    """Rings the first shift leader whose phone is free, for who is on the call; it goes on meanwhile."""
    at, t = services(request), translate(request)
    with at.database.session() as session:
        call = offers.read_call(session, who, call_id).call
        own = session.get_one(Person, who.person_id).endpoint or ""
        leaders = [
            (each, session.get_one(Person, each.person_id).endpoint or "")
            for each in duty.duties(session)
            if each.role is Role.SHIFT_LEADER and each.person_id != who.person_id
        ]
    if at.ami is None:
        raise Refused("desk.ami_away", status=503)
    try:
        channel = caller_channel(at.ami, call.id, own)
        leader = _free(at.ami, leaders)
        if leader is None:
            raise Refused("desk.no_leader", status=409)
        _ring(at.ami, leader[1], call, channel, f"{who.name} → {call.line}")
    except AmiError as error:
        raise Refused("desk.ami_away", status=503) from error
    return {"message": t("desk.leader_called", name=leader[0].name)}


def _free(link: AmiLink, leaders: list[tuple[Duty, str]]) -> tuple[Duty, str] | None:
    """Those who are on duty before those who merely have a phone on."""
    for leader, endpoint in sorted(leaders, key=lambda pair: pair[0].wanted == "off"):
        state = link.action("Getvar", Variable=f"DEVICE_STATE(PJSIP/{endpoint})")[0]
        if state.get("Value") == "NOT_INUSE":
            return leader, endpoint
    return None


def caller_channel(link: AmiLink, call_id: str, endpoint: str) -> str:
    """The caller's own channel. Raises Refused when the call is over or this phone is not in it."""
    rows = link.action("CoreShowChannels")
    names = (str(row.get("Channel")) for row in rows if row.get("AccountCode") == call_id)
    channel = next(filter(is_callers, names), None)
    if channel is None:
        raise Refused("desk.call_over", status=409)
    channels = Channels()
    for row in rows:
        channels.apply(row)
    if not endpoint or channels.call_at(endpoint) != call_id or channels.rings_at(endpoint):
        raise Refused("desk.not_on_it", status=409)
    return channel


def _ring(link: AmiLink, endpoint: str, call: Call, channel: str, shown: str) -> None:
    """As the queue rings an agent: with the token that lets her see whom she is called in to help."""
    link.action(
        "Originate",
        Channel=f"PJSIP/{endpoint}",
        Context="hotline-barge",
        Exten="s",
        Priority="1",
        Timeout=str(RING_SECONDS * 1000),
        CallerID=shown,
        Async="true",
        Variable=[
            f"HOTLINE_BARGE={channel}",
            f"PJSIP_HEADER(add,X-Hotline-Call)={call.id}",
            f"PJSIP_HEADER(add,X-Hotline-Offer)={call.offer_token}",
        ],
    )
