"""What an operator may set, all as HOTLINE_… in the environment or in HOTLINE_HOME/hotline.env."""

import difflib
import ipaddress
import os
import re
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage.viewer import STAFF, Role

CHECKOUT = Path(__file__).resolve().parent.parent
PREFIX = "HOTLINE_"
LAB_ADDRESS = "127.0.0.3"  # test calls come from here: hotline lab
PORTS = ("web_port", "sip_port", "agi_port", "ami_port", "asterisk_http_port", "asterisk_tls_port")
CODECS = ("alaw", "ulaw")  # what Asterisk can also play and record; telephones everywhere speak one of them
LOOPBACK = ("127.0.0.1", "::1", "localhost")
SECRET = (  # what the value of holds a password, or may
    *("trunk_register", "database_url", "database_owner_url"),
    *("smtp_password", "sms_url", "sms_template", "sms_authorization"),
)
DTMF = ("rfc4733", "inband", "info", "auto")


class SettingsError(ValueError):
    """One line a fault: the setting, what is wrong with it, and the remedy."""


def default_home() -> Path:
    """`/var/lib/hotline` for root, `.hotline/` in the checkout for anybody else."""
    return Path("/var/lib/hotline") if os.geteuid() == 0 else CHECKOUT / ".hotline"


def home_folder() -> Path:
    """Where all state lives: HOTLINE_HOME, else the default (hotline.env lies in it, so cannot set it)."""
    named = os.environ.get("HOTLINE_HOME", "")
    return Path(named).expanduser().absolute() if named else default_home()


