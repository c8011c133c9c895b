"""The modules under deploy/terraform, read as HCL: what is wired to what, who may do what, and what the watcher is told."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from watcher import settings

TERRAFORM = Path(__file__).parents[2] / "deploy" / "terraform"
MODULES = ("ecr", "gar")
# What a plan would put in place of what is known only to the cloud.
SAMPLES = {
    "local.registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "aws_sqs_queue.events.url": "https://sqs.eu-west-1.amazonaws.com/123456789012/registry-watcher",
    "var.location": "europe",
    "google_pubsub_subscription.events.id": "projects/my-project/subscriptions/registry-watcher",
}


def plain(value: Any) -> Any:
    """The parser's value without its marks, and texts without their quotation marks."""
    match value:
        case dict():
            return {plain(key): plain(each) for key, each in value.items() if key not in ("__is_block__", "__comments__")}
        case list():
            return [plain(each) for each in value]
        case str():
            return value.removeprefix('"').removesuffix('"')
        case _:
            return value


@cache
def module(name: str) -> dict[str, Any]:
    """Every block of a module by its address: `aws_sqs_queue.events`, `data.aws_region.current`, `var.name`, `local.account`."""
    blocks: dict[str, Any] = {}
    for path in sorted((TERRAFORM / name).glob("*.tf")):
        for kind, entries in plain(hcl2.loads(path.read_text())).items():
            for entry in entries:
                blocks.update(_addressed(kind, entry))
    return blocks


