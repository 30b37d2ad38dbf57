"""systemd units: fit for systemd, hardened, and made so that calls outlive a restart of the roles."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hotline.home import Home
from hotline.settings import Settings
from hotline.units import render, write
from hotline.wiring import WiringError


@pytest.fixture
def home(short_folder: Path) -> Home:
    return Home(short_folder)


def test_systemd_finds_no_fault_with_them(home: Home, tmp_path: Path) -> None:
    files = write(render(Settings(), home, 252), tmp_path)
    analyze = shutil.which("systemd-analyze")
    assert analyze is not None, "systemd-analyze is missing: apt-get install systemd"
    told = subprocess.run([analyze, "verify", *files], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


def test_a_restart_of_the_target_reaches_the_roles_and_neither_asterisk_nor_postgresql(home: Home) -> None:
    units = render(Settings(), home, 252)
    part = {name for name, text in units.items() if "PartOf=hotline.target" in text}
    assert part == {f"hotline-{name}.service" for name in ("prepare", "ivr", "desk", "clock")}
    assert not any("Requires=" in text or "BindsTo=" in text for text in units.values())


def test_roles_tell_that_they_live_and_everything_is_hardened(home: Home) -> None:
    for name, text in render(Settings(), home, 252).items():
        lines = text.splitlines()
        if not name.endswith(".service"):
            continue
        for wanted in ("User=hotline", "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes"):
            assert wanted in lines, name
        assert f"ReadWritePaths={home.path}" in lines
        role = name.removeprefix("hotline-").removesuffix(".service")
        if role in ("ivr", "desk", "clock"):
            assert {"Type=notify", "WatchdogSec=15", "Restart=always"} <= set(lines)


def test_units_follow_the_settings_and_what_systemd_knows(home: Home) -> None:
    own_server = render(Settings(database_url="postgresql://db/hotline"), home, 257)
    assert not any("postgres" in name for name in own_server)
    assert "postgres" not in own_server["hotline-prepare.service"]
    assert "RestartSteps=5" in own_server["hotline-ivr.service"]
    low = render(Settings(web_port=443), home, 252)
    assert "RestartSteps" not in low["hotline-ivr.service"]
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in low["hotline-desk.service"]
    assert "AmbientCapabilities=\n" in low["hotline-ivr.service"]


def test_a_home_too_long_for_sockets_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(WiringError, match="set HOTLINE_HOME to a shorter one"):
        render(Settings(), Home(tmp_path / ("x" * 90)), 252)


def test_what_serves_in_the_foreground_does_not_serve_as_root(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hotline.cli", "serve", "postgres"],
        env=os.environ | {"HOTLINE_HOME": str(home.path), "HOTLINE_DATABASE_URL": "postgresql://db/x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    expected = "does not serve as root" if os.geteuid() == 0 else "names a server of your own"
    assert expected in done.stderr
