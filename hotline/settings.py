"""What an operator may set, all as HOTLINE_… in the environment or in HOTLINE_HOME/hotline.env."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

CHECKOUT = Path(__file__).resolve().parent.parent


def default_home() -> Path:
    """`/var/lib/hotline` for root, `.hotline/` in the checkout for anybody else."""
    return Path("/var/lib/hotline") if os.geteuid() == 0 else CHECKOUT / ".hotline"


class Settings(BaseSettings):
    """Every setting has a default that serves one machine on 127.0.0.1."""

    model_config = SettingsConfigDict(env_prefix="HOTLINE_", extra="ignore")

    home: Path = Field(default_factory=default_home)
    bind: str = "127.0.0.1"
    web_port: int = Field(8080, ge=1, le=65535)
    sip_port: int = Field(5060, ge=1, le=65535)
    agi_port: int = Field(4573, ge=1, le=65535)
    ami_port: int = Field(5038, ge=1, le=65535)
    asterisk_http_port: int = Field(8088, ge=1, le=65535)
    rtp_start: int = Field(20000, ge=1024, le=65535)
    rtp_end: int = Field(20999, ge=1024, le=65535)
    trunk_peers: str = "127.0.0.2"  # addresses, comma-separated
    trunk_register: str = ""  # user:secret@host[:port] of a carrier that wants registration
    database_url: str = ""  # empty: embedded PostgreSQL under the home
    asterisk: str = ""  # path of an Asterisk binary; empty: the system's (≥ 20), else the private copy
    policy: Path = CHECKOUT / "policies" / "mianyang-962299.toml"
    sounds: Path | None = None  # studio recordings that replace prompts; default: home/sounds
    log_level: str = "INFO"
