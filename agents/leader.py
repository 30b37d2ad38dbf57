"""Calling the shift leader into a call: her phone rings, and when she answers all three hear each other."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from cases import duty, offers
from cases.duty import Duty
from cases.permissions import Action
from storage.tables import Person
from storage.viewer import Role, Viewer
from telephony.ami import AmiError, AmiLink
from telephony.channels import is_callers
from web.faults import Refused
from web.login import needs, services
from web.render import translate

router = APIRouter()
RING_SECONDS = 20


@router.post("/desk/calls/{call_id}/leader")
def call_leader(
    request: Request, who: Annotated[Viewer, Depends(needs(Action.TAKE_CALLS))], call_id: str
) -> dict[str, str]:
    """Rings the first shift leader whose phone is free; the call goes on meanwhile."""
    at, t = services(request), translate(request)
    with at.database.session() as session:
        call = offers.read_call(session, who, call_id).call
        leaders = [
            (each, session.get_one(Person, each.person_id).endpoint or "")
            for each in duty.duties(session)
            if each.role is Role.SHIFT_LEADER and each.person_id != who.person_id
        ]
    if at.ami is None:
        raise Refused("desk.ami_away", status=503)
    try:
        leader = _free(at.ami, leaders)
        if leader is None:
            raise Refused("desk.no_leader", status=409)
        _ring(at.ami, leader[1], call.id, caller_channel(at.ami, call.id), f"{who.name} → {call.line}")
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


def caller_channel(link: AmiLink, call_id: str) -> str:
    """The caller's own channel. Raises Refused when the call is over."""
    for channel in link.action("CoreShowChannels"):
        if channel.get("AccountCode") == call_id and is_callers(str(channel.get("Channel"))):
            return str(channel["Channel"])
    raise Refused("desk.call_over", status=409)


def _ring(link: AmiLink, endpoint: str, call_id: str, channel: str, shown: str) -> None:
    link.action(
        "Originate",
        Channel=f"PJSIP/{endpoint}",
        Context="hotline-barge",
        Exten="s",
        Priority="1",
        Timeout=str(RING_SECONDS * 1000),
        CallerID=shown,
        Async="true",
        Variable=[f"HOTLINE_BARGE={channel}", f"PJSIP_HEADER(add,X-Hotline-Call)={call_id}"],
    )
