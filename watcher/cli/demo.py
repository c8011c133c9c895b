"""`watcher demo`: a registry and the daemon in one process, four pushes, four verdicts. Offline, and gone without a trace."""

import asyncio
import secrets
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from watcher import settings as configuration
from watcher.backlog.protocol import EventRow
from watcher.cli.demo_advisories import write_advisories
from watcher.cli.demo_images import CASES, ROGUE_BASE, TRUSTED_BASE, Case, base_image, rogue_image
from watcher.cli.options import config_option, log_level
from watcher.cli.terminal import console, is_terminal, show_verdict
from watcher.daemon import Daemon, assembled
from watcher.kit.clock import utc_now
from watcher.kit.telemetry import configure_logging
from watcher.model.reference import RepositoryName, Tag
from watcher.model.verdict import Outcome, Verdict
from watcher.publishing.protocol import Progress
from watcher.registry.access import RegistryClients
from watcher.registry.settings import RegistrySettings
from watcher.testing.images import push_image, put_image
from watcher.testing.notifications import Endpoint
from watcher.testing.ports import free_port
from watcher.testing.registry import MemoryRegistry, serve_registry

# A cold start compiles policies and secret rules; the four verdicts then take less than a second.
VERDICT_SECONDS = 60.0
HOOK = "/hooks/demo"
OWN_WRITE = "published-by-us"

CONFIGURATION = """\
# Written by `watcher demo`. The registry lives in the demo's memory, so this works only while it runs.
server: {{port: {port}}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
registries: [{{host: "{registry}"}}]
sources: [{{name: demo, type: webhook, dialect: distribution, auth: {{type: bearer, secret: "file:{folder}/hook-secret"}}}}]
policies: {{packs: [baseline, vulnerabilities], lists: {{trusted_bases: ["{registry}/base/**"]}}}}
publish: [{{type: referrer}}]
"""


class DemoPublisher:
    """A Publisher that prints each verdict once and remembers it by repository."""

    name = "terminal"

    def __init__(self, shown: Console) -> None:
        self._shown = shown
        self._printed: set[str] = set()
        self.outcomes: dict[str, Outcome] = {}
        # Repositories whose verdict came back from the registry as an event.
        self.returned: set[str] = set()
        self.arrived = asyncio.Condition()

    async def open(self) -> None:
        """A terminal is there."""

    async def aclose(self) -> None:
        """And stays."""

    async def publish(self, verdict: Verdict, progress: Progress) -> None:  # noqa: ARG002  one step
        if verdict.id in self._printed:
            return
        self._printed.add(verdict.id)
        self._shown.print()
        show_verdict(verdict)
        async with self.arrived:
            self.outcomes[verdict.subject.repository] = verdict.outcome
            self.arrived.notify_all()

    async def came_back(self, repository: str) -> None:
        """What the watcher attached to an image there was told to it by the registry."""
        async with self.arrived:
            self.returned.add(repository)
            self.arrived.notify_all()


@click.command()
@click.option("--exit", "leave", is_flag=True, help="End after the last verdict; 0 when all are as expected.")
@config_option
def demo(leave: bool) -> None:
    """See it work: a registry, four pushes, four verdicts; offline, nothing else needed."""
    shown = console()
    configure_logging(level=log_level("error"))
    with tempfile.TemporaryDirectory(prefix="watcher-demo-") as folder:
        good = asyncio.run(_demo(shown, Path(folder), leave=leave))
    if not good:
        shown.print("The outcomes are not what they should be; please report this.", style="bold red")
        sys.exit(1)


async def _demo(shown: Console, folder: Path, *, leave: bool) -> bool:
    secret = secrets.token_urlsafe(24)
    (folder / "hook-secret").write_text(secret, encoding="utf-8")
    publisher = DemoPublisher(shown)
    async with AsyncExitStack() as stack:
        # The registry must know where to send its events before the daemon knows where it listens.
        port = free_port()
        endpoint = Endpoint(url=f"http://127.0.0.1:{port}{HOOK}", headers={"Authorization": f"Bearer {secret}"})
        registry = await stack.enter_async_context(serve_registry(notify=endpoint))
        await asyncio.to_thread(write_advisories, folder, now=utc_now())
        path = folder / "watcher.yaml"
        path.write_text(CONFIGURATION.format(port=port, folder=folder, registry=registry.host), encoding="utf-8")
        daemon = await stack.enter_async_context(
            assembled(configuration.load(path), folder=folder, extra={publisher.name: publisher})
        )
        started: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(daemon.run(started=started), name="daemon")
        stack.push_async_callback(_cancelled, running)
        begun: set[asyncio.Future[Any]] = {running, started}
        await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        events = asyncio.create_task(_print_events(shown, daemon, publisher), name="events")
        stack.push_async_callback(_cancelled, events)
        _greet(shown, registry, port)
        await _push_all(shown, registry, publisher)
        good = {case.repository: case.expected for case in CASES} == publisher.outcomes
        _next(shown, registry, port, path)
        if not leave and good:
            await _until_interrupted(shown)
    return good


