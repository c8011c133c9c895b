"""Every sender by name. Several speak in more than one way, so that a dialect has one sender or more."""

from collections.abc import Mapping

from watcher.testing.senders import payloads, proofs
from watcher.testing.senders.sender import Patience, Sender
from watcher.testing.senders.sns_topic import SigningTopic
from watcher.testing.senders.token_issuer import TokenIssuer

BEARER = '{type: bearer, secret: "env:HOOK_SECRET"}'
HMAC = '{type: hmac, secret: "env:HOOK_SECRET"}'
IN_PATH = '{type: path-token, secret: "env:HOOK_SECRET"}'
BASIC = '{type: basic, username: watcher, password: "env:HOOK_SECRET"}'

# As their documentation and code have it; what is documented nowhere is taken to try once.
REDIRECTS_TOO = Patience(attempts=None, success=range(200, 400))
HARBOR = Patience(attempts=3)
QUAY = Patience(attempts=5, failures=3)
EVENT_GRID = Patience(attempts=30, success=range(200, 205), final={400, 401, 403, 413})
SNS = Patience(attempts=4, final=set(range(300, 500)) - {429})
API_DESTINATION = Patience(attempts=185, final=set(range(300, 500)) - {401, 407, 409, 429})
PUBSUB = Patience(attempts=None, success={102, 200, 201, 202, 204})
CLOUDEVENTS = Patience(success={200, 201, 202, 204})

GITEA_SIGNATURES = {"X-Gitea-Signature": "", "X-Forgejo-Signature": "", "X-Hub-Signature-256": "sha256="}


def senders(issuer: TokenIssuer, topic: SigningTopic, *, issuer_url: str, topic_url: str) -> Mapping[str, Sender]:
    """New ones. `issuer_url` has the issuer's keys, `topic_url` the topic's certificate."""
    oidc = f'{{type: oidc, audience: "{issuer.audience}", email: {issuer.email}, jwks_url: "{issuer_url}"}}'
    sns = f'{{type: sns, topics: ["{topic.topic}"], endpoint_url: "{topic_url}"}}'
    bearer, signed = proofs.header(), proofs.signed
    return {
        "distribution": Sender(
            dialect="distribution", write=payloads.distribution, auth=BEARER, prove=bearer, patience=REDIRECTS_TOO
        ),
        "gitlab": Sender(dialect="gitlab", write=payloads.gitlab, auth=BEARER, prove=bearer, patience=REDIRECTS_TOO),
        "harbor": Sender(dialect="harbor", write=payloads.harbor, auth=BEARER, prove=bearer, patience=HARBOR),
        "harbor-cloudevents": Sender(
            dialect="harbor", write=payloads.harbor_cloudevents, auth=BEARER, prove=proofs.header(scheme=""), patience=HARBOR
        ),
        "dockerhub": Sender(dialect="dockerhub", write=payloads.dockerhub, auth=IN_PATH, prove=proofs.in_path),
        "quay": Sender(dialect="quay", write=payloads.quay, auth=IN_PATH, prove=proofs.in_path, patience=QUAY),
        "ghcr": Sender(dialect="ghcr", write=payloads.ghcr, auth=HMAC, prove=signed({"X-Hub-Signature-256": "sha256="})),
        "gitea": Sender(dialect="gitea", write=payloads.gitea, auth=HMAC, prove=signed(GITEA_SIGNATURES)),
        "acr": Sender(dialect="acr", write=payloads.acr, auth=BEARER, prove=bearer),
        "eventgrid": Sender(dialect="eventgrid", write=payloads.eventgrid, auth=IN_PATH, prove=proofs.in_path, patience=EVENT_GRID),
        "eventgrid-cloudevents": Sender(
            dialect="eventgrid", write=payloads.eventgrid_cloudevents, auth=IN_PATH, prove=proofs.in_path, patience=EVENT_GRID
        ),
        "ecr-sns": Sender(dialect="ecr", write=payloads.ecr, auth=sns, prove=topic.prove, patience=SNS),
        "ecr-api-destination": Sender(
            dialect="ecr", write=payloads.ecr, auth=BASIC, prove=proofs.basic("watcher"), patience=API_DESTINATION
        ),
        "gar": Sender(dialect="gar", write=payloads.gar_push, auth=oidc, prove=issuer.prove, patience=PUBSUB),
        "artifactory": Sender(
            dialect="artifactory", write=payloads.artifactory, auth=HMAC, prove=signed({"X-JFrog-Event-Auth": ""})
        ),
        "nexus": Sender(dialect="nexus", write=payloads.nexus, auth=HMAC, prove=signed({"X-Nexus-Webhook-Signature": ""}, "sha1")),
        "zot": Sender(dialect="zot", write=payloads.zot, auth=BASIC, prove=proofs.basic("watcher")),
        "alibaba": Sender(dialect="alibaba", write=payloads.alibaba, auth=IN_PATH, prove=proofs.in_path),
        "diun": Sender(dialect="diun", write=payloads.diun, auth=BEARER, prove=bearer),
        "cloudevents": Sender(dialect="cloudevents", write=payloads.cloudevents, auth=BEARER, prove=bearer, patience=CLOUDEVENTS),
        "cloudevents-structured": Sender(
            dialect="cloudevents",
            write=payloads.cloudevents_structured,
            auth=HMAC,
            prove=signed({"X-Signature": "sha256="}),
            patience=CLOUDEVENTS,
        ),
        "cdevents": Sender(dialect="cdevents", write=payloads.cdevents, auth=BEARER, prove=bearer, patience=CLOUDEVENTS),
        "generic": Sender(dialect="generic", write=payloads.generic, auth=HMAC, prove=signed({"X-Signature": "sha256="})),
    }
