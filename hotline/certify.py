"""`hotline cert`: makes or takes the certificate, has it served, and says how other PCs come to trust it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from hotline import wiring
from hotline.cert import Held, Keeper
from hotline.faults import errors
from hotline.home import Home
from hotline.settings import Settings
from storage.database import DatabaseAway
from telephony.asterisk import AsteriskFault

GUIDE = "docs/howto/another-pc.md"


def make(settings: Settings, home: Home, names: list[str], days: int, *, new_ca: bool, as_json: bool) -> None:
    """From our own authority. Raises CertError."""
    keeper = Keeper(home.tls)
    known = keeper.fingerprint()
    held = keeper.make(names, days, datetime.now(UTC), new_ca=new_ca)
    _take_up(settings, home)
    _tell(settings, keeper, held, as_json=as_json, fresh=keeper.fingerprint() != known)


def take(settings: Settings, home: Home, cert: Path, key: Path, *, as_json: bool) -> None:
    """The operator's own. Raises CertError."""
    keeper = Keeper(home.tls)
    held = keeper.take(cert, key, datetime.now(UTC))
    _take_up(settings, home)
    _tell(settings, keeper, held, as_json=as_json, fresh=False)


def _take_up(settings: Settings, home: Home) -> None:
    home.hand_over()
    try:
        for line in wiring.take_up_certificate(settings, home):
            errors.print(line)
    except (DatabaseAway, AsteriskFault) as why:
        errors.print(f"Asterisk was not told ({why}): hotline config --reload does it")


def _tell(settings: Settings, keeper: Keeper, held: Held, *, as_json: bool, fresh: bool) -> None:
    names = [name for name in held.names if name not in ("localhost", "127.0.0.1", "::1")]
    desk = [f"https://{wiring.authority(name, settings.web_port)}" for name in names]
    if as_json:
        document = {
            "certificate": str(keeper.server),
            "names": held.names,
            "ends_at": held.ends_at.isoformat(),
            "own_authority": held.ours,
            "authority": str(keeper.ca) if held.ours else None,
            "authority_sha256": keeper.fingerprint() if held.ours else None,
            "desk": desk,
        }
        print(json.dumps(document, indent=1))
        return
    say = Console(highlight=False, soft_wrap=True, markup=False).print
    say(f"certificate  {keeper.server}, until {held.ends_at:%Y-%m-%d}")
    say(f"good for     {', '.join(held.names)}")
    say(f"desk         {'  '.join(desk) or f'https://127.0.0.1:{settings.web_port}'}")
    if held.ours:
        say(f"authority    {keeper.ca} ({'new: every PC has to trust it' if fresh else 'as before'})")
        say(f"             SHA-256 {keeper.fingerprint()}")
        say(f"each PC      fetches it from /hotline-ca.crt at the desk and trusts it: {GUIDE}")
    say("the desk takes it up by itself within seconds; calls go on")
