"""Asterisk's configuration, rendered from the templates in `asterisk-config/`.

Values are checked before they meet a template: none can end a line, open a section or
start a comment. Starting and reloading Asterisk is not done here (telephony/asterisk.py).
"""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cases.phones import REALM

SUFFIX = ".j2"
FORBIDDEN = frozenset(';[]"<>\\{}$|,=#')

# What to tell a running Asterisk when a file changed. A file that is not here needs a restart.
RELOADS = {
    "pjsip.conf": "module reload res_pjsip.so",
    "extensions.conf": "dialplan reload",
    "queues.conf": "module reload app_queue.so",
    "musiconhold.conf": "module reload res_musiconhold.so",
    "manager.conf": "manager reload",
    "logger.conf": "logger reload",
    "features.conf": "module reload features",
    "acl.conf": "module reload acl",
    "indications.conf": "module reload indications",
    "http.conf": "module reload http",
}


def _plain(value: str) -> str:
    """A value that stays inside its line whatever the template; ValueError names what is wrong."""
    if any(ord(c) < 32 or ord(c) == 127 or c in "\x85\u2028\u2029" for c in value):
        raise ValueError("must not hold a line break or a control character")
    bad = sorted(FORBIDDEN & set(value))
    if bad:
        raise ValueError(f"must not hold {' '.join(bad)}")
    return value


def _not_reserved(value: str) -> str:
    if value in ("general", "default"):
        raise ValueError(f"must not be {value!r}: Asterisk keeps that name for itself")
    return value


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("must be an absolute path")
    if any(c in str(value) for c in "()^&'`"):
        raise ValueError("must not hold quotes or ( ) ^ &")
    _plain(str(value))
    return value


Text = Annotated[str, AfterValidator(_plain)]
Folder = Annotated[Path, AfterValidator(_absolute)]
Port = Annotated[int, Field(ge=1, le=65535)]
Secret = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,128}$")]
EndpointName = Annotated[str, Field(pattern=r"^e[0-9a-f]{8}$")]
Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")]
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
QueueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$"), AfterValidator(_not_reserved)]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}(/[0-9]{1,3})?$")]


Address = Annotated[str, Field(pattern=r"^[0-9A-Fa-f.:]{2,45}$")]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Folders(_Facts):
    """Absolute paths. `modules` and `data` are the program's own (AsteriskBinary), the rest is the home's."""

    config: Folder
    modules: Folder
    data: Folder  # documentation/: without it Asterisk does not start
    lib: Folder  # sounds/<language>/… and the database of queue members
    spool: Folder
    log: Folder
    run: Folder
    recordings: Folder  # MixMonitor writes here
    cel_file: Folder
    music: Folder


class PublishedLine(_Facts):
    """A number the public dials; `queue` holds the caller when no handler says otherwise."""

    number: Digits
    queue: QueueName

    def dialled(self, area_code: str) -> list[str]:
        """The forms a carrier may deliver: bare, with area code, and E.164."""
        if not area_code:
            return [self.number]
        local = self.number.removeprefix(area_code)
        return [local, area_code + local, f"+86{area_code.removeprefix('0')}{local}"]


class QueueFacts(_Facts):
    name: QueueName
    strategy: Literal["rrmemory", "leastrecent", "fewestcalls", "random", "rrordered", "linear"] = "rrmemory"
    ring_seconds: Annotated[int, Field(ge=5, le=120)] = 15


class Phone(_Facts):
    """A member of staff's phone. `digest`: a hardware one's (cases/phones.py); without it none is let in."""

    endpoint: EndpointName
    extension: Digits
    name: Text
    kind: Literal["browser", "hardware"]
    digest: Digest = ""


class Registration(_Facts):
    """A carrier that wants us to register; `server` is host or host:port."""

    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9._+@-]{1,100}$")]
    secret: Annotated[str, Field(pattern=r"^[!-~]{1,100}$"), AfterValidator(_plain)]
    server: Host

    @property
    def host(self) -> str:
        """The server without its port."""
        return _split(self.server)[0]


class Trunk(_Facts):
    """The way to the public network. `peers`: addresses or host names, each perhaps with :port."""

    peers: tuple[Host, ...] = ()
    registration: Registration | None = None
    codecs: Annotated[tuple[Literal["alaw", "ulaw"], ...], Field(min_length=1)] = ("alaw", "ulaw")
    dtmf: Literal["rfc4733", "inband", "info", "auto"] = "rfc4733"

    @classmethod
    def of(cls, peers: str, register: str, **speech: Any) -> Self:
        """From the settings: `127.0.0.2,10.0.0.1:5070` and `user:secret@host[:port]` or ''."""
        registration = None
        if register:
            account, _, server = register.rpartition("@")
            user, _, secret = account.partition(":")
            registration = Registration(user=user, secret=secret, server=server)
        named = tuple(p.strip() for p in peers.split(",") if p.strip())
        return cls(peers=named, registration=registration, **speech)

    @property
    def _all(self) -> list[str]:
        return [*self.peers, *([self.registration.server] if self.registration else [])]

    @property
    def addresses(self) -> list[str]:
        return list(dict.fromkeys(_split(peer)[0] for peer in self._all))

    @property
    def contacts(self) -> list[str]:
        """Where calls to the public network go: to who registered us, else the peers (no network)."""
        ways = (self.registration.server,) if self.registration else self.peers
        return [f"sip:{peer}" for peer in ways if "/" not in peer]


def _split(peer: str) -> tuple[str, str]:
    """`host:port` → (host, port); a bare IPv6 address has several colons and no port."""
    host, _, port = peer.rpartition(":")
    return (host, port) if host and ":" not in host else (peer, "")


