"""systemd units for this installation, rendered from the settings: `hotline units --into DIR`.

Asterisk and PostgreSQL are wanted by the target but no part of it: `systemctl restart hotline.target`
restarts menu, desk and clock, and leaves calls and data alone. How to install them: docs/howto/running.md.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from hotline.heart import START_SECONDS, WATCHDOG_SECONDS
from hotline.home import SERVICE_USER, Home
from hotline.settings import Settings
from hotline.wiring import WiringError
from telephony.asterisk import REALTIME_PRIORITY

LOWEST_FREE_PORT = 1024
MOST_FILES = 65_536
RESTART_STEPS_SINCE = 254  # systemd's version

ROLES = ("ivr", "desk", "clock")
PART = "PartOf=hotline.target"

Unit = dict[str, list[str]]  # settings by section


def render(settings: Settings, home: Home, systemd: int) -> dict[str, str]:
    """Each unit's text by its file's name. `systemd`: the version, of which older ones know less.

    Raises WiringError when the home cannot serve units.
    """
    if not home.run.is_relative_to(home.path):
        raise WiringError(f"{home.path} is too long a path for sockets: set HOTLINE_HOME to a shorter one")
    if re.search(r"[\s%\"'\\]", f"{home.path}{sys.prefix}"):
        raise WiringError(f"{home.path} or {sys.prefix} has a space or sign that units cannot hold: move it")
    units = _units(settings, home, systemd)
    return {name: _text(name, unit) for name, unit in units.items()}


def write(units: dict[str, str], folder: Path) -> list[Path]:
    """Write the units; the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in units.items():
        file = folder / name
        file.write_text(text)
        file.chmod(0o644)
        written.append(file)
    return written


def systemd_version() -> int:
    """Of this machine; 0 when there is none."""
    program = shutil.which("systemctl")
    if program is None:
        return 0
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"systemd (\d+)", told)
    return int(found[1]) if found else 0


def _units(settings: Settings, home: Home, systemd: int) -> dict[str, Unit]:
    database = [] if settings.database_url else ["hotline-postgres.service"]
    roles = [f"hotline-{role}.service" for role in ROLES]
    prepare, asterisk = "hotline-prepare.service", "hotline-asterisk.service"
    wanted = [f"Wants={each}" for each in (*database, prepare, asterisk, *roles)]
    again = ["Restart=always", "RestartSec=1"]
    if systemd >= RESTART_STEPS_SINCE:
        again += ["RestartSteps=5", "RestartMaxDelaySec=30"]
    server = ["Type=exec", "OOMScoreAdjust=-500", f"LimitNOFILE={MOST_FILES}", *again]
    units: dict[str, Unit] = {
        "hotline.target": {
            "Unit": ["Description=The hotline", *wanted],
            "Install": ["WantedBy=multi-user.target"],
        },
        prepare: {
            "Unit": ["Description=The hotline's database and Asterisk files", PART, *_after(*database)],
            "Service": [
                "Type=oneshot",
                "RemainAfterExit=yes",
                _run("migrate --wait 90"),
                _run("config --reload"),
                "TimeoutStartSec=600",
                "Restart=on-failure",
                "RestartSec=5",
            ],
        },
        asterisk: {
            "Unit": ["Description=The hotline's Asterisk", *_after(prepare, "network-online.target")],
            "Service": [
                *server,
                _run("serve asterisk"),
                "TimeoutStopSec=30",
                "CPUSchedulingPolicy=rr",  # a voice 40 ms late is heard, a page is not
                f"CPUSchedulingPriority={REALTIME_PRIORITY}",
            ],
        },
    }
    for service in database:
        units[service] = {
            "Unit": ["Description=The hotline's PostgreSQL"],
            "Service": [
                *server,
                _run("serve postgres"),
                "KillMode=mixed",
                "KillSignal=SIGINT",  # a fast shutdown; SIGTERM would wait for everybody to go
                "TimeoutStopSec=60",
            ],
        }
    for role, service in zip(ROLES, roles, strict=True):
        units[service] = {
            "Unit": [f"Description=The hotline's {role}", PART, *_after(prepare), f"After={asterisk}"],
            "Service": [
                "Type=notify",
                _run(role),
                f"WatchdogSec={WATCHDOG_SECONDS:g}",
                f"TimeoutStartSec={START_SECONDS:g}",
                "TimeoutStopSec=20",
                f"LimitNOFILE={MOST_FILES}",
                *again,
            ],
        }
    low = settings.web_port < LOWEST_FREE_PORT
    for name, unit in units.items():
        if "Service" in unit:
            unit["Unit"].append("StartLimitIntervalSec=0")  # never gives up
            unit["Service"] += _common(home, may_bind_low=low and name == "hotline-desk.service")
    return units


def _common(home: Home, *, may_bind_low: bool) -> list[str]:
    """Who it runs as, and what it may not do."""
    bind = "CAP_NET_BIND_SERVICE" if may_bind_low else ""
    return [
        f"User={SERVICE_USER}",
        f"Group={SERVICE_USER}",
        f"Environment=HOTLINE_HOME={home.path}",
        "WorkingDirectory=/",
        "UMask=0077",
        "NoNewPrivileges=yes",
        f"CapabilityBoundingSet={bind}",
        f"AmbientCapabilities={bind}",
        "ProtectSystem=strict",
        f"ReadWritePaths={home.path}",
        "ProtectHome=read-only",
        "PrivateTmp=yes",  # every socket of ours is in the home
        "PrivateDevices=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectControlGroups=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
        "RestrictNamespaces=yes",
        "RestrictSUIDSGID=yes",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
    ]


def _run(words: str) -> str:
    return f"ExecStart={Path(sys.prefix)}/bin/python -P -m hotline.cli {words}"


def _after(*units: str) -> list[str]:
    return [line for unit in units for line in (f"Wants={unit}", f"After={unit}")]


def _text(name: str, unit: Unit) -> str:
    lines = [f"# {name}, written by hotline units. Changes of your own: systemctl edit {name}"]
    for section, settings in unit.items():
        lines += ["", f"[{section}]", *settings]
    return "\n".join(lines) + "\n"
