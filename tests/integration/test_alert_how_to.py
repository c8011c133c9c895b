"""docs/how-to/alert-on-noncompliant-pushes.md, typed as it stands: an image with a key in it leads to a message and a mail."""

import asyncio
import os
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from tests.doubles.chat_hosts import ChatHosts, chat_hosts
from tests.doubles.post_office import PostOffice, post_office
from watcher.testing.ports import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "alert-on-noncompliant-pushes.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SLACK = "hooks.slack.com"
# Whoever types does not wait for these.
SERVERS = ("docker-registry serve", "watcher run")
LONGEST_SECONDS = 60.0


@dataclass(kw_only=True)
class Terminal:
    """One shell after the other in a folder, with what was exported; servers run until the end."""

    folder: Path
    places: dict[str, str]
    exported: dict[str, str] = field(default_factory=dict)
    servers: list[asyncio.subprocess.Process] = field(default_factory=list)

    def here(self, text: str) -> str:
        """What the page says, at the addresses of this test."""
        for place, ours in self.places.items():
            text = re.sub(rf"(?<!\w){re.escape(place)}", ours, text)
        return text

    async def type(self, command: str) -> str:
        """Gives what it printed."""
        command = self.here(command)
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.exported[name] = value.strip("'")
            return ""
        if command.startswith(SERVERS):
            with (self.folder / "servers.log").open("ab") as log:
                self.servers.append(await self._begun(f"exec {command}", log))
            return ""
        process = await self._begun(command, asyncio.subprocess.PIPE)
        async with asyncio.timeout(LONGEST_SECONDS):
            printed, _ = await process.communicate()
        assert process.returncode == 0, f"$ {command}\n{printed.decode()}"
        return printed.decode()

    async def _begun(self, command: str, output: IO[bytes] | int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            "bash",
            "-ec",
            command,
            cwd=self.folder,
            env={**os.environ, **self.exported},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )


@asynccontextmanager
async def terminal(folder: Path, mail_port: int) -> AsyncIterator[Terminal]:
    """With the `watcher` of this environment in its path, and everything that the page names at a free port."""
    (folder / "bin").mkdir()
    (folder / "bin" / "watcher").write_text(f'#!/bin/sh\nexec {sys.executable} -m watcher "$@"\n')
    (folder / "bin" / "watcher").chmod(0o755)
    places = {
        "localhost:5000": f"localhost:{free_port()}",
        "127.0.0.1:8080": f"127.0.0.1:{free_port()}",
        "localhost:25?": f"localhost:{mail_port}?",
    }
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    opened = Terminal(folder=folder, places=places, exported={"PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])})
    try:
        yield opened
    finally:
        for server in opened.servers:
            with suppress(ProcessLookupError):
                server.terminate()
        await asyncio.gather(*(server.wait() for server in opened.servers))


async def answering(address: str) -> None:
    """Until something listens there."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(LONGEST_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return writer.close()


async def follow(shell: Terminal) -> None:
    """Every step of the page but the installation, until the image is pushed."""
    steps = PAGE.partition("\n## ")[0].partition("Within seconds")[0]
    for kind, text in BLOCK.findall(steps):
        lines = [line.removeprefix("   ") for line in text.splitlines()]
        if kind == "yaml":
            await written(shell, "\n".join(lines))
            continue
        for command in (line.removeprefix("$ ") for line in lines if line.startswith("$ ")):
            if command.startswith("sudo apt-get"):
                continue
            printed = await shell.type(command)
            if command.startswith("watcher init"):
                secret = re.search(r"Bearer (\w+)", printed)
                assert secret is not None, printed
                shell.places["SECRET"] = secret[1]
                prefix = f"server: {{port: {shell.places['127.0.0.1:8080'].rpartition(':')[2]}}}\n"
                configuration = shell.folder / "watcher.yaml"
                configuration.write_text(prefix + configuration.read_text())
            if command.startswith(SERVERS):
                await answering(shell.places["127.0.0.1:8080" if command.startswith("watcher") else "localhost:5000"])


async def written(shell: Terminal, text: str) -> None:
    """The registry's configuration, or the destinations in the place of the watcher's."""
    if text.startswith("publish:"):
        path = shell.folder / "watcher.yaml"
        path.write_text(re.sub(r"(?m)^publish:.*$", lambda _: text, path.read_text()))
    else:
        (shell.folder / "registry.yml").write_text(shell.here(text))


async def told(chat: ChatHosts, office: PostOffice, count: int) -> None:
    async with asyncio.timeout(LONGEST_SECONDS):
        while len(chat.posted) < count or len(office.letters) < count:
            await asyncio.sleep(0.05)


@pytest.mark.enable_socket
async def test_from_nothing_to_a_message_and_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples first, then the key; and the message is the one that the page shows."""
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(chat_hosts(tmp_path, monkeypatch, [SLACK]))
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        office = PostOffice()
        port = await stack.enter_async_context(post_office(office))
        shell = await stack.enter_async_context(terminal(tmp_path, port))
        await follow(shell)
        await told(chat, office, 2)
        title, over = (shell.here(text.strip()) for kind, text in BLOCK.findall(PAGE) if kind == "text")
        assert [each.host for each in chat.posted] == [SLACK, SLACK]
        sample, message = (each.body.decode() for each in chat.posted)
        assert "sample" in sample
        assert title in message
        assert "/root/.aws/credentials" in message
        assert "Revoke the key now" in message
        assert office.letter(1)["subject"] == title
        # Nothing is new in the same image by another name.
        await shell.type("skopeo copy --dest-tls-verify=false oci:leaky:v1 docker://localhost:5000/team/leaky:v2")
        async with asyncio.timeout(LONGEST_SECONDS):
            while rows(tmp_path, "SELECT outcome FROM verdict") != ["fail", "fail"]:
                await asyncio.sleep(0.05)
        assert rows(tmp_path, "SELECT state FROM publication WHERE publisher IN ('chat', 'mail')") == ["published", "published"]
        (fix,) = [text for kind, text in BLOCK.findall(PAGE) if kind == "console" and "leaky:v2 docker" in text]
        for command in fix.splitlines():
            await shell.type(command.removeprefix("$ "))
        await told(chat, office, 3)
        assert over in chat.posted[2].body.decode()
        assert office.letter(2)["subject"] == over
        assert await shell.type("watcher dead-letters list -o json") == ""


def rows(folder: Path, statement: str) -> list[str]:
    with closing(sqlite3.connect(folder / "watcher.db")) as connection:
        return [str(row[0]) for row in connection.execute(statement)]