class Guests(_Facts):
    """Calls from the public page. `secret`: how our relay proves itself; no call lasts longer than told."""

    secret: Secret
    call_seconds: Annotated[int, Field(ge=1, le=86_400)] = 1800


class Tls(_Facts):
    """Browser phones from other PCs. `file` holds the key and then its chain (hotline/cert.py)."""

    port: Port
    file: Folder


class Nat(_Facts):
    """A router that translates our address: `external` is seen by all who are not in `local_nets`.

    `hosts`: our own addresses inside, for browsers, which are offered both.
    """

    external: Address
    local_nets: tuple[Host, ...]
    hosts: tuple[Address, ...] = ()


class ConfigFacts(_Facts):
    """All that the templates know. pydantic.ValidationError (a ValueError) names a bad field by its path."""

    folders: Folders
    bind: Host = "127.0.0.1"
    sip_port: Port = 5060
    agi_port: Port = 4573
    ami_port: Port = 5038
    http_port: Port = 8088
    tls: Tls | None = None
    nat: Nat | None = None
    rtp_start: Port = 20000
    rtp_end: Port = 20999
    ami_secret: Secret
    ami_phones_secret: Secret
    lab_address: Host = "127.0.0.3"  # where this machine's own test calls come from
    area_code: Annotated[str, Field(pattern=r"^(0[0-9]{2,3})?$")] = ""
    trunk: Trunk
    lines: Annotated[tuple[PublishedLine, ...], Field(min_length=1)]
    queues: Annotated[tuple[QueueFacts, ...], Field(min_length=1)]
    phones: tuple[Phone, ...] = ()
    guests: Guests | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rtp_end - self.rtp_start < 10:
            raise ValueError("rtp_end: leave at least ten ports after rtp_start")
        _unique("lines", [line.number for line in self.lines])
        _unique("queues", [queue.name for queue in self.queues])
        _unique("phones: endpoint", [phone.endpoint for phone in self.phones])
        _unique("phones: extension", [phone.extension for phone in self.phones])
        unknown = {line.queue for line in self.lines} - {queue.name for queue in self.queues}
        if unknown:
            raise ValueError(f"lines: no such queue: {', '.join(sorted(unknown))}")
        return self


def _unique(field: str, values: list[str]) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{field}: given twice: {', '.join(twice)}")


def render(template_folder: Path, target_folder: Path, facts: ConfigFacts) -> list[Path]:
    """Write every file whose content changed (whole or not at all, mode 0600); return those, sorted.

    The files hold secrets. Nothing is written when any template fails.
    """
    environment = Environment(
        loader=FileSystemLoader(template_folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - not HTML; values are checked above
    )
    values = {name: getattr(facts, name) for name in ConfigFacts.model_fields}
    values["bind"] = f"[{facts.bind}]" if ":" in facts.bind else facts.bind  # a port follows it everywhere
    values["modules"] = modules(facts)
    values["realm"] = REALM
    values["ring_seconds"] = facts.queues[0].ring_seconds
    texts = {
        target_folder / template.name.removesuffix(SUFFIX): environment.get_template(template.name).render(
            values
        )
        for template in sorted(template_folder.glob(f"*{SUFFIX}"))
    }
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    target_folder.mkdir(parents=True, exist_ok=True)
    for path in changed:
        _write(path, texts[path])
    _lend(facts.folders.data / "documentation", facts.folders.lib)
    return changed


def reload_commands(changed: list[Path]) -> list[str]:
    """The console commands that make a running Asterisk take up the changed files."""
    return list(dict.fromkeys(RELOADS[path.name] for path in changed if path.name in RELOADS))


def needs_restart(changed: list[Path]) -> list[Path]:
    """The changed files that a running Asterisk takes up only at its next start."""
    return [path for path in changed if path.name not in RELOADS]


def _lend(source: Path, folder: Path) -> None:
    """Asterisk looks for its documentation beside our sounds: a link to this version's."""
    link = folder / source.name
    if link.is_symlink() and link.readlink() == source:
        return
    folder.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(source)


def _write(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


MODULES = (
    # time, formats and codecs
    "res_timing_timerfd", "codec_alaw", "codec_ulaw", "codec_a_mu", "format_wav",
    # SIP, its authentication, transport and media
    "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_http_websocket",
    "res_srtp", "res_rtp_asterisk", "res_pjproject", "res_pjsip", "res_pjsip_pubsub",
    "res_pjsip_session", "res_pjsip_sdp_rtp", "res_pjsip_authenticator_digest",
    "res_pjsip_outbound_authenticator_digest", "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_endpoint_identifier_user", "res_pjsip_registrar", "res_pjsip_nat", "res_pjsip_caller_id",
    "res_pjsip_dlg_options", "res_pjsip_dtmf_info", "res_pjsip_header_funcs", "res_pjsip_refer",
    "res_pjsip_rfc3326", "res_pjsip_transport_websocket", "res_pjsip_logger", "chan_pjsip",
    # what joins two channels
    "bridge_simple", "bridge_native_rtp",
    # the record of the call
    "res_cdrel_custom", "cel_custom",
    # the dialplan, its applications and functions
    "pbx_config", "res_musiconhold", "res_speech", "res_agi", "app_stack", "app_exec", "app_playback",
    "app_dial", "app_queue", "app_mixmonitor", "app_chanspy", "app_celgenuserevent", "func_callerid",
    "func_channel", "func_cut", "func_devstate", "func_global", "func_logic", "func_rand",
    "func_strings", "func_timeout",
)  # fmt: skip


def modules(facts: ConfigFacts) -> tuple[str, ...]:
    """The modules to load, in order; registration only where the trunk registers."""
    register = ("res_pjsip_outbound_registration",) if facts.trunk.registration else ()
    return (*MODULES, *register)
