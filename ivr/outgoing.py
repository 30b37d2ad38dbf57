"""A staff phone dials a token: whom it stands for, and the call's record. The dialplan does the rest."""

from datetime import UTC, datetime

import structlog

from cases import dialling
from routing.policy import Policy
from storage.database import Database, DatabaseAway
from telephony.agi_wire import Request
from telephony.channels import endpoint_of
from telephony.line import Line

DATABASE_SECONDS = 5.0  # no caller hears silence yet; the dialplan waits for ten
_log = structlog.get_logger(__name__)


class Outgoing:
    """The AGI handler `outgoing`; one object serves all calls at once."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy

    def __call__(self, line: Line, request: Request) -> None:
        """Without an answer of ours the dialplan hangs up: nobody is called who is not on record."""
        try:
            linkedid, token = request.args
        except ValueError:
            raise ValueError(f"the dialplan sent {len(request.args)} arguments instead of 2") from None
        phone, now = endpoint_of(request.channel), datetime.now(UTC)
        try:
            with self._database.session(DATABASE_SECONDS) as session:
                placed = dialling.begin(session, token, phone, linkedid, self._policy, now)
        except DatabaseAway as away:
            _log.warning("call_out_without_database", why=str(away))
            return
        if placed is None:
            _log.warning("call_out_refused", phone=phone)
            return
        line.set_variable("HOTLINE_SHOWN", placed.line)
        line.set_variable("HOTLINE_PLACED", placed.call_id)
        line.set_variable("HOTLINE_NUMBER", placed.number)
