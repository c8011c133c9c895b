"""A review of many images, and of names that are made to be shown: what one may cost, and what is told of it."""

import asyncio
from pathlib import Path

import pytest

from tests.doubles.api import running_api
from tests.doubles.verdicts import FINDING, IMAGE
from tests.unit.api.test_admission import BY_DIGEST, DENYING, PRODUCTION, ask
from watcher.api.admission import IMAGES_AT_ONCE, MOST_NOTES, MOST_TAGS
from watcher.api.limits import Limits
from watcher.api.settings import AdmissionSettings
from watcher.model.verdict import Outcome

pytestmark = pytest.mark.enable_socket


async def test_a_review_as_a_whole_has_its_time(tmp_path: Path) -> None:
    """What is silent, and what waits behind it, is unknown when it has passed; what rules say of a name is said all the same."""
    async with running_api(tmp_path, admission=DENYING, limits=Limits(review_seconds=0.3)) as api:
        silent = [f"registry.example.com/team/app:v{number}" for number in range(2 * IMAGES_AT_ONCE)]
        for image in silent:
            api.registries.answers[image] = asyncio.Event()
        api.evaluator.finds = lambda case: [FINDING] if case.subject.registry == "docker.io" else []
        message = (await ask(api, "busybox", *silent))["status"]["message"]
        assert message.startswith("busybox: fail: ")
        assert f"{silent[0]}: unknown: no answer in time; " in message
        assert len(api.registries.asked) < len(silent)


async def test_a_review_asks_registries_so_much(tmp_path: Path) -> None:
    """The tags beyond it are unknown; those that are known already cost nothing, so that the next review gets further."""
    images = [f"registry.example.com/team/app:v{number}" for number in range(MOST_TAGS + 20)]
    async with running_api(tmp_path, admission=AdmissionSettings(on_unknown="deny", on_unjudged="allow")) as api:
        api.registries.answers.update(dict.fromkeys(images, IMAGE))
        response = await ask(api, *images)
        assert len(api.registries.asked) == MOST_TAGS
        assert response["status"]["message"].startswith(f"{images[MOST_TAGS]}: unknown: a review asks for {MOST_TAGS} tags at most")
        assert (await ask(api, *images))["allowed"]
        assert len(api.registries.asked) == len(images)


async def test_the_audit_log_names_so_many(tmp_path: Path) -> None:
    """The worst first, and how many there are beside them."""
    others = (f"elsewhere.example.com/app:v{number}" for number in range(MOST_NOTES))
    async with running_api(tmp_path, admission=PRODUCTION) as api:
        await api.record(outcome=Outcome.FAIL)
        notes = (await ask(api, *others, BY_DIGEST))["auditAnnotations"]
    assert len(notes) == MOST_NOTES + 1
    assert notes[f"image-{MOST_NOTES}"] == f"{BY_DIGEST}: denied"
    assert notes["more-images"] == "1, none of them with a worse answer"


async def test_no_text_of_others_moves_a_cursor_or_begins_a_line(tmp_path: Path) -> None:
    """In the message, the warnings and the annotations."""
    evil = "evil\x1b[2Jx\nfake line"
    for settings in (DENYING, PRODUCTION):
        async with running_api(tmp_path, admission=settings) as api:
            response = await ask(api, evil)
            said = response["status"]["message"] if settings is DENYING else response["warnings"][0]
            assert said.startswith("evil\\x1b[2Jx fake line: unknown: ")
            assert response["auditAnnotations"]["image-0"].startswith("evil\\x1b[2Jx fake line: ")
