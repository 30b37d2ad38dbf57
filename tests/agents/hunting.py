"""How every route is asked about a sealed matter, or why it can tell of none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cases.awaiting import STEPS
from cases.day import CALLS, case_lists
from cases.sorting import LISTS
from routing.policy import load
from tests.agents.hunted import CALLING, CODE, CONTACT, LINE, NOW, WORDS
from tests.web.site import POLICY

Form = Mapping[str, str]


@dataclass(frozen=True)
class Recipe:
    """How a route is asked about a matter: {names} stand for its ids, in the path, the query or the form."""

    query: tuple[Form, ...] = ({},)
    data: Form = field(default_factory=dict)
    json: Any = None
    file: bool = False


TICKET = {"kind": "help", "content": "x", "version": "1", "urgency": "normal"}
PLAIN = Recipe()
LOOKED_FOR: tuple[Form, ...] = (
    *({}, {"number": CALLING}, {"number": CONTACT}, {"name": WORDS[1]}, {"company": WORDS[2]}),
    {"uscc": CODE},
)

RECIPES: dict[str, Recipe] = {
    "GET /": PLAIN,
    "GET /banner": PLAIN,
    "GET /readyz": PLAIN,
    "GET /healthz": PLAIN,
    "GET /metrics": PLAIN,
    "GET /me": PLAIN,
    "GET /people": PLAIN,
    "GET /desk": PLAIN,
    "GET /desk/day": PLAIN,
    "GET /desk/duty": PLAIN,
    "GET /desk/colleagues": PLAIN,
    "GET /desk/calls/{call_id}": Recipe(query=({}, {"offer": "guessed"})),
    "PUT /desk/calls/{call_id}/draft": Recipe(json={"revision": 1, "body": {"content": "x"}}),
    "POST /desk/calls/{call_id}/ticket": Recipe(data=TICKET | {"form_id": "{call_id}:1:0"}),
    "POST /desk/calls/{call_id}/close": Recipe(data={"reason": "silent"}),
    "POST /desk/calls/{call_id}/leader": PLAIN,
    "GET /phone/settings": PLAIN,
    "GET /phone/strip": PLAIN,
    "GET /calls": Recipe(
        query=(
            *({}, {"number": CALLING}, {"outcome": "live"}, {"outcome": "answered"}, {"line": "962299"}),
            *({"day": f"{NOW:%Y-%m-%d}"}, {"agent": "{liu}"}, {"number": CONTACT}),
        )
    ),
    "GET /calls/{call_id}": PLAIN,
    "POST /calls/{call_id}/full": PLAIN,
    "POST /calls/{call_id}/recusal": PLAIN,
    "POST /calls/{call_id}/recusals": Recipe(data={"person": "{liu}", "why": "kin"}),
    "POST /calls/{call_id}/hand-over": PLAIN,
    "POST /calls/{call_id}/take-over": PLAIN,
    "POST /calls/{call_id}/hold": Recipe(data={"why": "x"}),
    "POST /calls/{call_id}/hold/lift": PLAIN,
    "GET /tickets": Recipe(
        query=(
            *({}, {"ticket": "{number}"}, {"kind": "report"}, {"state": "accepted"}, {"state": "late"}),
            *({"number": CALLING}, {"number": CONTACT}, {"agent": "{liu}"}, {"day": f"{NOW:%Y-%m-%d}"}),
        )
    ),
    "GET /tickets/{number}": PLAIN,
    "POST /tickets/{number}": Recipe(data=TICKET),
    "POST /tickets/{number}/full": PLAIN,
    "GET /tickets/{number}/edit": PLAIN,
    "GET /supervision": Recipe(
        query=(
            *({}, {"list": "soon"}, {"list": "ill"}, {"list": "returned"}, {"list": "many"}),
            *({"list": "supervised"}, {"list": "instructed"}, {"act": "{number}"}),
        )
    ),
    "GET /leader": PLAIN,
    "GET /discipline": Recipe(query=({}, {"list": "old"}, {"list": "late"}, {"list": "closed"})),
    "POST /tickets/{number}/urging": Recipe(data={"words": "x"}),
    "POST /tickets/{number}/supervision": Recipe(data={"ground": "late", "demand": "x"}),
    "POST /tickets/{number}/supervision/end": Recipe(data={"outcome": "x"}),
    "POST /tickets/{number}/report": Recipe(data={"leader": "1", "report": "x", "naming": "1"}),
    "POST /tickets/{number}/instruction": Recipe(data={"words": "x"}),
    "POST /tickets/{number}/instructions/{instruction_id}/outcome": Recipe(data={"outcome": "x"}),
    "POST /tickets/{number}/answer": Recipe(data={"answer": "x", "version": "1"}),
    "POST /tickets/{number}/refusal": Recipe(data={"ground": "x", "words": "x", "version": "1"}),
    "POST /tickets/{number}/transfer": Recipe(data={"ground": "x", "version": "1"}),
    "POST /tickets/{number}/receipt": Recipe(data={"receipt": "x", "version": "1"}),
    "POST /tickets/{number}/withdrawal": Recipe(data={"ground": "x", "version": "1"}),
    "POST /tickets/{number}/reopening": Recipe(data={"why": "x", "version": "1"}),
    "POST /tickets/{number}/merge": Recipe(data={"lead": "260101000000", "version": "1"}),
    "POST /tickets/{number}/split": Recipe(data={"version": "1"}),
    "POST /tickets/{number}/closing": Recipe(data={"account": "x", "public_reply": "x", "version": "1"}),
    "POST /tickets/{number}/closing/audit": Recipe(data={"verdict": "approve", "version": "1"}),
    "POST /tickets/{number}/dial": PLAIN,
    "POST /calls/{call_id}/dial": PLAIN,
    "POST /tickets/{number}/visit": Recipe(data={"reached": "no", "version": "1"}),
    "GET /review": Recipe(query=({}, {"page": "2"})),
    "GET /visits": Recipe(query=({}, {"list": "later"})),
    "GET /dispatch": Recipe(query=tuple({"list": each} for each in LISTS)),
    "POST /dispatch": Recipe(data={"tick": "{number}:1", "unit": "power"}),
    "POST /dispatch/undo": Recipe(data={"number": "{number}"}),
    "POST /tickets/{number}/dispatch": Recipe(data={"unit": "power", "version": "1"}),
    "POST /tickets/{number}/dispatch/undo": PLAIN,
    "POST /tickets/{number}/shares/{order_id}/recall": Recipe(data={"reason": "x", "version": "1"}),
    "POST /tickets/{number}/shares/{order_id}/told": Recipe(data={"told": "x", "call": "{call_id}"}),
    "GET /orders": Recipe(
        query=({}, *({"list": each} for each in ("to_take", "late", "asked", "replied", "below")))
    ),
    "GET /rulings": Recipe(query=({}, {"list": "objection"}, {"list": "extension"})),
    "POST /orders/{order_id}/take": Recipe(data={"version": "1"}),
    "POST /orders/{order_id}/reply": Recipe(data={"version": "1", "account": "x"}),
    "POST /orders/{order_id}/progress": Recipe(data={"version": "1", "text": "x"}),
    "POST /orders/{order_id}/pass": Recipe(data={"version": "1", "unit": "power"}),
    "POST /orders/{order_id}/object": Recipe(data={"version": "1", "ground": "x"}),
    "POST /orders/{order_id}/extend": Recipe(data={"version": "1", "ground": "x"}),
    "POST /orders/{order_id}/send_back": Recipe(data={"version": "1", "text": "x"}),
    "POST /orders/{order_id}/take_back": Recipe(data={"version": "1", "text": "x"}),
    "POST /orders/{order_id}/ruling": Recipe(data={"kind": "objection", "decision": "grant", "remark": "x"}),
    "GET /orders/{order_id}/print": PLAIN,
    "POST /orders/{order_id}/print": PLAIN,
    "POST /tickets/{number}/recusal": PLAIN,
    "POST /tickets/{number}/recusals": Recipe(data={"person": "{liu}", "why": "kin"}),
    "POST /recusals/{recusal_id}/lift": PLAIN,
    "POST /tickets/{number}/hand-over": PLAIN,
    "POST /tickets/{number}/take-over": PLAIN,
    "POST /tickets/{number}/unsealing": Recipe(data={"ground": "x"}),
    "POST /tickets/{number}/unsealing/decision": Recipe(data={"decision": "grant"}),
    "POST /tickets/{number}/hold": Recipe(data={"why": "x"}),
    "POST /tickets/{number}/hold/lift": PLAIN,
    "POST /tickets/{number}/attachments": Recipe(file=True),
    "GET /attachments/{attachment_id}": PLAIN,
    "GET /recordings": Recipe(query=({}, {"ticket": "{number}"}, {"number": CALLING}, {"agent": "{liu}"})),
    "GET /recordings/{recording_id}": Recipe(query=({}, {"dock": "true"})),
    "GET /recordings/{recording_id}/audio": Recipe(query=({}, {"play": "abc"})),
    "GET /knowledge": Recipe(query=({}, {"q": WORDS[0]})),
    "GET /knowledge/answers": Recipe(query=({}, {"q": WORDS[0]})),
    "GET /looks": Recipe(query=({}, {"ticket": "{number}"}, {"agent": "{liu}"})),
    "GET /people/sessions": PLAIN,
    "GET /notices": PLAIN,
    "GET /notices/badge": PLAIN,
    "GET /notices/lost": PLAIN,
    "POST /notices/seen": PLAIN,
    "GET /notices/{notice_id}": PLAIN,
    "GET /callers": Recipe(query=LOOKED_FOR),
    "GET /callers/{caller_id}": PLAIN,
    "POST /callers/{caller_id}": Recipe(data={"version": "1", "name": "x"}),
    "POST /callers/{caller_id}/full": PLAIN,
    "GET /callers/{caller_id}/edit": PLAIN,
    "POST /callers/{caller_id}/merge": Recipe(data={"other": "{caller_id}"}),
    "POST /callers/{caller_id}/undo": PLAIN,
    "POST /callers/{caller_id}/sheet": PLAIN,
    "GET /callers/{caller_id}/erasure": PLAIN,
    "POST /callers/{caller_id}/erasure": PLAIN,
    "GET /enterprises": Recipe(query=LOOKED_FOR),
    "GET /enterprises/{enterprise_id}": PLAIN,
    "POST /enterprises/{enterprise_id}": Recipe(data={"version": "1", "name": "x"}),
    "POST /enterprises/{enterprise_id}/full": PLAIN,
    "GET /enterprises/{enterprise_id}/edit": PLAIN,
    "POST /enterprises/{enterprise_id}/merge": Recipe(data={"uscc": CODE}),
    "POST /enterprises/{enterprise_id}/undo": PLAIN,
    "GET /day": Recipe(
        query=(
            *({}, {"line": LINE}, {"date": f"{NOW - timedelta(days=1):%Y-%m-%d}"}, {"line": "{number}"}),
            *({"list": name} for name in (*CALLS, *case_lists(load(POLICY)), *STEPS)),
        )
    ),
    "GET /journal": Recipe(
        query=({}, {"kind": "ticket"}, {"kind": "call"}, {"kind": "recording"}, {"act": "ticket.created"})
    ),
}
OF_NO_MATTER = {
    "GET /static/{path:path}": "files of ours",
    "GET /login": "nobody is logged in",
    "POST /login": "nobody is logged in",
    "GET /login/code": "nobody is logged in",
    "POST /login/code": "nobody is logged in",
    "GET /first/{token}": "there is nobody yet",
    "POST /first/{token}": "there is nobody yet",
    "GET /hotline-ca.crt": "a certificate",
    "POST /logout": "of one's own session",
    "GET /events": "notes: hunted as they are sent",
    "POST /desk/duty": "of one's own duty",
    "POST /desk/duty/{person_id}": "of a colleague's duty",
    "POST /desk/wrapup/end": "of one's own duty",
    "POST /notices/lost/{receipt_id}/again": "of a message: to whom and why it failed, never of what",
    "POST /notices/lost/{receipt_id}/settle": "of a message: to whom and why it failed, never of what",
    "GET /people/new": "of staff",
    "POST /people/new": "of staff",
    "GET /people/{person_id:int}": "of staff",
    "POST /people/{person_id:int}/place": "of staff",
    "POST /people/{person_id:int}/password": "of staff",
    "POST /people/{person_id:int}/leave": "of staff",
    "POST /people/sessions/end": "of log-ins",
    "POST /people/sessions/end-all": "of log-ins",
    "POST /people/sessions/second-step-off": "of log-ins",
    "GET /knowledge/{entry_id}": "the knowledge base has nothing of any matter",
    "GET /knowledge/{entry_id}/edit": "the knowledge base has nothing of any matter",
    "GET /knowledge/new": "the knowledge base has nothing of any matter",
    "GET /knowledge/shelf": "the knowledge base has nothing of any matter",
    "POST /knowledge": "the knowledge base has nothing of any matter",
    "POST /knowledge/preview": "the knowledge base has nothing of any matter",
    "POST /knowledge/{entry_id}": "the knowledge base has nothing of any matter",
    "POST /knowledge/{entry_id}/publish": "the knowledge base has nothing of any matter",
    "POST /knowledge/{entry_id}/withdraw": "the knowledge base has nothing of any matter",
    "GET /city": "of the city",
    "GET /city/calendar": "of the city",
    "POST /city/calendar/day": "of the city; what is sealed is reckoned and not counted",
    "POST /city/calendar/import": "of the city; what is sealed is reckoned and not counted",
    "POST /city/calendar/year": "of the city; what is sealed is reckoned and not counted",
    "GET /city/directory": "of the city",
    "GET /city/directory/export": "of the city",
    "GET /city/directory/new": "of the city",
    "GET /city/directory/{entry_id}": "of the city",
    "GET /city/units": "of the city",
    "POST /city/units/{code}/phone": "of the city",
    "POST /city/directory": "of the city",
    "POST /city/directory/import": "of the city",
    "POST /city/directory/try": "of the city, and of words that whoever asks has typed",
    "POST /city/directory/{entry_id}": "of the city",
    "POST /city/directory/{entry_id}/switch": "of the city",
    "GET /call": "the public's page",
    "POST /call/visit": "the public's page",
    "WS /call/phone": "the public's phone",
}
"""Why a route can tell of no matter. What is below /me is about whoever asks."""
