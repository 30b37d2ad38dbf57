"""Acts on an agent's place in the queues, over the AMI link. Each may be repeated without harm.

All raise AmiDown when the telephone system cannot be reached (the wish is kept by cases/duty.py and
applied later by telephony/reconcile.py), AmiTimeout, or AmiRefused with Asterisk's own words.
"""

from collections.abc import Iterable

from cases import lab
from telephony.ami import AmiLink, AmiRefused

_HARMLESS = ("Already there", "Not there", "Interface not found")


def wish(
    link: AmiLink, endpoint: str, person_id: int, queues: Iterable[str], wanted: str, reason: str, live: str
) -> None:
    """Make it so that the agent is off, ready or paused, as she said.

    During a call and its wrap-up her pause is the wrap-up's: what she said then is applied after it.
    """
    queues = lab.queues_of(endpoint, queues)
    if wanted == "off":
        leave(link, endpoint, queues)
        return
    enter(link, endpoint, person_id, queues, paused_for=reason if wanted == "paused" else "")
    if live in ("talking", "wrapup"):
        return
    if wanted == "paused":
        pause(link, endpoint, reason)
    else:
        resume(link, endpoint)


def end_wrapup(link: AmiLink, endpoint: str, wanted: str, reason: str) -> None:
    """The agent has done with the call: available again, or paused if that is what she wants."""
    if wanted == "paused":
        pause(link, endpoint, reason)
    else:
        resume(link, endpoint)


def enter(link: AmiLink, endpoint: str, person_id: int, queues: Iterable[str], paused_for: str = "") -> None:
    """Join the queues, paused if a reason is given. Where she is a member already, nothing changes."""
    paused = {"Paused": "true", "Reason": paused_for} if paused_for else {"Paused": "false"}
    for queue in queues:
        _do(
            link,
            "QueueAdd",
            Queue=queue,
            Interface=_interface(endpoint),
            StateInterface=_interface(endpoint),
            MemberName=str(person_id),
            **paused,
        )


def leave(link: AmiLink, endpoint: str, queues: Iterable[str]) -> None:
    """Leave the queues. A call under way goes on."""
    for queue in queues:
        _do(link, "QueueRemove", Queue=queue, Interface=_interface(endpoint))


def pause(link: AmiLink, endpoint: str, reason: str) -> None:
    """No more calls, in any queue."""
    _do(link, "QueuePause", Interface=_interface(endpoint), Paused="true", Reason=reason)


def resume(link: AmiLink, endpoint: str) -> None:
    """Calls again, in all her queues."""
    _do(link, "QueuePause", Interface=_interface(endpoint), Paused="false")


def _do(link: AmiLink, action: str, **headers: str) -> None:
    try:
        link.action(action, 5.0, **headers)
    except AmiRefused as refusal:
        if not any(words in str(refusal) for words in _HARMLESS):
            raise


def _interface(endpoint: str) -> str:
    return f"PJSIP/{endpoint}"
