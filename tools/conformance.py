"""Runs a conformance suite of the OCI distribution-spec on the registry of `watcher.testing`; ends with what the suite ends with.

python -m tools.conformance SUITE [ARGUMENT …]

SUITE is made in `conformance/` of https://github.com/opencontainers/distribution-spec, with `go build -o SUITE .`, and up to
v1.1.1 with `go test -c -o SUITE .`. It runs where you are and leaves its report there, with all its workflows on.
What is set in the environment goes first: `OCI_VERSION=dev` tests also what no release of the specification has yet.
A manifest without its blobs (`OCI_DATA_SPARSE=true`) is refused, as a registry may.
"""

import asyncio
import os
import sys

from watcher.testing.registry import CONFORMANT, serve_registry


async def main(suite: list[str]) -> int:
    async with serve_registry(switches=CONFORMANT) as registry:
        repositories = ("conformance/repo1", "conformance/repo2")
        # The older suite asks for these, and the newer one for those.
        older = {"ROOT_URL": registry.url, "NAMESPACE": repositories[0], "CROSSMOUNT_NAMESPACE": repositories[1]}
        older |= {f"TEST_{each}": "1" for each in ("PULL", "PUSH", "CONTENT_DISCOVERY", "CONTENT_MANAGEMENT")}
        older |= {"AUTOMATIC_CROSSMOUNT": "1", "HIDE_SKIPPED_WORKFLOWS": "0", "DEBUG": "0"}
        newer = {"REGISTRY": registry.host, "TLS": "disabled", "REPO1": repositories[0], "REPO2": repositories[1]}
        newer["RESULTS_DIR"] = "."
        environment = {f"OCI_{name}": value for name, value in (older | newer).items()} | os.environ
        running = await asyncio.create_subprocess_exec(*suite, env=environment)
        return await running.wait()


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    sys.exit(asyncio.run(main(sys.argv[1:])))
