"""The desk from another PC: two network namespaces and a cable, the hotline and a browser at its ends.

Run by test_another_pc.py inside the hotline's namespace (`own_network`), where the caller's SIPp is too.
Prints what it found as one JSON document.
"""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Playwright, sync_playwright

from hotline.demo import DEMO_PASSWORD
from hotline.lab import audio
from hotline.lab.browser import EARS
from tests.hotline.city import City
from tests.hotline.conftest import new_city
from tests.real.desk.city import Seat
from tests.real.sipp import SippCall
from tests.real.spine import CALLER_HZ, LINE, TRUNK, House
from tests.real.waiting import until

HERE, THERE = "10.77.0.1", "10.77.0.2"
NAME = "hotline.test"
AGENT_HZ = 1370.0
NUMBER = "13811112222"

# Both ends of the cable, then what is to run at the hotline's; `FAR` is a process at the other.
NETWORK = f"""set -e
setpriv --pdeathsig KILL unshare --net sleep infinity > /dev/null 2>&1 &
far=$!
until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link set lo up
ip link add here type veth peer name there netns $far
ip address add {HERE}/24 dev here
ip link set here up
nsenter --target $far --net ip address add {THERE}/24 dev there
nsenter --target $far --net ip link set there up
export FAR=$far
"$@" || status=$?
kill $far
exit ${{status:-0}}
"""


def own_network(*command: str) -> list[str]:
    """The command line that runs `command` so; an ordinary user is master of a user namespace first."""
    as_master = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    return ["unshare", *as_master, "--net", "sh", "-c", NETWORK, "sh", *command]


def over_there(*command: str) -> list[str]:
    """The command line that runs `command` on the other PC."""
    return ["nsenter", "--target", os.environ["FAR"], "--net", *command]


class Pc:
    """The other PC: its own home folder, so its own trust store."""

    def __init__(self, folder: Path, playwright: Playwright, voice: Path) -> None:
        self.home, self.playwright, self.voice = folder, playwright, voice
        self.store = folder / ".pki/nssdb"
        self.store.mkdir(parents=True)
        self._certutil("-N", "--empty-password")
        self.chromium = folder / "chromium"
        self.chromium.write_text('#!/bin/sh\nexec nsenter --target "$FAR" --net /usr/bin/chromium "$@"\n')
        self.chromium.chmod(0o755)

    def trust(self, certificate: bytes) -> None:
        """As docs/howto/another-pc.md has it done."""
        (self.home / "ca.crt").write_bytes(certificate)
        self._certutil("-A", "-n", "hotline", "-t", "C,,", "-i", str(self.home / "ca.crt"))

    def _certutil(self, *words: str) -> None:
        program = shutil.which("certutil")
        assert program, "certutil is missing: apt-get install libnss3-tools, or run script/setup --tests"
        subprocess.run([program, "-d", f"sql:{self.store}", *words], check=True, capture_output=True)

    def browser(self) -> Browser:
        return self.playwright.chromium.launch(
            executable_path=str(self.chromium),
            env={**os.environ, "HOME": str(self.home)},
            args=[
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={self.voice}",
                "--autoplay-policy=no-user-gesture-required",
                f"--host-resolver-rules=MAP {NAME} {HERE}",
                "--disable-gpu",
                "--no-sandbox",
            ],
        )

    def run(self, *command: str) -> str:
        done = subprocess.run(over_there(*command), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def reaches(self, *ports: int) -> dict[str, bool]:
        """Which of the hotline's TCP ports this PC can open."""
        found = json.loads(self.run(sys.executable, "-m", __spec__.name, "knock", *map(str, ports)))
        assert isinstance(found, dict)
        return found


def knock(*ports: str) -> None:
    """On the other PC: is anybody behind these ports?"""
    found = {}
    for port in ports:
        with closing(socket.socket()) as door:
            door.settimeout(5)
            found[port] = door.connect_ex((HERE, int(port))) == 0
    print(json.dumps(found))


def fetch(port: str) -> None:
    """On the other PC, which trusts nobody yet: the authority's certificate, asked for by plain HTTP."""
    plain = http.client.HTTPConnection(HERE, int(port), timeout=10)
    plain.request("GET", "/hotline-ca.crt")
    answer = plain.getresponse()
    place = answer.getheader("Location", "")
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    secure = http.client.HTTPSConnection(HERE, int(port), timeout=10, context=blind)
    secure.request("GET", "/hotline-ca.crt")
    body = secure.getresponse().read().decode()
    print(json.dumps({"status": answer.status, "location": place, "body": body}))


def served(port: int) -> str:
    """SHA-256 of the certificate that new connections to this port meet."""
    return sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((HERE, port)))).hexdigest()


