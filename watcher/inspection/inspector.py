"""One image: its configuration, its layers, and what they make together."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from typing import Self

from watcher.inspection.catalogers.distro import distro_of
from watcher.inspection.catalogers.passwd import GROUPS_PATH, USERS_PATH, parse_group, parse_passwd, resolve_user
from watcher.inspection.image.base_image import BaseFinder, FetchBase, Trusted
from watcher.inspection.image.config_secrets import image_secrets
from watcher.inspection.image.merge import UNREAD_DATABASES, MergedImage, merge, packages_of
from watcher.inspection.image.sections import Shortfall, layer_shortfalls, sections_of, skipped_layer
from watcher.inspection.image.steps import layer_steps
from watcher.inspection.image_budget import ImageBudget
from watcher.inspection.layers import KnownLayer, LayerInspection, gravest
from watcher.inspection.makers import Makers
from watcher.inspection.problems import ALL, FILES, OVER_BUDGET, PACKAGES, SECRETS, USERS_AND_DISTRO
from watcher.inspection.protocol import LayerCache
from watcher.inspection.secrets.rules import SecretRules
from watcher.inspection.settings import InspectionSettings
from watcher.inspection.workers.messages import Limits
from watcher.inspection.workers.zygote import Zygote
from watcher.kit.units import seconds, size_bytes
from watcher.model.digest import Digest
from watcher.model.errors import InvalidManifestError, TooLargeError
from watcher.model.image import MAX_CONFIG_BYTES, FetchedManifest, ImageConfig, Manifest, parse_config
from watcher.model.inventory import Base, FileTable, Inventory, LayerFacts, LayerSummary, Secret
from watcher.model.masking import masked_config, masking_of
from watcher.model.reference import RepositoryName
from watcher.model.verdict import Section
from watcher.registry.protocol import ImageSource


class Inspector:
    """`ImageInspector` with confined workers. Enter it before use; the workers end when it is left.

    `salt` keys the fingerprints of secrets: the same for as long as the store lives. `fetch_base` and `is_trusted` are of
    `BaseFinder`. `counted` hears `hit` or `miss` for every layer. `makers` says whether facts that were kept still stand.
    """

    def __init__(
        self,
        settings: InspectionSettings,
        *,
        cache: LayerCache,
        salt: bytes,
        fetch_base: FetchBase | None = None,
        is_trusted: Trusted | None = None,
        counted: Callable[[str], None] = lambda _: None,
        makers: Makers | None = None,
    ) -> None:
        self._rules = SecretRules.load(salt)
        self._zygote = Zygote(salt)
        self._layers = LayerInspection(
            zygote=self._zygote,
            cache=cache,
            slots=asyncio.Semaphore(settings.worker_count),
            counted=counted,
            makers=makers or Makers(),
        )
        self._bases = BaseFinder(cache=cache, fetch=fetch_base, is_trusted=is_trusted)
        self._max_image = size_bytes(settings.max_image)
        self._timeout_seconds = seconds(settings.timeout)
        self._limits = Limits(
            plain_bytes=size_bytes(settings.max_layer),
            files=settings.max_files,
            memory_bytes=size_bytes(settings.worker_memory),
            cpu_seconds=max(1, int(self._timeout_seconds)),
        )
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises SandboxUnavailableError where workers cannot be confined, RetryableError when they do not come up."""
        await self._open.enter_async_context(self._zygote)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def inspect(self, source: ImageSource, repository: RepositoryName, manifest: FetchedManifest) -> Inventory:
        """See `ImageInspector.inspect`. Layers are read at the same time, as far as workers are free."""
        content = manifest.content
        if not isinstance(content, Manifest):
            raise InvalidManifestError(f"{repository}@{manifest.digest}: an index has no layers to inspect")
        config = parse_config(await source.blob(repository, content.config, limit_bytes=MAX_CONFIG_BYTES))
        shortfalls: list[Shortfall] = []
        known = await self._read_layers(source, repository, content, shortfalls)
        base, base_section = await self._bases.find(repository, content)
        return await asyncio.to_thread(self._assembled, manifest, content, config, known, shortfalls, base, base_section)

    async def _read_layers(
        self, source: ImageSource, repository: RepositoryName, manifest: Manifest, shortfalls: list[Shortfall]
    ) -> list[KnownLayer | None]:
        """The facts of each layer, None for one that is not read; what limits them is added to `shortfalls`."""
        budget = ImageBudget(
            layers=manifest.layers,
            image_bytes=self._max_image,
            layer_bytes=self._limits.plain_bytes,
            timeout_seconds=self._timeout_seconds,
        )
        tasks: dict[int, asyncio.Task[KnownLayer]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for index, layer in enumerate(manifest.layers):
                    skipped = skipped_layer(index, layer)
                    if skipped is not None:
                        shortfalls.append(skipped)
                        continue
                    reading = self._layers.facts(source, repository, layer, self._limits, budget.begin)
                    tasks[index] = group.create_task(reading, name=f"layer {layer.digest}")
                    tasks[index].add_done_callback(budget.read)
        except BaseExceptionGroup as errors:
            raise gravest(errors) from errors
        known = [tasks[index].result() if index in tasks else None for index in range(len(manifest.layers))]
        for index, (layer, each) in enumerate(zip(manifest.layers, known, strict=True)):
            if each is not None:
                shortfalls += layer_shortfalls(index, layer, each.facts.problems)
        if overdrawn := budget.overdrawn():
            shortfalls.append(Shortfall(sections=ALL, what=OVER_BUDGET, reason=overdrawn))
        return known

    def _assembled(
        self,
        manifest: FetchedManifest,
        content: Manifest,
        config: ImageConfig,
        known: Sequence[KnownLayer | None],
        shortfalls: list[Shortfall],
        base: Base,
        base_section: Section,
    ) -> Inventory:
        """Put together what was found. Pure, and slow for an image of many files."""
        facts = [_facts(layer.digest, each) for layer, each in zip(content.layers, known, strict=True)]
        merged = merge(facts)
        distro = distro_of(merged.texts)
        users = parse_passwd(merged.texts.get(USERS_PATH, b""))
        groups = parse_group(merged.texts.get(GROUPS_PATH, b""))
        config_secrets = self._config_secrets(config, shortfalls)
        masking = masking_of(config, config_secrets)
        shown = masked_config(config, masking)
        steps = layer_steps(shown, len(content.layers))
        shortfalls += _merged_shortfalls(merged)
        rows, limit = sum(len(each.files) for each in facts), self._limits.files
        if rows > limit:
            reason = f"the image has {rows} entries in its layers, more than inspection.max_files allows"
            shortfalls.append(Shortfall(sections=FILES, what=OVER_BUDGET, reason=reason))
        readable = [each for each in known if each is not None and not _is_fatal(each.facts)]
        return Inventory(
            digest=manifest.digest,
            media_type=manifest.media_type,
            platform=config.platform,
            config_digest=content.config.digest,
            config=shown,
            annotations=masking.labelled(content.annotations),
            compressed_bytes=content.config.size + sum(layer.size for layer in content.layers),
            layers=tuple(
                LayerSummary(
                    digest=layer.digest,
                    media_type=layer.media_type,
                    compressed_bytes=layer.size,
                    plain_bytes=each.facts.plain_bytes if each is not None else 0,
                    files=len(each.facts.files) if each is not None else 0,
                    created_by=step,
                    state="skipped" if each is None else "failed" if _is_fatal(each.facts) else "inspected",
                    cached=each is not None and each.cached,
                )
                for layer, each, step in zip(content.layers, known, steps, strict=True)
            ),
            effective_uid=resolve_user(config.user, users, groups),
            distro=distro,
            base=base,
            packages=packages_of(merged, distro, base.layer_count if base.known else 0),
            files=merged.files,
            users=users,
            secrets=(*config_secrets, *merged.secrets),
            sections=sections_of(shortfalls, inspected=bool(readable) or not content.layers, base=base_section),
            facts_revision=_revision(facts, content.config.digest),
        )

    def _config_secrets(self, config: ImageConfig, shortfalls: list[Shortfall]) -> tuple[Secret, ...]:
        try:
            return image_secrets(config, self._rules)
        except TooLargeError as error:
            shortfalls.append(Shortfall(sections=SECRETS, what="configuration", reason=str(error)))
            return ()


def _facts(digest: Digest, known: KnownLayer | None) -> LayerFacts:
    """A layer that was not read has nothing in it as far as we can say."""
    if known is not None:
        return known.facts
    return LayerFacts(digest=digest, compressed_bytes=0, plain_bytes=0, files=FileTable())


def _is_fatal(facts: LayerFacts) -> bool:
    return any(problem.fatal for problem in facts.problems)


def _merged_shortfalls(merged: MergedImage) -> list[Shortfall]:
    """What only shows once the layers are together."""
    found = [
        Shortfall(sections=USERS_AND_DISTRO, what=path, reason=f"/{path} leads to a file whose content was not kept")
        for path in merged.unread_texts
    ]
    found += [
        Shortfall(sections=PACKAGES, what=path, reason=f"/{path} is a package database of a kind that is not read")
        for path in sorted(UNREAD_DATABASES.intersection(merged.files.path))
    ]
    found += [
        Shortfall(sections=PACKAGES, what=path, reason=f"/{path} is the package database of another root, and was left out")
        for path in merged.foreign_databases
    ]
    return found


def _revision(facts: Sequence[LayerFacts], config: Digest) -> str:
    """What a verdict rests on. Facts that were cut short by a limit differ from those that were not."""
    lines = [" ".join((each.digest, *each.makers, *sorted(problem.reason for problem in each.problems))) for each in facts]
    return "sha256:" + sha256("\n".join((*lines, config)).encode()).hexdigest()