class Settings(BaseSettings):
    """Every setting has a default that serves one machine on 127.0.0.1."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", use_attribute_docstrings=True)

    home: Path = Field(default_factory=home_folder)
    """Where all state lives. `/var/lib/hotline` for root, `.hotline/` in the checkout for anybody else."""
    bind: str = "127.0.0.1"
    """The address where desk, phones and trunk reach us; `0.0.0.0` for all of this machine's."""
    web_port: int = Field(8080, ge=1, le=65535)
    """The desk and the public page."""
    sip_port: int = Field(5060, ge=1, le=65535)
    """SIP over UDP and TCP: the trunk and hardware phones."""
    agi_port: int = Field(4573, ge=1, le=65535)
    """Asterisk asks the voice menu here; loopback only."""
    ami_port: int = Field(5038, ge=1, le=65535)
    """Asterisk's manager; loopback only."""
    asterisk_http_port: int = Field(8088, ge=1, le=65535)
    """Browser phones over plain WebSocket; loopback only."""
    asterisk_tls_port: int = Field(8089, ge=1, le=65535)
    """Browser phones over TLS, once there is a certificate (`hotline cert`)."""
    rtp_start: int = Field(20000, ge=1024, le=65535)
    """The first port of sound (RTP, UDP); even."""
    rtp_end: int = Field(20999, ge=1024, le=65535)
    """The last port of sound."""
    trunk_peers: str = "127.0.0.2"
    """The carrier's or the PBX's addresses, comma-separated: `10.0.0.1`, `10.0.0.1:5070`, `10.0.0.0/24`;
    empty: none, and only a registrar's calls come in."""
    trunk_register: str = ""
    """`user:secret@host[:port]` of a carrier that wants registration."""
    trunk_codecs: str = "alaw,ulaw"
    """The best liked first; phones follow, so that nothing is translated."""
    trunk_dtmf: str = "rfc4733"
    """How key presses come: `rfc4733`, `inband`, `info` or `auto`."""
    external_address: str = ""
    """Our address as seen from outside, where a router translates it (NAT)."""
    local_nets: str = "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
    """Networks on our side of that router."""
    guest_calls: int = Field(20, ge=0, le=500)
    """Calls from the public page at once; 0 switches them off."""
    trusted_proxies: str = ""
    """Reverse proxies before the web pages, comma-separated: their word on a visitor's address counts."""
    database_url: str = ""
    """`postgresql://…` of a server of your own; empty: the embedded one, under the home."""
    database_owner_url: str = ""
    """The same database by the owner of its tables, who migrates; empty: by `HOTLINE_DATABASE_URL`."""
    keys: Path | None = None
    """The folder of the keys that seal personal data; empty: `<home>/keys`. Keep it apart from backups."""
    asterisk: str = ""
    """Path of an Asterisk binary; empty: the system's (20 or later), else the private copy."""
    policy: Path = CHECKOUT / "policies" / "mianyang-962299.toml"
    """The city's policy file."""
    sounds: Path | None = None
    """Studio recordings that replace prompts; empty: `<home>/sounds`."""
    metrics_from: str = "127.0.0.1,::1"
    """Addresses and networks that may read `/metrics`, comma-separated."""
    totp_roles: str = ""
    """Roles that must have a second step of logging in, comma-separated: `administrator,discipline`."""
    desk_url: str = ""
    """The desk's address as people open it, for links in notices; empty: the one `hotline up` tells."""
    smtp_host: str = ""
    """The mail server that notices leave by; empty: no e-mail."""
    smtp_port: int = Field(587, ge=1, le=65535)
    """Its port: 587 for `starttls`, 465 for `tls`."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the way there is encrypted; `none` only to a server on this machine."""
    smtp_user: str = ""
    """Its user; empty: none is asked for."""
    smtp_password: str = ""
    """The user's password."""
    smtp_from: str = ""
    """The address that notices come from: `hotline@example.cn`."""
    webhook_hosts: str = ""
    """Hosts that people's group robots may be at, comma-separated, with a port where it is not the usual one:
    `qyapi.weixin.qq.com,oapi.dingtalk.com`; empty: no robots."""
    sms_url: str = ""
    """The address of the carrier's HTTP gateway for text messages; empty: no texts."""
    sms_template: str = '{"mobile": "{local}", "content": "{text}", "id": "{key}"}'
    """What is posted there, with {number} (+86…), {local} (without +86), {text} and {key} put in."""
    sms_form: Literal["json", "form"] = "json"
    """How the template is written: `json`, or `form` for `mobile={local}&content={text}`."""
    sms_authorization: str = ""
    """The header `Authorization` that the gateway wants; empty: none."""
    sms_ok: str = ""
    """What its answer contains when it took a message: `"code":0`; empty: any answer of 200."""
    sms_signature: str = ""
    """The signature that texts begin with, as the carrier approved it; empty: the hotline's name."""
    log_format: Literal["json", "text"] = "json"
    """Each line of the logs: `json` for programs, `text` for people."""
    log_level: str = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    demo: bool = True
    """Lay out the demo city at the first start, into an empty database."""

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_default(cls, value: object, about: ValidationInfo) -> object:
        """Also of a setting that cannot be empty; but who empties the carrier's addresses wants none."""
        if value != "" or about.field_name in (None, "trunk_peers"):
            return value
        return cls.model_fields[about.field_name].get_default(call_default_factory=True)

    @field_validator("bind")
    @classmethod
    def _an_address(cls, bind: str) -> str:
        ipaddress.ip_address(bind)
        return bind

    @field_validator("trunk_peers")
    @classmethod
    def _addresses(cls, peers: str) -> str:
        for peer in filter(None, (part.strip() for part in peers.split(","))):
            if not re.fullmatch(r"[A-Za-z0-9.:-]+(/\d{1,3})?", peer):
                raise ValueError(f"{peer!r} is no address; write e.g. 10.0.0.1, 10.0.0.1:5070 or 10.0.0.0/24")
            if peer.partition(":")[0] == LAB_ADDRESS:
                raise ValueError(f"{peer} is where the lab's test calls come from; name another")
        return peers

    @field_validator("trunk_register")
    @classmethod
    def _an_account(cls, account: str) -> str:
        if account and not re.fullmatch(r"[^:@\s]+:[^@\s]+@[^@:\s]+(:\d+)?", account):
            raise ValueError("should read user:secret@host or user:secret@host:port")
        return account

    @field_validator("trunk_codecs")
    @classmethod
    def _codecs(cls, codecs: str) -> str:
        named = [part.strip().lower() for part in codecs.split(",") if part.strip()]
        unknown = [name for name in named if name not in CODECS]
        if unknown or not named:
            raise ValueError(
                f"{', '.join(unknown) or 'nothing'} cannot be spoken here; write {' or '.join(CODECS)} "
                "or both, and have the other side offer G.711"
            )
        return ",".join(dict.fromkeys(named))

    @field_validator("trunk_dtmf")
    @classmethod
    def _a_way_of_keys(cls, way: str) -> str:
        if way.lower() not in DTMF:
            raise ValueError(f"should be {', '.join(DTMF[:-1])} or {DTMF[-1]}")
        return way.lower()

    @field_validator("external_address")
    @classmethod
    def _an_address_from_outside(cls, address: str) -> str:
        if not address:
            return address
        try:
            seen = ipaddress.ip_address(address)
        except ValueError:
            raise ValueError("should be an address such as 203.0.113.5, not a name") from None
        if seen.is_unspecified or seen.is_loopback:
            raise ValueError("is no address that others could call; write the router's, e.g. 203.0.113.5")
        return address

    @field_validator("local_nets", "metrics_from", "trusted_proxies")
    @classmethod
    def _local_networks(cls, nets: str) -> str:
        for net in filter(None, (part.strip() for part in nets.split(","))):
            try:
                ipaddress.ip_network(net)
            except ValueError as why:
                raise ValueError(f"{why}; write networks such as 192.168.0.0/16") from None
        return nets

    @field_validator("webhook_hosts")
    @classmethod
    def _hosts(cls, hosts: str) -> str:
        named = [part.strip().lower() for part in hosts.split(",") if part.strip()]
        for host in named:
            if not re.fullmatch(r"([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?", host):
                raise ValueError(f"{host!r} is no host; write e.g. qyapi.weixin.qq.com or 127.0.0.1:8070")
        return ",".join(named)

    @field_validator("sms_url", "desk_url")
    @classmethod
    def _a_safe_address(cls, address: str) -> str:
        """What leaves is encrypted, or stays on this machine."""
        if address and not re.match(
            r"https://[^/@]+|http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?(/|$)", address
        ):
            raise ValueError("should begin with https://")
        return address.rstrip("/")

    @field_validator("totp_roles")
    @classmethod
    def _roles(cls, roles: str) -> str:
        named = [part.strip().lower() for part in roles.split(",") if part.strip()]
        unknown = [name for name in named if name not in set(STAFF)]
        if unknown:
            raise ValueError(f"no such role: {', '.join(unknown)}; write some of {', '.join(STAFF)}")
        return ",".join(named)

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _postgres(cls, url: str) -> str:
        if url and not url.startswith(("postgresql://", "postgresql+psycopg://")):
            raise ValueError("should begin with postgresql://")
        return url.replace("postgresql://", "postgresql+psycopg://", 1)

    @field_validator("home", "policy", "sounds", "keys")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else None  # roles may run in another folder

    @field_validator("log_level")
    @classmethod
    def _a_level(cls, level: str) -> str:
        if level.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("should be DEBUG, INFO, WARNING or ERROR")
        return level.upper()

    @property
    def second_step_roles(self) -> tuple[Role, ...]:
        """Who must have a second step of logging in."""
        return tuple(Role(name) for name in self.totp_roles.split(",") if name)

    @property
    def metrics_readers(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Who may read the figures."""
        return tuple(
            ipaddress.ip_network(part.strip()) for part in self.metrics_from.split(",") if part.strip()
        )

    @model_validator(mode="after")
    def _mail_is_whole(self) -> "Settings":
        if self.smtp_host and not re.fullmatch(r"[^@\s<>]+@[A-Za-z0-9.-]+", self.smtp_from):
            raise ValueError(f"{PREFIX}SMTP_FROM={self.smtp_from} should be an address: hotline@example.cn")
        if self.smtp_host not in ("", *LOOPBACK) and self.smtp_security == "none":
            raise ValueError(f"{PREFIX}SMTP_SECURITY=none would send notices in clear: write starttls or tls")
        return self

    @model_validator(mode="after")
    def _trunk_can_be_heard(self) -> "Settings":
        version = ipaddress.ip_address(self.bind).version
        for peer in map(str.strip, self.trunk_peers.split(",")):
            if (other := _version(peer)) not in (version, None):
                raise ValueError(
                    f"{PREFIX}BIND={self.bind} hears IPv{version} alone and {PREFIX}TRUNK_PEERS={peer} "
                    f"is IPv{other}: name addresses of one kind"
                )
        return self

    @model_validator(mode="after")
    def _no_two_on_one_port(self) -> "Settings":
        if self.rtp_start % 2:  # RTP takes even ports, RTCP the odd ones between them
            raise ValueError(f"{PREFIX}RTP_START={self.rtp_start} should be even")
        if self.rtp_start >= self.rtp_end:
            raise ValueError(
                f"{PREFIX}RTP_START={self.rtp_start} should be below {PREFIX}RTP_END={self.rtp_end}"
            )
        taken = Counter(getattr(self, name) for name in PORTS)
        for port, uses in taken.items():
            if uses > 1:
                names = " and ".join(
                    f"{PREFIX}{name.upper()}" for name in PORTS if getattr(self, name) == port
                )
                raise ValueError(f"{names} are both {port}: each needs a port of its own")
            if self.rtp_start <= port <= self.rtp_end and port == self.sip_port:
                raise ValueError(
                    f"{PREFIX}SIP_PORT={port} lies between {PREFIX}RTP_START and {PREFIX}RTP_END"
                )
        return self


def _version(peer: str) -> int | None:
    """4 or 6; None of a host's name, which may be either."""
    address = peer.partition("/")[0]
    try:
        return ipaddress.ip_address(address if address.count(":") > 1 else address.partition(":")[0]).version
    except ValueError:
        return None


def load() -> Settings:
    """The settings in force; SettingsError lists every fault with its remedy."""
    home = home_folder()
    file = home / "hotline.env"
    where = f"correct it in the environment or in {file}"
    misspelt = [_misspelt(name) for name in sorted(_given(file)) if name not in _names()]
    try:
        settings = Settings(_env_file=file if file.is_file() else None, home=home)
    except ValidationError as why:
        faults = [_fault(error["loc"], error["msg"], error.get("input")) for error in why.errors()]
        raise SettingsError("\n".join(f"{fault}; {where}" for fault in [*misspelt, *faults])) from None
    if misspelt:
        raise SettingsError("\n".join(f"{fault}; {where}" for fault in misspelt))
    return settings


def _names() -> set[str]:
    return {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def _given(file: Path) -> set[str]:
    """Every HOTLINE_… name that somebody gave, in the environment or in the file."""
    names = {name for name in os.environ if name.startswith(PREFIX)}
    if file.is_file():
        pairs = (
            line.partition("=")[0].removeprefix("export ").strip() for line in file.read_text().splitlines()
        )
        names |= {name for name in pairs if name and not name.startswith("#")}
    return names


def _misspelt(name: str) -> str:
    near = difflib.get_close_matches(name, _names(), n=1)
    return f"{name} is not a setting{f' (did you mean {near[0]}?)' if near else ''}"


def _fault(where: tuple[int | str, ...], message: str, given: object) -> str:
    words = message.removeprefix("Value error, ")
    if not where:  # the two-setting checks name their settings themselves
        return words
    # A secret must not end up in a log because of a slip beside it.
    shown = "…" if where[0] in SECRET else given
    return f"{PREFIX}{str(where[0]).upper()}={shown}: {words}"
