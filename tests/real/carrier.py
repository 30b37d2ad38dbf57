"""A carrier of one's own: a second Asterisk that registers us by digest, calls us and takes our calls."""

from pathlib import Path

from telephony.asterisk import AsteriskBinary, AsteriskServer
from telephony.config import MODULES
from tests.real.phone import Phone
from tests.real.ports import free_port, free_range

ADDRESS, SUBSCRIBER = "127.0.0.4", "127.0.0.5"
ACCOUNT, SECRET = "hotline-962299", "a-carriers-secret"

FILES = {
    "asterisk.conf": """
[directories]
astetcdir => {folder}/etc
astmoddir => {modules}
astvarlibdir => {folder}/lib
astdbdir => {folder}/lib
astkeydir => {folder}/lib
astdatadir => {data}
astspooldir => {folder}/spool
astrundir => {folder}/run
astlogdir => {folder}/log
""",
    "modules.conf": "[modules]\nautoload = no\n{loads}\n",
    "rtp.conf": "[general]\nrtpstart = {rtp}\nrtpend = {rtp_end}\n",
    "extensions.conf": """
[of-the-public]
exten => _X.,1,Dial(PJSIP/{account},60)
[of-the-hotline]
exten => 12345,1,Dial(PJSIP/12345@public,60)
""",
    "pjsip.conf": """
[global]
type = global
endpoint_identifier_order = ip,username
[udp]
type = transport
protocol = udp
bind = {address}:{port}

[{account}]
type = endpoint
context = of-the-hotline
disallow = all
allow = alaw
direct_media = no
aors = {account}
auth = {account}
[{account}]
type = auth
auth_type = digest
username = {account}
password = {secret}
[{account}]
type = aor
max_contacts = 1
remove_existing = yes
minimum_expiration = 10
; Its registrations pass soon, so that a test of them does too.
maximum_expiration = 25

[public]
type = endpoint
context = of-the-public
disallow = all
allow = alaw
direct_media = no
aors = public
[public]
type = aor
contact = sip:{subscriber}:{office_port}
[public]
type = identify
endpoint = public
match = {subscriber}
""",
}


class Carrier:
    """`register` is what HOTLINE_TRUNK_REGISTER says of it. `folder` short, as for the lab."""

    def __init__(self, folder: Path, binary: AsteriskBinary) -> None:
        self.port, self.office_port = free_port(ADDRESS), free_port(SUBSCRIBER)
        self.server_name = f"{ADDRESS}:{self.port}"
        self.register = f"{ACCOUNT}:{SECRET}@{self.server_name}"
        rtp = free_range(100)
        words = {
            "folder": folder,
            "modules": binary.modules,
            "data": binary.data,
            "loads": "\n".join(f"load = {name}.so" for name in MODULES),
            "rtp": rtp,
            "rtp_end": rtp + 99,
            "address": ADDRESS,
            "port": self.port,
            "office_port": self.office_port,
            "subscriber": SUBSCRIBER,
            "account": ACCOUNT,
            "secret": SECRET,
        }
        for name in ("etc", "lib", "spool", "run", "log"):
            (folder / name).mkdir(parents=True)
        (folder / "lib/documentation").symlink_to(binary.data / "documentation")
        for name, text in FILES.items():
            (folder / "etc" / name).write_text(text.format(**words))
        self.database = folder / "lib/astdb.sqlite3"
        self.server = AsteriskServer(binary, folder / "etc", folder / "run", folder / "log/asterisk.out")

    def subscriber(self, hz: float) -> Phone:
        """Somebody with a telephone; at the carrier's only office port it is 12345 too."""
        return Phone((ADDRESS, self.port), "subscriber", "", hz, SUBSCRIBER, self.office_port)

    @property
    def knows_us(self) -> bool:
        """We are registered here."""
        return f"{ACCOUNT}/sip:" in self.server.cli("pjsip show contacts")

    def lose_its_memory(self) -> None:
        """As after a crash of the carrier's registrar: it starts again and knows nobody."""
        self.server.stop()
        self.database.unlink(missing_ok=True)
        self.server.start()
