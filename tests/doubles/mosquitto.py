"""Debian's `mosquitto` as a child process on a free loopback port."""

import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from watcher.testing.ports import free_port

PROGRAM = "/usr/sbin/mosquitto"
DYNAMIC_SECURITY = str(next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), "missing"))
# It accepts within 15 ms on an idle machine.
START_SECONDS = 10.0
STOP_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class Mosquitto:
    """One process. Its port, its sessions and what waits in them survive `stop` and `start`, and `kill` as far as they are `saved`.

    `log` has a line for every packet: `Received PUBACK from CLIENT (Mid: 1, RC:0)`.
    """

    port: int
    directory: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> str:
        return (self.directory / "mosquitto.log").read_text(errors="replace")

    @property
    def saved(self) -> bytes:
        """What it has on its disk; payloads are in it as they are."""
        file = self.directory / "mosquitto.db"
        return file.read_bytes() if file.exists() else b""

    def start(self) -> None:
        """Returns once it accepts connections.

        Raises:
            RuntimeError: it ended at once, or accepted nothing within START_SECONDS; with the end of its log.
        """
        with (self.directory / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "-c", str(self.directory / "mosquitto.conf")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.005)  # there is nothing to wait on but the port itself
            else:
                return
        self.kill()
        raise RuntimeError(f"mosquitto did not start: {self.log[-2000:]}")

    def set_password(self, username: str, password: str) -> None:
        """Known from its next start on."""
        command = ["mosquitto_passwd", "-b", str(self.directory / "passwords"), username, password]
        subprocess.run(command, check=True, timeout=10)

    def stop(self) -> None:
        """SIGTERM and wait: it writes down every session."""
        if self.process is not None:
            self.process.terminate()
            self._wait()

    def save(self) -> None:
        """Make it write down every session. It does so by itself at some changes; a message that arrives is none of them."""
        assert self.process is not None
        self.process.send_signal(signal.SIGUSR1)

    def kill(self) -> None:
        """SIGKILL: what it acknowledged to publishers since it last wrote to its disk is lost."""
        if self.process is not None:
            self.process.kill()
            self._wait()

    def _wait(self) -> None:
        process, self.process = self.process, None
        assert process is not None
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Files in PEM, all of one authority: `ca`, the broker's for 127.0.0.1, and one for a client."""

    ca: Path
    broker: Path
    broker_key: Path
    client: Path
    client_key: Path


def start_mosquitto(
    directory: Path,
    *,
    password: tuple[str, str] | None = None,
    certificates: Certificates | None = None,
    asks_for_certificate: bool = False,
    settings: tuple[str, ...] = (),
) -> Mosquitto:
    """A broker that keeps its sessions in `directory`.

    `password` is the only user's name and password, else anybody may connect. `certificates` make it speak TLS only, and
    `asks_for_certificate` wants one of the client as well. `settings` are further lines of its configuration.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    lines = [
        f"listener {port} 127.0.0.1",
        f"allow_anonymous {str(password is None).lower()}",
        "persistence true",
        f"persistence_location {directory}/",
        "autosave_interval 1",
        "autosave_on_changes true",
        "max_queued_messages 100000",
        "set_tcp_nodelay true",
        f"log_dest file {directory / 'mosquitto.log'}",
        "log_type all",
    ]
    if os.geteuid() == 0:
        lines.append("user root")  # else it becomes `mosquitto`, who may not write here
    if password is not None:
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(directory / "passwords"), *password], check=True, timeout=10)
        lines.append(f"password_file {directory / 'passwords'}")
    if certificates is not None:
        lines += [f"cafile {certificates.ca}", f"certfile {certificates.broker}", f"keyfile {certificates.broker_key}"]
        lines.append(f"require_certificate {str(asks_for_certificate).lower()}")
    (directory / "mosquitto.conf").write_text("\n".join([*lines, *settings, ""]))
    running = Mosquitto(port=port, directory=directory)
    running.start()
    return running


def may_subscribe(file: Path, pattern: str, *, password: str) -> tuple[str, ...]:
    """Configuration of mosquitto's own plugin: the user `watcher` may publish anything and subscribe to `pattern`."""
    salt = b"salt-of-12-b"
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    user = {
        "username": "watcher",
        "password": base64.b64encode(hashed).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": 101,
        "roles": [{"rolename": "reader"}],
    }
    allowed = [("subscribePattern", pattern), ("publishClientSend", "#"), ("publishClientReceive", "#")]
    acls = [{"acltype": kind, "topic": topic, "allow": True} for kind, topic in allowed]
    defaults = {"publishClientSend": False, "publishClientReceive": False, "subscribe": False, "unsubscribe": True}
    content = {"defaultACLAccess": defaults, "clients": [user], "roles": [{"rolename": "reader", "acls": acls}]}
    file.write_text(json.dumps(content))
    return (f"plugin {DYNAMIC_SECURITY}", f"plugin_opt_config_file {file}")


def issue_certificates(directory: Path, *, broker_days: float = 1.0, client_days: float = 1.0) -> Certificates:
    """New ones. A broker's or client's that is valid for less than no days has expired."""
    directory.mkdir(parents=True, exist_ok=True)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate(ca_key, "Test CA", days=10.0, issuer=None)
    (directory / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    for name, days in (("broker", broker_days), ("client", client_days)):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(key, name, days=days, issuer=(ca, ca_key))
        (directory / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (directory / f"{name}.key").write_bytes(written)
    return Certificates(
        ca=directory / "ca.pem",
        broker=directory / "broker.pem",
        broker_key=directory / "broker.key",
        client=directory / "client.pem",
        client_key=directory / "client.key",
    )


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    *,
    days: float,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    )
    return builder.sign(key if issuer is None else issuer[1], hashes.SHA256())