def _addressed(kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case "resource" | "data":
            prefix = "data." if kind == "data" else ""
            return {f"{prefix}{type_}.{name}": body for type_, named in entry.items() for name, body in named.items()}
        case "variable" | "output":
            short = {"variable": "var", "output": "output"}[kind]
            return {f"{short}.{name}": body for name, body in entry.items()}
        case "locals":
            return {f"local.{name}": value for name, value in entry.items()}
        case _:
            return {kind: entry}


def statements(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["sid"]: each for each in document["statement"]}


@pytest.mark.parametrize("name", MODULES)
def test_every_reference_leads_somewhere(name: str) -> None:
    """To a block of the module; and every variable is used and explained."""
    blocks = module(name)
    text = "\n".join(re.sub(r"(?m)(^|\s)#.*$", "", path.read_text()) for path in (TERRAFORM / name).glob("*.tf"))
    expressions = re.sub(r"\"(?:[^\"$\\]|\$[^{]|\\.)*\"", '""', text)
    named = set(re.findall(r"\b(?:data\.)?(?:aws|google)_\w+\.\w+", expressions)) | set(re.findall(r"\b(?:var|local)\.\w+", text))
    assert named - set(blocks) == set()
    variables = {address for address in blocks if address.startswith("var.")}
    assert variables <= named
    assert [address for address in variables if not blocks[address].get("description")] == []


@pytest.mark.parametrize("name", MODULES)
def test_what_is_printed_is_a_configuration_that_loads(name: str, tmp_path: Path) -> None:
    """With the values that a plan would fill in, the file is what `watcher config check` accepts."""
    heredoc = module(name)["output.watcher_yaml"]["value"]
    (body,) = re.findall(r"<<-EOT\n(.*)\n\s*EOT", heredoc, re.DOTALL)
    path = tmp_path / "watcher.yaml"
    path.write_text(re.sub(r"\$\{([\w.]+)\}", lambda match: SAMPLES[match[1]], body))
    (source,) = yaml.safe_load(path.read_text())["sources"]
    assert source["dialect"] == name
    (loaded,) = settings.load(path).sources
    assert loaded.registry in {"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "europe-docker.pkg.dev"}


def test_the_rule_takes_what_brings_an_image_and_nothing_else() -> None:
    """A push, and by choice what replication and pull-through caches bring; no scans, which are many."""
    blocks = module("ecr")
    pattern = blocks["aws_cloudwatch_event_rule.pushes"]["event_pattern"]
    assert pattern == '${jsonencode({source = ["aws.ecr"], detail-type = local.detail_types})}'
    kinds = blocks["local.detail_types"]
    assert re.findall(r'"([^"]+)"', kinds) == ["ECR Image Action", "ECR Replication Action", "ECR Pull Through Cache Action"]
    assert "var.copies ?" in kinds


def test_the_rule_fills_the_queue_and_loses_nothing() -> None:
    """What cannot be delivered for a day is a dead letter; so is what is received too often."""
    blocks = module("ecr")
    target, queue = blocks["aws_cloudwatch_event_target.events"], blocks["aws_sqs_queue.events"]
    assert target["rule"] == "${aws_cloudwatch_event_rule.pushes.name}"
    assert target["arn"] == "${aws_sqs_queue.events.arn}"
    assert target["dead_letter_config"] == [{"arn": "${aws_sqs_queue.dead_letters.arn}"}]
    assert target["retry_policy"] == [{"maximum_event_age_in_seconds": 86400, "maximum_retry_attempts": 185}]
    assert "deadLetterTargetArn = aws_sqs_queue.dead_letters.arn" in queue["redrive_policy"]
    assert (
        "sourceQueueArns = [aws_sqs_queue.events.arn]"
        in blocks["aws_sqs_queue_redrive_allow_policy.dead_letters"]["redrive_allow_policy"]
    )
    assert "redrive_policy" not in blocks["aws_sqs_queue.dead_letters"]
    for address in ("aws_sqs_queue.events", "aws_sqs_queue.dead_letters"):
        assert blocks[address]["message_retention_seconds"] == 14 * 24 * 3600
        assert blocks[address]["sqs_managed_sse_enabled"] is True


@pytest.mark.parametrize("queue", ["events", "dead_letters"])
def test_only_the_rule_may_send_to_a_queue(queue: str) -> None:
    """EventBridge, and of all its rules this one: another account's rule must not be able to announce images."""
    blocks = module("ecr")
    policy = blocks[f"aws_sqs_queue_policy.{queue}"]
    assert policy["queue_url"] == f"${{aws_sqs_queue.{queue}.id}}"
    assert policy["policy"] == f"${{data.aws_iam_policy_document.{queue}.json}}"
    (statement,) = blocks[f"data.aws_iam_policy_document.{queue}"]["statement"]
    assert statement["actions"] == ["sqs:SendMessage"]
    assert statement["resources"] == [f"${{aws_sqs_queue.{queue}.arn}}"]
    assert statement["principals"] == [{"type": "Service", "identifiers": ["events.amazonaws.com"]}]
    assert statement["condition"] == [
        {"test": "ArnEquals", "variable": "aws:SourceArn", "values": ["${aws_cloudwatch_event_rule.pushes.arn}"]}
    ]


def test_the_watcher_may_read_its_queue_and_its_images() -> None:
    """No wildcard but for the login, which has no resource; nothing that deletes; writing only where it is wanted."""
    document = module("ecr")["data.aws_iam_policy_document.watcher"]
    allowed = statements(document)
    assert set(allowed) == {"ReadEvents", "LogIn", "ReadImages"}
    assert allowed["ReadEvents"]["resources"] == ["${aws_sqs_queue.events.arn}"]
    assert {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"} <= set(allowed["ReadEvents"]["actions"])
    assert (allowed["LogIn"]["actions"], allowed["LogIn"]["resources"]) == (["ecr:GetAuthorizationToken"], ["*"])
    assert allowed["ReadImages"]["resources"] == "${local.repositories}"
    ((written,),) = [each["statement"]["content"] for each in document["dynamic"]]
    assert document["dynamic"][0]["statement"]["for_each"] == "${var.publish_verdicts ? [1] : []}"
    assert written["resources"] == "${local.repositories}"
    actions = [action for each in [*allowed.values(), written] for action in each["actions"]]
    assert [action for action in actions if "*" in action or (action.startswith("ecr:") and "Delete" in action)] == []


def test_the_subscription_is_of_the_one_topic_there_can_be() -> None:
    """Artifact Registry publishes to `gcr`; what waits is kept for a week, and the subscription never expires."""
    blocks = module("gar")
    assert blocks["google_pubsub_topic.gcr"]["name"] == "gcr"
    subscription = blocks["google_pubsub_subscription.events"]
    assert subscription["topic"] == "${google_pubsub_topic.gcr.id}"
    assert subscription["message_retention_duration"] == "604800s"
    assert subscription["expiration_policy"] == [{"ttl": ""}]
    assert subscription["enable_exactly_once_delivery"] == "${var.exactly_once}"
    assert blocks["var.exactly_once"]["default"] is False


def test_dead_letters_of_the_subscription_are_kept() -> None:
    """In a topic with a subscription, by a service agent that may take them from the one and put them into the other."""
    blocks = module("gar")
    (policy,) = blocks["google_pubsub_subscription.events"]["dead_letter_policy"]
    assert policy["dead_letter_topic"] == "${google_pubsub_topic.dead_letters.id}"
    kept = blocks["google_pubsub_subscription.dead_letters"]
    assert kept["topic"] == "${google_pubsub_topic.dead_letters.id}"
    assert kept["expiration_policy"] == [{"ttl": ""}]
    putting = blocks["google_pubsub_topic_iam_member.agent"]
    assert (putting["topic"], putting["role"]) == ("${google_pubsub_topic.dead_letters.name}", "roles/pubsub.publisher")
    taking = blocks["google_pubsub_subscription_iam_member.agent"]
    assert (taking["subscription"], taking["role"]) == ("${google_pubsub_subscription.events.name}", "roles/pubsub.subscriber")
    assert putting["member"] == taking["member"] == "${local.pubsub_agent}"
    assert blocks["local.pubsub_agent"].endswith("@gcp-sa-pubsub.iam.gserviceaccount.com")


def test_the_watcher_may_read_its_subscription_and_its_repositories() -> None:
    """On these resources, not on the project."""
    blocks = module("gar")
    reading = blocks["google_pubsub_subscription_iam_member.watcher"]
    assert (reading["subscription"], reading["role"]) == ("${google_pubsub_subscription.events.name}", "roles/pubsub.subscriber")
    images = blocks["google_artifact_registry_repository_iam_member.watcher"]
    assert images["for_each"] == "${var.repositories}"
    assert re.findall(r"roles/[\w.]+", images["role"]) == ["roles/artifactregistry.writer", "roles/artifactregistry.reader"]
    assert [address for address in blocks if address.startswith("google_project_iam")] == []
