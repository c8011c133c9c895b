"""What `watcher run` would refuse, for commands that only say it."""

import asyncio
import secrets

from watcher.evaluation.policies.loading import PolicySources
from watcher.evaluation.rules.policy_set import PolicySet
from watcher.inspection.workers.zygote import Zygote
from watcher.model.errors import ConfigurationError
from watcher.preflight import Preflight, preflight
from watcher.settings import Configuration


async def looked(configuration: Configuration) -> Preflight:
    """All of it, and whether layers can be read confined here, which the daemon sees when it begins."""
    seen = await preflight(configuration, compiled)
    try:
        async with Zygote(secrets.token_bytes(32)):
            return seen
    except ConfigurationError as error:
        return Preflight(problems=(*seen.problems, str(error)), warnings=seen.warnings)


async def compiled(sources: PolicySources) -> None:
    """Raises PolicyError, as the process that judges does."""
    policies = sources.documents.policies
    await asyncio.to_thread(PolicySet.compile, policies, revision=sources.revision, on_no_match=sources.on_no_match)