class Visit:
    """One visit from another PC, from the first certificate to the end of a call."""

    def __init__(self, city: City, house: House, pc: Pc, tls_port: int) -> None:
        self.city, self.house, self.pc, self.tls_port = city, house, pc, tls_port
        self.web_port = city.ports["WEB_PORT"]
        self.base = f"https://{NAME}:{self.web_port}"
        self.found: dict[str, Any] = {}

    def run(self, stack: ExitStack) -> dict[str, Any]:
        made = self.command("cert", "--name", NAME, "--name", HERE, "--json")
        self.house.up()
        self.found["announced"] = self.base in (self.house.running.said if self.house.running else "")
        self._trust(made["authority_sha256"], stack)
        agent = self._log_in(stack)
        call = self._talk(agent)
        self._renew(agent, call)
        call.hang_up()
        self._knock()
        self.found["check"] = self.command("check", "--json")["findings"]
        agent.page.click("[data-act=duty][data-value=off]")
        self.found["without_udp"] = self._without_udp()
        self.found["browser_errors"] = [word for word in agent.words if word.startswith("error")]
        return self.found

    def command(self, *words: str) -> dict[str, Any]:
        done = self.city.command(*words)
        assert done.stdout.startswith("{"), done.stderr
        document = json.loads(done.stdout)
        assert isinstance(document, dict)
        return document

    def _trust(self, fingerprint: str, stack: ExitStack) -> None:
        """A PC that does not know the authority is warned; then it takes it in from the desk."""
        stranger = self.pc.browser()
        page = stranger.new_page()
        try:
            page.goto(f"{self.base}/login")
            self.found["stranger"] = "let in"
        except Exception as why:
            self.found["stranger"] = str(why).splitlines()[0]
        stranger.close()
        got = json.loads(self.pc.run(sys.executable, "-m", __spec__.name, "fetch", str(self.web_port)))
        self.found["redirect"] = (got["status"], got["location"])
        mark = sha256(ssl.PEM_cert_to_DER_cert(got["body"])).hexdigest().upper()
        self.found["authority_as_told"] = mark == fingerprint.replace(":", "")
        self.pc.trust(got["body"].encode())

    def _log_in(self, stack: ExitStack) -> Seat:
        browser = self.pc.browser()
        stack.callback(browser.close)
        context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
        agent = Seat(context, self.base, "agent1")
        agent.page.add_init_script(EARS)
        sockets: list[str] = []
        agent.page.on("websocket", lambda one: sockets.append(one.url))
        agent.log_in(DEMO_PASSWORD)
        agent.go_ready()
        self.found["sockets"] = sockets
        self.found["secure_context"] = agent.page.evaluate("isSecureContext && !!navigator.mediaDevices")
        self.found["cookies"] = {one["name"]: one["secure"] for one in context.cookies()}
        return agent

    def _talk(self, agent: Seat) -> SippCall:
        call = SippCall(
            self.pc.home, ("127.0.0.1", self.city.ports["SIP_PORT"]), LINE, NUMBER, CALLER_HZ, TRUNK
        ).answered()
        agent.rings()
        agent.page.keyboard.press("Alt+a")
        agent.says("通话中")
        self.found["talk"] = self._both_voices(agent, call)
        return call

    def _both_voices(self, agent: Seat, call: SippCall) -> dict[str, Any]:
        def heard() -> bool:
            ear = agent.page.evaluate("ears.at(-1)?.() ?? { hz: 0, db: -120 }")
            return bool(abs(ear["hz"] - CALLER_HZ) < 8 and ear["db"] > -40)

        until(heard, "the caller's voice in the browser")
        until(lambda: call.media.hears(AGENT_HZ, above_db=-45), "the agent's voice at the caller")
        ear = agent.page.evaluate("ears.at(-1)()")
        return {"agent_hears": ear, "caller_hears_db": audio.level_db(call.media.last(0.5), AGENT_HZ)}

    def _renew(self, agent: Seat, call: SippCall) -> None:
        """In the middle of the call: desk and Asterisk serve the new certificate, and nobody notices."""
        ports = (self.web_port, self.tls_port)
        before = {served(port) for port in ports}
        connected = len(self.found["sockets"])
        self.command("cert", "--days", "90", "--json")
        until(lambda: all(served(port) not in before for port in ports), "the renewed certificate")
        self.found["one_certificate"] = len(before) == 1 and len({served(port) for port in ports}) == 1
        self.found["talk_after_renewal"] = self._both_voices(agent, call)
        self.found["same_socket"] = len(self.found["sockets"]) == connected

    def _without_udp(self) -> list[dict[str, Any]]:
        """What the lab's check finds whose browser is on this PC, behind a firewall that lets TCP pass."""
        rules = ("add pref 1 lookup local", "del pref 0", "add pref 0 iif here ipproto udp blackhole")
        for rule in rules:
            subprocess.run(["ip", "rule", *rule.split()], check=True)
        path = f"{self.pc.chromium.parent}:{os.environ['PATH']}"
        done = self.city.command("lab", "check", "--json", HOTLINE_BIND=HERE, PATH=path)
        found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
        return found

    def _knock(self) -> None:
        ports = self.city.ports
        names = {"desk": self.web_port, "phones": self.tls_port, "sip": ports["SIP_PORT"]}
        closed = {"agi": ports["AGI_PORT"], "ami": ports["AMI_PORT"], "http": ports["ASTERISK_HTTP_PORT"]}
        open_to_all = self.pc.reaches(*names.values(), *closed.values())
        self.found["reaches"] = {name: open_to_all[str(port)] for name, port in (names | closed).items()}


def visit() -> None:
    with ExitStack() as stack:
        city = stack.enter_context(new_city())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        playwright = stack.enter_context(sync_playwright())
        tls_port = 8089  # in a network of our own every port is free
        city.environment |= {"HOTLINE_BIND": "0.0.0.0", "HOTLINE_ASTERISK_TLS_PORT": str(tls_port)}
        audio.write_wav(folder / "voice.wav", audio.tone(AGENT_HZ, 10.0))
        house = House(city, playwright, folder)
        stack.callback(house.close)
        house.menu_off()
        pc = Pc(folder / "pc", playwright, folder / "voice.wav")
        print(json.dumps(Visit(city, house, pc, tls_port).run(stack)))


ACTS: dict[str, Callable[..., None]] = {"visit": visit, "knock": knock, "fetch": fetch}

if __name__ == "__main__":
    ACTS[sys.argv[1]](*sys.argv[2:])
