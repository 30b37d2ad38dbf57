"""Before a start: ports, disk, and only one hotline to a home."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from hotline import ground
from hotline.ground import GroundError, Port, only_one, require_room, taken
from hotline.home import Home


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def port(number: int, *, host: str = "127.0.0.1", udp: bool = False) -> Port:
    return Port("HOTLINE_WEB_PORT", number, host, "the web desk", asterisks=False, udp=udp)


def test_a_taken_port_is_told_with_who_has_it_and_the_setting_that_moves_ours(
    listener: socket.socket,
) -> None:
    number = listener.getsockname()[1]
    (line,) = taken([port(number)])
    assert line.startswith(f"port {number} (the web desk) is taken by ")
    assert f"(pid {os.getpid()})" in line
    assert line.endswith("set HOTLINE_WEB_PORT to a free one")


def test_a_taken_udp_port_is_seen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        assert taken([port(one.getsockname()[1], udp=True)])


def test_a_free_port_is_free(listener: socket.socket) -> None:
    number = listener.getsockname()[1]
    listener.close()
    assert taken([port(number)]) == []


def test_an_address_of_another_machine_is_told_as_such() -> None:
    (line,) = taken([port(8080, host="192.0.2.1")])
    assert line == "192.0.2.1 is not an address of this machine: set HOTLINE_BIND to one that is"


def test_a_full_disk_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground.shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 20))
    with pytest.raises(GroundError, match=r"only 100 MiB free .* make room, or set HOTLINE_HOME"):
        require_room(Home(tmp_path))


def test_a_second_hotline_on_one_home_is_told_the_first_ones_pid(tmp_path: Path) -> None:
    with only_one(Home(tmp_path)), pytest.raises(GroundError) as caught, only_one(Home(tmp_path)):
        pass
    assert f"a hotline is already up on {tmp_path} (pid {os.getpid()})" in str(caught.value)


def test_the_lock_of_a_killed_hotline_is_free_again(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal; from hotline.ground import only_one; from hotline.home import Home\n"
        f"with only_one(Home(pathlib.Path({str(tmp_path)!r}))): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    with only_one(Home(tmp_path)):
        assert (tmp_path / "up.lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_names_only_the_present_pid(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text("123456789\n")
    with only_one(Home(tmp_path)):
        assert (tmp_path / "up.lock").read_text() == f"{os.getpid()}\n"
