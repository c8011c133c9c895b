"""Credentials in variables, labels and build steps."""

import random
import string

import pytest

from watcher.inspection.image import config_secrets as module
from watcher.inspection.image.config_secrets import config_secrets
from watcher.inspection.secrets.rules import SecretRules
from watcher.model.errors import TooLargeError
from watcher.model.image import HistoryEntry, ImageConfig

RULES = SecretRules.load(b"salt")
GITHUB = "ghp_" + "".join(random.Random(7).choices(string.ascii_letters + string.digits, k=36))
DOCUMENTED = "AKIA" + "IOSFODNN7" + "EXAMPLE"


def found(config: ImageConfig) -> list[tuple[str, str, str, str]]:
    return [
        (secret.where, secret.hit.path, secret.hit.rule, secret.hit.confidence) for secret in config_secrets(config, RULES).secrets
    ]


def steps(*created_by: str) -> ImageConfig:
    return ImageConfig(history=tuple(HistoryEntry(created_by=text) for text in created_by))


@pytest.mark.parametrize(
    "variable",
    [
        "DB_PASSWORD=hunter2-prod",
        "PGPASSWORD=abc",
        "MYSQL_PWD=Sommer!",
        "RABBITMQ_DEFAULT_PASS=rabbit-9",
        "API_TOKEN=0badcafe",
        "apiKey=f00",
        "SECRET_KEY_BASE=0011223344",
        "APP_KEY=base64:3cKqHZrLpQ2uTz8aXv71",
        'ADMIN_PASSWORD="quoted one"',
    ],
)
def test_a_variable_whose_name_says_so(variable: str) -> None:
    """Its value needs no particular look: bad passwords are secrets too."""
    assert found(ImageConfig(env=(variable,))) == [("env", variable.partition("=")[0], "secret-variable", "medium")]


@pytest.mark.parametrize(
    "variable",
    [
        "PATH=/usr/local/bin:/usr/bin",
        "DB_PASSWORD=",
        "DB_PASSWORD",
        "DB_PASSWORD=${DB_PASSWORD}",
        "DB_PASSWORD=$PW",
        "DB_PASSWORD={{ .Values.pw }}",
        "DB_PASSWORD=/run/secrets/db",
        "DB_PASSWORD=<set me>",
        "POSTGRES_PASSWORD_FILE=/run/secrets/pg",
        "TOKEN_URL=https://login.example.com/token",
        "AUTH_TOKEN=https://login.example.com/token",
        "SECRET_NAME=my-database",
        "MYSQL_ALLOW_EMPTY_PASSWORD=yes",
        "TOKENIZERS_PARALLELISM=false",
        "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
        "SSH_PUB_KEY=AAAAC3NzaC1lZDI1NTE5AAAAI",
        "PARTITION_KEY=customer",
        "PWD=/srv",
        "PYTHON_SHA256=8d3ed8ec5c88c1c95f5e558612a725450d2452813ddad5e58fdb1a53b1209b78",
        "BYPASS=certainly",
        "",
        "SWIFT_SIGNING_KEY=52BB7E3DE28A71BE22EC05FFEF80A866B47A981F",
        "SIGNING_KEY=52BB 7E3D E28A 71BE 22EC  05FF EF80 A866 B47A 981F",
        "SIGNING_KEY=0xEF80A866B47A981F",
        "RELEASE_KEY=EF80A866B47A981F, 52BB7E3DE28A71BE22EC05FFEF80A866B47A981F",
        "SIGNING_KEY=ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJq3 me@host",
        "DEPLOY_KEY=AAAAC3NzaC1lZDI1NTE5AAAAIJq3kDkqYz",
        "JWT_KEY=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA",
        "COSIGN_KEY=LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUZrd0V3WUhLb1pJemow",
        "STRIPE_PUBLISHABLE_KEY=pk_live_a7Q2zk9xW4vT",
        "HOST_TOKEN=43:51:43:a1:b5:fc:8b:b7:0a:3a:a9:b1:0f:66:73:a8",
        "AUTH_TOKEN=sha256:8d3ed8ec5c88c1c95f5e558612a725450d2452813ddad5e58fdb1a53b1209b78",
        "MAX_TOKEN=4096",
        "SESSION_KEY=30m",
        "AUTH_TOKEN=1.2.3-rc1",
        "AUTH_TOKEN=X-Auth-Token",
        "VAULT_TOKEN=file",
        "DB_PASSWORD=file:/run/secrets/db",
        "DB_PASSWORD=vault:secret/data/db#password",
        "DB_PASSWORD=arn:aws:secretsmanager:eu-west-1:1:secret:db",
        "GITHUB_TOKEN=token.txt",
        "TLS_PRIVATE_KEY=server.key",
        "TLS_PRIVATE_KEY=certs/server-key",
        "GOOGLE_CREDENTIALS=credentials.json",
    ],
)
def test_a_variable_that_is_none(variable: str) -> None:
    """Paths, switches, references, public keys and their fingerprints, numbers, and names that say where something is."""
    assert found(ImageConfig(env=(variable,))) == []


