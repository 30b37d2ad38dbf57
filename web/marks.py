"""The marks of every state: a shape and a tone, so that no state is told by colour alone.

The word is the message `state.<group>.<code>`. Shapes are symbols of static/icons.svg.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """`tone`: calm | quiet | accent (a caller is waiting for you) | warn | bad."""

    shape: str
    tone: str = "calm"


MARKS: dict[str, dict[str, Mark]] = {
    "call": {
        "live": Mark("dot", "accent"),
        "answered": Mark("tick"),
        "abandoned": Mark("cross", "bad"),
        "rejected": Mark("square", "quiet"),
        "unreached": Mark("square", "warn"),
    },
    "ticket": {
        "accepted": Mark("ring"),
        "handling": Mark("half"),
        "review": Mark("half"),
        "visit": Mark("half"),
        "done": Mark("tick"),
        "refused": Mark("cross", "quiet"),
        "transferred": Mark("square", "quiet"),
        "merged": Mark("square", "quiet"),
        "withdrawn": Mark("square", "quiet"),
    },
    "order": {
        "sent": Mark("ring"),
        "taken": Mark("half"),
        "objected": Mark("triangle", "warn"),
        "replied": Mark("tick"),
        "done": Mark("tick"),
        "returned": Mark("cross", "quiet"),
        "recalled": Mark("square", "quiet"),
    },
    "closing": {
        "waiting": Mark("half"),
        "approved": Mark("tick"),
        "sent_back": Mark("cross", "warn"),
    },
    "visit": {
        "reached": Mark("tick"),
        "missed": Mark("cross", "quiet"),
        "again": Mark("half"),
        "dissatisfied": Mark("triangle-full", "bad"),
    },
    "day": {
        "works": Mark("dot", "quiet"),
        "free": Mark("ring", "quiet"),
    },
    "year": {
        "announced": Mark("tick"),
        "open": Mark("triangle", "warn"),
    },
    "knowledge": {
        "draft": Mark("ring", "quiet"),
        "published": Mark("tick"),
        "coming": Mark("half"),
        "soon": Mark("triangle", "warn"),
        "over": Mark("triangle-full", "bad"),
        "withdrawn": Mark("square", "quiet"),
    },
    "directory": {
        "on": Mark("tick"),
        "off": Mark("square", "quiet"),
    },
    "unit": {
        "web": Mark("tick"),
        "paper": Mark("square", "quiet"),
    },
    "recording": {
        "open": Mark("dot", "accent"),
        "ready": Mark("tick"),
        "gap": Mark("triangle", "warn"),
        "removed": Mark("square", "quiet"),
    },
    "urgency": {
        "normal": Mark("ring", "quiet"),
        "urgent": Mark("triangle", "warn"),
        "critical": Mark("triangle-full", "bad"),
    },
    "leg": {
        "answered": Mark("tick"),
        "missed": Mark("cross", "warn"),
        "offered": Mark("dot", "accent"),
    },
    "due": {
        "ahead": Mark("ring", "calm"),
        "soon": Mark("triangle", "warn"),
        "over": Mark("triangle-full", "bad"),
    },
    "provisional": {"provisional": Mark("half", "warn")},
    "duty": {
        "away": Mark("square", "quiet"),
        "idle": Mark("tick"),
        "ringing": Mark("dot", "accent"),
        "talking": Mark("dot", "accent"),
        "wrapup": Mark("half", "calm"),
        "paused": Mark("bars", "warn"),
    },
    "instruction": {
        "waiting": Mark("dot", "accent"),
        "moot": Mark("square", "quiet"),
        "running": Mark("half"),
        "late": Mark("triangle-full", "bad"),
        "done": Mark("tick"),
    },
    "supervision": {
        "running": Mark("diamond"),
        "late": Mark("triangle-full", "bad"),
        "over": Mark("ring"),
        "ended": Mark("square", "quiet"),
    },
    "person": {"active": Mark("tick"), "left": Mark("square", "quiet")},
    "sealed": {"sealed": Mark("diamond", "warn")},
    "notice": {"unseen": Mark("dot", "accent"), "seen": Mark("ring", "quiet")},
    "notice_way": {"on": Mark("tick"), "off": Mark("ring", "quiet")},
    "receipt": {"failed": Mark("cross", "bad"), "unsure": Mark("triangle", "warn")},
    "session": {"this": Mark("dot")},
    "second_step": {"on": Mark("tick"), "off": Mark("ring", "quiet")},
}


def mark(group: str, code: str) -> Mark:
    """The mark of a state; a code nobody drew yet gets a plain ring rather than an error."""
    return MARKS.get(group, {}).get(code, Mark("ring", "quiet"))
