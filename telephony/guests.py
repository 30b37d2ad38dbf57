"""Where the calls from the public page are, asked of Asterisk as it stands."""

from collections.abc import Mapping
from typing import Any

from telephony.ami import AmiError, AmiLink

CALL_SECONDS = 1800  # no guest speaks longer: Asterisk counts from the queue on
_VISIT = "HOTLINE_VISIT="  # a channel variable that manager.conf adds to every event


def phases(link: AmiLink) -> dict[str, str]:
    """Visit → menu, waiting or talking. Empty when Asterisk cannot be asked."""
    try:
        rows = link.action("CoreShowChannels")
    except AmiError:
        return {}
    return {visit: phase(row) for row in rows if (visit := visit_of(row))}


def visit_of(row: Mapping[str, Any]) -> str:
    """The visit whose call this channel is; '' for all other channels."""
    variables = row.get("ChanVariable", [])
    told = variables if isinstance(variables, list) else [variables]
    return next((one.removeprefix(_VISIT) for one in told if one.startswith(_VISIT)), "")


def phase(row: Mapping[str, Any]) -> str:
    """In a bridge she speaks with somebody; before the queue there is the menu."""
    if row.get("BridgeId"):
        return "talking"
    return "menu" if row.get("Context") in ("from-guest", "hotline-inbound") else "waiting"
