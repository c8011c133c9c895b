"""deploy/kubernetes: its files name each other rightly, hold to the strictest standard for pods, and their configuration loads."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from watcher import settings
from watcher.api.admission_review import JUDGED_OPERATIONS, POD_SPECS
from watcher.api.limits import LIMITS
from watcher.settings import Settings

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "deploy" / "kubernetes"
DOCUMENTS: list[dict[str, Any]] = [each for path in sorted(FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]
# Kinds of Kubernetes, as its API names them in plural.
PLURALS = {f"{kind.lower()}s": kind for kind in POD_SPECS}


def one(kind: str, name: str = "registry-watcher") -> dict[str, Any]:
    (found,) = (each for each in DOCUMENTS if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


@pytest.fixture
def loaded(tmp_path: Path) -> Settings:
    path = tmp_path / "watcher.yaml"
    path.write_text(one("ConfigMap")["data"]["watcher.yaml"])
    return settings.load(path)


@pytest.fixture
def pod() -> dict[str, Any]:
    spec: dict[str, Any] = one("Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["containers"]
    return dict(found)


def test_everything_is_in_one_namespace() -> None:
    """The one that is made, whose name the address of the Service has in it."""
    assert {each["metadata"]["namespace"] for each in DOCUMENTS if "namespace" in each["metadata"]} == {"registry-watcher"}
    assert one("Namespace")
    names = one("Certificate")["spec"]["dnsNames"]
    assert "registry-watcher.registry-watcher.svc" in names


def test_the_store_has_one_owner(pod: dict[str, Any]) -> None:
    """One pod, and the old one ends before the new one begins; it has longer than the ten seconds that it needs."""
    deployment = one("Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert pod["terminationGracePeriodSeconds"] > 10


def test_the_pod_is_confined_as_the_strictest_standard_asks(pod: dict[str, Any], container: dict[str, Any]) -> None:
    """Which the namespace enforces; its user is the one of the image."""
    assert one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert re.findall(r"^USER (\S+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE) == [user]


def test_what_is_mounted_is_what_the_configuration_reads(loaded: Settings, pod: dict[str, Any], container: dict[str, Any]) -> None:
    """Certificate, store and configuration lie in volumes; each is declared, and only the store's can be written."""
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    assert mounts.keys() == {each["name"] for each in pod["volumes"]}
    assert {name for name, each in mounts.items() if not each.get("readOnly")} == {"data"}
    assert loaded.server.tls is not None
    assert {str(Path(path).parent) for path in (loaded.server.tls.cert, loaded.server.tls.key)} == {mounts["tls"]["mountPath"]}
    assert str(loaded.store.sqlite_path().parent) == mounts["data"]["mountPath"]
    assert container["args"][-1] == f"{mounts['config']['mountPath']}/watcher.yaml"
    assert f"ca_file: {mounts['authorities']['mountPath']}/" in one("ConfigMap")["data"]["watcher.yaml"]
    secret = next(each["secret"] for each in pod["volumes"] if each["name"] == "tls")
    assert secret["secretName"] == one("Certificate")["spec"]["secretName"]


def test_every_secret_is_one_that_the_instructions_make(container: dict[str, Any]) -> None:
    """In the Secret that the pod has its environment from, and none is written down."""
    named = set(re.findall(r"env:(\w+)", one("ConfigMap")["data"]["watcher.yaml"]))
    assert named == set(re.findall(r"--from-literal=(\w+)=", (FOLDER / "watcher.yaml").read_text()))
    assert container["envFrom"] == [{"secretRef": {"name": "registry-watcher"}}]
    assert [each for each in DOCUMENTS if each["kind"] == "Secret"] == []


def test_probes_service_and_policy_lead_to_the_port(loaded: Settings, container: dict[str, Any]) -> None:
    """By its name, and by TLS as the server speaks it."""
    (port,) = container["ports"]
    assert port["containerPort"] == loaded.server.port
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {(each["port"], each["scheme"]) for each in probes} == {(port["name"], "HTTPS")}
    assert [each["path"] for each in probes] == ["/healthz", "/healthz", "/readyz"]
    (published,) = one("Service")["spec"]["ports"]
    assert published["targetPort"] == port["name"]
    assert one("Service")["spec"]["selector"].items() <= one("Deployment")["spec"]["template"]["metadata"]["labels"].items()
    (ingress,) = one("NetworkPolicy")["spec"]["ingress"]
    assert ingress["ports"] == [{"port": loaded.server.port, "protocol": "TCP"}]


def test_the_cluster_asks_for_what_is_judged_and_waits_long_enough(loaded: Settings) -> None:
    """Every kind that images are looked for in, at the Service; not for the watcher's own pod."""
    (webhook,) = one("ValidatingWebhookConfiguration")["webhooks"]
    asked = {resource for rule in webhook["rules"] for resource in rule["resources"]}
    assert asked - {"pods/ephemeralcontainers"} == set(PLURALS)
    assert {operation for rule in webhook["rules"] for operation in rule["operations"]} == JUDGED_OPERATIONS
    assert webhook["timeoutSeconds"] > LIMITS.review_seconds
    service = webhook["clientConfig"]["service"]
    assert service == {"name": "registry-watcher", "namespace": "registry-watcher", "path": "/k8s/admission", "port": 443}
    assert loaded.admission is not None
    assert loaded.admission.token is None
    (selector,) = webhook["namespaceSelector"]["matchExpressions"]
    assert (selector["operator"], "registry-watcher" in selector["values"]) == ("NotIn", True)


def test_the_instructions_name_every_file() -> None:
    """In the order in which they have to be applied."""
    text = (FOLDER / "watcher.yaml").read_text().split("apiVersion:", 1)[0]
    named = re.findall(r"-f deploy/kubernetes/([\w-]+\.yaml)", text)
    assert sorted(named) == sorted(path.name for path in FOLDER.glob("*.yaml"))
    assert (named[0], named[-1]) == ("namespace.yaml", "admission.yaml")
