# Registry Watcher as a container image.
#
#   docker build -t registry-watcher .
#   docker run --rm --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit nofile=65536 -p 127.0.0.1:8080:8080 \
#     -e WATCHER_API_TOKEN -e HOOK_SECRET -v watcher:/data -v ./watcher.yaml:/etc/watcher/watcher.yaml:ro registry-watcher
#
# An authority of your own is one more file, -v ./company-ca.pem:/etc/watcher/ca.pem:ro, and `ca_file: /etc/watcher/ca.pem` in
# watcher.yaml. `--build-arg REVISION=$(git rev-parse HEAD)` has the image and `watcher_build_info` say which commit it is.
#
# Both stages use the same base, since the virtual environment of the first points to the Python of the second.
# Pin it by digest where your builds must be repeatable to the byte: --build-arg BASE_IMAGE=python:3.12-slim-bookworm@sha256:…
ARG BASE_IMAGE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/watcher \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1
WORKDIR /src
# uv pinned by hash, as for development; it stays in this stage.
COPY tools/uv.txt tools/uv.txt
RUN python3 -m venv /opt/uv \
    && /opt/uv/bin/python -m pip install --no-cache-dir --only-binary :all: --require-hashes -r tools/uv.txt
# First what changes rarely: the packages of uv.lock.
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv sync --locked --no-dev --no-install-project --compile-bytecode
COPY README.md LICENSE ./
COPY watcher watcher
# Not editable: the final stage has no source tree. Byte code now, and what layers are searched for, since a read-only root cannot
# keep it later.
RUN /opt/uv/bin/uv sync --locked --no-dev --no-editable --compile-bytecode \
    && /opt/watcher/bin/python -c "from watcher.inspection.confined.layer_reader import Search; Search.load(b'')"

FROM ${BASE_IMAGE}
ARG REVISION=""
LABEL org.opencontainers.image.title="Registry Watcher" \
      org.opencontainers.image.description="Every image pushed to any of your registries gets a verdict, in the registry itself." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing is installed at run time, so pip of the base goes too. 65532 is what distroless images call nonroot.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip /usr/local/lib/python3*/site-packages/pip-* \
      /usr/local/lib/python3*/ensurepip \
    && groupadd --gid 65532 watcher \
    && useradd --key UID_MAX=65535 --uid 65532 --gid 65532 --no-create-home --home-dir /data --shell /usr/sbin/nologin watcher \
    && install --directory --owner 65532 --group 65532 --mode 0750 /data
COPY --from=build /opt/watcher /opt/watcher
ENV PATH=/opt/watcher/bin:$PATH \
    WATCHER_REVISION=${REVISION} \
    HOME=/data \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# The only place written to: the database. It is also the working directory, so a relative store path ends there.
WORKDIR /data
VOLUME /data
USER 65532:65532
EXPOSE 8080
# Assumes the default port without TLS; override it together with `server`.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["watcher"]
CMD ["run", "-c", "/etc/watcher/watcher.yaml"]
