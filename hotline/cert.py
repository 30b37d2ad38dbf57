"""The certificate under which desk and browser phones speak TLS, and the local authority that signs it.

All in one folder (Home.tls): `ca.crt` is public and goes to every PC, `ca.key` never leaves; `server.pem`
holds the server's key and then its chain, in one file so that no reader meets halves of two.
"""

import contextlib
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from storage.whole import write_whole

MOST_DAYS = 825  # browsers refuse a server certificate that is meant to last longer
SOON = timedelta(days=30)  # time enough to bring another one to every PC
CA_DAYS = 3650
SKEW = timedelta(hours=1)  # a PC whose clock is a little behind
LOOPBACK = ("localhost", "127.0.0.1", "::1")
PRIVATE = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
DNS_NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
REPLACE = "hotline cert"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class CertError(RuntimeError):
    """A certificate cannot be made, taken or used; the text ends with `: ` and the remedy."""


@dataclass(frozen=True)
class Held:
    """What lies in `server.pem`: a certificate whose key fits."""

    certificate: x509.Certificate
    ours: bool  # signed by the authority in this folder

    @property
    def names(self) -> list[str]:
        """The host names and addresses that it is good for."""
        return _names(self.certificate)

    @property
    def ends_at(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def covers(self, host: str) -> bool:
        """Would a browser that opened `host` accept this name?"""
        host = host.lower()
        wildcard = f"*.{host.partition('.')[2]}"
        return host in self.names or (not _address(host) and wildcard in self.names)

    def fault(self, now: datetime) -> str:
        """Why browsers refuse it now or soon; empty when they do not."""
        if now < self.certificate.not_valid_before_utc:
            return (
                f"the certificate begins only at {self.certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            )
        if now >= self.ends_at:
            return f"the certificate ended on {self.ends_at:%Y-%m-%d}"
        if now + SOON >= self.ends_at:
            return f"the certificate ends on {self.ends_at:%Y-%m-%d}"
        return ""

    @property
    def renewal(self) -> str:
        """The command that brings a fresh one."""
        return REPLACE if self.ours else "hotline cert --take CERT KEY with the renewed one"


@dataclass(frozen=True)
class Keeper:
    """The certificates of one folder."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def ca_key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def server(self) -> Path:
        return self.folder / "server.pem"

    def held(self) -> Held | None:
        """The certificate in use, None when there is none. CertError when it cannot be used."""
        if not self.server.exists():
            return None
        try:
            pem = self.server.read_bytes()
            key, chain = _key(pem), x509.load_pem_x509_certificates(pem)
        except (OSError, ValueError, TypeError) as why:
            raise CertError(f"{self.server} cannot be read ({why}): {REPLACE}") from why
        _require_fit(chain[0], key, f"{self.server}: {REPLACE}")
        return Held(chain[0], self._signed_by_us(chain[0]))

    def fingerprint(self) -> str:
        """SHA-256 of the authority's certificate as browsers show it; empty when there is none."""
        if not self.ca.exists():
            return ""
        made = x509.load_pem_x509_certificate(self.ca.read_bytes()).fingerprint(hashes.SHA256())
        return made.hex(":").upper()

    def make(self, names: Sequence[str], days: int, now: datetime, *, new_ca: bool = False) -> Held:
        """A server certificate for `names` (none: those it has, else this machine's), signed by our own
        authority, which is made first where there is none. CertError names what is in the way."""
        present = self._present()
        if present and not present.ours and not names:
            raise CertError(
                "the certificate in use is one that you brought: take its renewed one with --take, "
                "or name what one of our own should be for with --name"
            )
        if not 1 <= days <= MOST_DAYS:
            raise CertError(f"{days} days: browsers want at least 1 and at most {MOST_DAYS}")
        wanted = _wanted(names or (present.names if present and not new_ca else machine_names()))
        if new_ca or not self.ca.exists():
            self._make_ca(wanted, now)
        ca, ca_key = self._authority(now)
        _require_permitted(ca, wanted)
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(key, [_leaf(wanted, key, ca, ca_key, now, now - SKEW + timedelta(days=days))])
        held = self.held()
        assert held
        return held

    def take(self, cert: Path, key: Path, now: datetime) -> Held:
        """The operator's own certificate (PEM, its chain after it) and key, after checking them."""
        try:
            chain, private = x509.load_pem_x509_certificates(cert.read_bytes()), _key(key.read_bytes())
        except (OSError, ValueError) as why:
            raise CertError(f"{cert} and {key} cannot be read ({why}): give them as PEM files") from why
        except TypeError as why:
            raise CertError(f"{key} has a password: give it without, as nobody is there to type it") from why
        _require_fit(chain[0], private, f"{cert} and {key}: the server's own certificate comes first in CERT")
        if not _names(chain[0]):
            raise CertError(f"{cert} names no host or address (subjectAltName): have it issued with one")
        _require_for_servers(chain[0], cert)
        if not chain[0].not_valid_before_utc <= now < chain[0].not_valid_after_utc:
            begins, ends = chain[0].not_valid_before_utc, chain[0].not_valid_after_utc
            raise CertError(f"{cert} is good from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}: take one that is now")
        self._write(private, chain)
        return Held(chain[0], self._signed_by_us(chain[0]))

    # -- the authority ------------------------------------------------------------------------------

    def _present(self) -> Held | None:
        with contextlib.suppress(CertError):  # a damaged one is about to be replaced
            return self.held()
        return None

    def _signed_by_us(self, certificate: x509.Certificate) -> bool:
        if not self.ca.exists():
            return False
        try:
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(self.ca.read_bytes()))
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def _authority(self, now: datetime) -> tuple[x509.Certificate, CertificateIssuerPrivateKeyTypes]:
        try:
            ca, key = x509.load_pem_x509_certificate(self.ca.read_bytes()), _key(self.ca_key.read_bytes())
        except (OSError, ValueError, TypeError) as why:
            raise CertError(f"{self.ca} and its key cannot be read ({why}): {REPLACE} --new-ca") from why
        _require_fit(ca, key, f"{self.ca} and {self.ca_key}: {REPLACE} --new-ca")
        if now + SOON >= ca.not_valid_after_utc:
            raise CertError(f"{self.ca} ends on {ca.not_valid_after_utc:%Y-%m-%d}: {REPLACE} --new-ca")
        return ca, key

    def _make_ca(self, names: Sequence[str], now: datetime) -> None:
        """Limited to these names and to private networks, so that its theft opens no other site."""
        key = ec.generate_private_key(ec.SECP256R1())
        mark = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        title = f"Hotline {socket.gethostname()[:30]} {mark.digest.hex()[:8]}"  # two are told apart
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
        made = (
            _certificate(subject, subject, key, now, now + timedelta(days=CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(mark, critical=False)
            .add_extension(x509.NameConstraints(_permitted(names), None), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_whole(self.ca_key, _pem_key(key))
        write_whole(self.ca, made.public_bytes(serialization.Encoding.PEM), mode=0o644)

    def _write(self, key: CertificateIssuerPrivateKeyTypes, chain: Iterable[x509.Certificate]) -> None:
        pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
        write_whole(self.server, _pem_key(key) + pem)


def machine_names() -> list[str]:
    """This machine's host name and addresses, and those of the loopback."""
    return [socket.gethostname().lower(), *machine_addresses(), *LOOPBACK]


def machine_addresses() -> list[str]:
    """The addresses under which other machines may reach this one."""
    found = [one.address for each in psutil.net_if_addrs().values() for one in each]
    addresses = [address for one in found if (address := _address(one))]
    return [str(one) for one in addresses if not (one.is_loopback or one.is_link_local)]


def _wanted(names: Iterable[str]) -> list[str]:
    """As they go into a certificate; the loopback always, for checks and browsers on this machine."""
    wanted = []
    for name in (*names, *LOOPBACK):
        plain = str(_address(name) or name.strip().lower().rstrip("."))
        if not _address(plain) and (len(plain) > 253 or not DNS_NAME.fullmatch(plain)):
            raise CertError(
                f"{name!r} is no host name or address: write e.g. hotline.example.cn or 192.168.1.5"
            )
        wanted.append(plain)
    return list(dict.fromkeys(wanted))


def _address(text: str) -> Address | None:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(text)
    return None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = found.get_values_for_type(x509.IPAddress)
    return [*(n.lower() for n in found.get_values_for_type(x509.DNSName)), *map(str, addresses)]


def _permitted(names: Sequence[str]) -> list[x509.GeneralName]:
    nets = [ipaddress.ip_network(net) for net in PRIVATE]
    public = [ipaddress.ip_network(a) for n in names if (a := _address(n)) and not _inside(a, nets)]
    hosts = [name.removeprefix("*.") for name in names if not _address(name)]
    return [*map(x509.DNSName, hosts), *map(x509.IPAddress, [*nets, *public])]


def _inside(address: Address, nets: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(net.version == address.version and address in net for net in nets)


def _require_permitted(ca: x509.Certificate, names: Iterable[str]) -> None:
    limits = ca.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    hosts = [one.value for one in limits if isinstance(one, x509.DNSName)]
    nets = [ipaddress.ip_network(str(one.value)) for one in limits if isinstance(one, x509.IPAddress)]
    for name in names:
        address, plain = _address(name), name.removeprefix("*.")
        within = any(plain == host or plain.endswith(f".{host}") for host in hosts)
        if not (_inside(address, nets) if address else within):
            raise CertError(
                f"our authority may not sign for {name}, only for {', '.join(hosts)} and private addresses: "
                f"{REPLACE} --new-ca with every --name makes another, which each PC has to take in anew"
            )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - SKEW)
        .not_valid_after(ends)
    )


def _leaf(
    names: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: CertificateIssuerPrivateKeyTypes,
    now: datetime,
    ends: datetime,
) -> x509.Certificate:
    alternatives = [x509.IPAddress(a) if (a := _address(n)) else x509.DNSName(n) for n in names]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    mark = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _certificate(subject, ca.subject, key, now, min(ends, ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(own, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(mark), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key(pem: bytes) -> CertificateIssuerPrivateKeyTypes:
    """The private key in a PEM text. ValueError when there is none, TypeError when it has a password."""
    found = serialization.load_pem_private_key(pem, password=None)
    if not hasattr(found, "sign"):
        raise ValueError("its key cannot sign")
    return found  # type: ignore[return-value]


def _pem_key(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _require_fit(certificate: x509.Certificate, key: CertificateIssuerPrivateKeyTypes, told: str) -> None:
    if certificate.public_key() != key.public_key():
        raise CertError(f"certificate and key do not belong together in {told}")


def _require_for_servers(certificate: x509.Certificate, file: Path) -> None:
    with contextlib.suppress(x509.ExtensionNotFound):
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.SERVER_AUTH not in uses:
            raise CertError(f"{file} is not for servers: have it issued for TLS servers (serverAuth)")