@pytest.mark.parametrize(
    ("variable", "confidence"),
    [
        ("API_KEY=52BB7E3DE28A71BE22EC05FFEF80A866B47A981F", "medium"),
        ("DB_PASSWORD=52BB7E3DE28A71BE22EC05FFEF80A866B47A981F", "medium"),
        ("SIGNING_KEY=52bb7e3de28a71be22ec05ffef80a866b47a981f", "low"),
        ("DB_PASSWORD=4096", "medium"),
        ("DB_PASSWORD=Sommer/2024", "medium"),
    ],
)
def test_a_name_that_can_only_be_that_of_a_secret_counts_more(variable: str, confidence: str) -> None:
    """A password may be a number, and a key of an interface looks like a fingerprint; one in small letters may be either."""
    assert found(ImageConfig(env=(variable,))) == [("env", variable.partition("=")[0], "secret-variable", confidence)]


def test_a_placeholder_in_a_variable_is_low() -> None:
    """`changeme` is the password if the image is run as it is."""
    assert found(ImageConfig(env=("ADMIN_PASSWORD=changeme",))) == [("env", "ADMIN_PASSWORD", "secret-variable", "low")]


def test_a_rule_that_knows_the_value_reports_it() -> None:
    """The variable's name adds nothing; a key of the documentation is low here as well."""
    config = ImageConfig(
        env=(f"GITHUB_TOKEN={GITHUB}", f"AWS_ACCESS_KEY_ID={DOCUMENTED}", "DATABASE_URL=postgres://app:k9xQ2b7@db/app")
    )
    assert found(config) == [
        ("env", "GITHUB_TOKEN", "github-token", "high"),
        ("env", "AWS_ACCESS_KEY_ID", "aws-access-key-id", "low"),
        ("env", "DATABASE_URL", "url-password", "medium"),
    ]


def test_labels_are_searched() -> None:
    """Build systems put whole configurations into them."""
    config = ImageConfig(labels={"maintainer": "nobody", "com.example.build": f'{{"token": "{GITHUB}"}}'})
    assert found(config) == [("label", "com.example.build", "github-token", "high")]


def test_build_arguments_and_commands_stay_in_the_history() -> None:
    """Both builders' forms; what is read from elsewhere when the step runs is no secret of the image."""
    config = steps(
        "/bin/sh -c #(nop) ADD file:0123456789abcdef in / ",
        "|1 NPM_TOKEN=ab12cd34 /bin/sh -c npm ci",
        "RUN |1 NPM_TOKEN=ab12cd34 /bin/sh -c npm test # buildkit",
        'RUN /bin/sh -c curl --user me --password="geheim 99" https://x',
        "RUN /bin/sh -c export TOKEN=$(cat /run/secrets/t); PASSWORD=`pwgen`; key='573BFD6B3D8FBC641079A6ABABF5BD827BD9BF62'",
        f"RUN /bin/sh -c git clone https://x:{GITHUB}@github.com/a/b TOKEN={GITHUB}",
    )
    assert found(config) == [
        ("history", "step 2", "secret-variable", "medium"),
        ("history", "step 4", "secret-variable", "medium"),
        ("history", "step 6", "github-token", "high"),
    ]


def test_one_value_is_reported_once() -> None:
    """ENV leaves its value both in the configuration and in the history; a value that was set over stays in the latter."""
    config = ImageConfig(
        env=("DB_PASSWORD=hunter2-prod",),
        history=(HistoryEntry(created_by="ENV DB_PASSWORD=hunter1-prod"), HistoryEntry(created_by="ENV DB_PASSWORD=hunter2-prod")),
    )
    assert found(config) == [
        ("env", "DB_PASSWORD", "secret-variable", "medium"),
        ("history", "step 1", "secret-variable", "medium"),
    ]


def test_nothing_of_a_password_is_kept() -> None:
    """Neither in the hit nor in its place."""
    (secret,) = config_secrets(ImageConfig(env=("DB_PASSWORD=hunter2-prod",)), RULES).secrets
    assert "hunter2" not in repr(secret)
    assert secret.hit.fingerprint == RULES.fingerprint(b"hunter2-prod")
    assert (secret.layer, secret.layer_digest, secret.present_in_final) == (None, None, True)


def test_the_work_is_bounded() -> None:
    """A configuration of credentials gives a list of bounded length; a huge one is refused rather than half read."""
    credentials = tuple(f"PASSWORD=hunter-{number}" for number in range(module.MAX_SECRETS + 20))
    assert len(found(ImageConfig(env=credentials))) == module.MAX_SECRETS
    with pytest.raises(TooLargeError):
        found(ImageConfig(labels={"x": " " * (module.MAX_TEXT_BYTES + 1)}))


def test_a_text_of_credentials_gives_a_bounded_list() -> None:
    """The rest would tell nobody anything new."""
    text = " ".join(f"https://u:pw{number}x@h/" for number in range(1500))
    assert len(RULES.scan_text(text, "x")) == 1000