async def _push_all(shown: Console, registry: MemoryRegistry, publisher: DemoPublisher) -> None:
    put_image(registry, TRUSTED_BASE, base_image(), "12")
    put_image(registry, ROGUE_BASE, rogue_image(), "latest")
    async with RegistryClients.of([RegistrySettings(host=registry.host)]) as registries:
        uploads = registries.access(registry.host).uploads
        for case in CASES:
            _announce(shown, registry, case)
            await push_image(uploads, RepositoryName(case.repository), case.image(registry.host), Tag(case.tag))
            async with asyncio.timeout(VERDICT_SECONDS), publisher.arrived:
                # The last that happens to an image, so that the lines of one do not stand under the next.
                await publisher.arrived.wait_for(lambda: case.repository in publisher.returned)  # noqa: B023 - awaited at once


def _greet(shown: Console, registry: MemoryRegistry, port: int) -> None:
    shown.print()
    shown.print(Text.assemble(("Registry Watcher", "bold"), "  every pushed image gets a verdict, in the registry itself"))
    shown.print(Text(f"registry on {registry.host}, watcher on 127.0.0.1:{port}, all in this process", style="dim"))
    shown.print(Text("policies: baseline, and vulnerabilities on two advisories that came along", style="dim"))


def _announce(shown: Console, registry: MemoryRegistry, case: Case) -> None:
    title = Text(case.title, "bold")
    shown.print()
    shown.print(Rule(title, align="left", style="dim") if is_terminal() else title)
    shown.print(Text(f"$ docker push {registry.host}/{case.repository}:{case.tag}", style="cyan"))


async def _print_events(shown: Console, daemon: Daemon, publisher: DemoPublisher) -> None:
    """One line per event about a manifest, as the inbox has it; the artefact and the index of one verdict share theirs.

    What was attached comes back before its verdict is printed, or after: its line waits for that.
    """
    last, pushed = 0, ""
    while True:
        rows = [row for row in await daemon.storage.jobs.events(limit=100) if row.id > last]
        for row in reversed(rows):
            # The inbox does not say whose an ignored event is; one image is pushed at a time.
            pushed = row.repository or pushed
            is_own = row.reason == OWN_WRITE
            if is_own and pushed not in publisher.outcomes:
                break
            last = max(last, row.id)
            if row.reason in _QUIET or (is_own and pushed in publisher.returned):
                continue
            shown.print(*([Text()] if is_own else []), _event_line(row), sep="\n")
            if is_own:
                await publisher.came_back(pushed)
        await asyncio.sleep(0.02)


# Blob uploads and pulls: a push has a dozen of them, and they mean nothing to anybody.
_QUIET = frozenset({"blob", "pull", "mount", "delete"})


def _event_line(row: EventRow) -> Text:
    line = Text(f"{row.received_at.astimezone():%H:%M:%S}  ", style="dim")
    if row.fate == "accepted":
        return line.append(f"push of {row.repository}:{row.tag}, now on disk", style="default not dim")
    if row.reason == OWN_WRITE:
        return line.append("our own referrer came back as an event: no new work")
    return line.append(f"{row.fate}: {row.reason}")


def _next(shown: Console, registry: MemoryRegistry, port: int, path: Path) -> None:
    leaky = CASES[1]
    digest = leaky.image(registry.host).digest
    python = Path(sys.argv[0])
    watcher = str(python) if python.name == "watcher" else "watcher"
    commands = [
        (f"{watcher} scan {registry.host}/{leaky.repository}:{leaky.tag}", "the same verdict for CI; its exit code is 1"),
        (
            f"curl -s http://{registry.host}/v2/{leaky.repository}/manifests/{digest.replace(':', '-')}",
            "the verdict, attached to the image in the registry",
        ),
        (f"{watcher} verdict show -c {path} {registry.host}/{leaky.repository}:{leaky.tag}", "what the watcher remembers"),
    ]
    shown.print()
    shown.print(Text("Next:", style="bold"))
    for command, why in commands:
        shown.print(Text(f"  # {why}", style="dim"), soft_wrap=True)
        shown.print(Text(f"  {command}", style="cyan"), soft_wrap=True)
    shown.print()
    shown.print(Text(f"  API: http://127.0.0.1:{port}/api/v1/images", style="dim"), soft_wrap=True)


async def _until_interrupted(shown: Console) -> None:
    shown.print(Text("\nEverything keeps running until you press Ctrl-C.", style="bold"))
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    await interrupted.wait()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
