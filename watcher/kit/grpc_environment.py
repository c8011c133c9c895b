"""What gRPC, which asks the environment and nobody else, finds there. Call `prepare` before it is imported."""

import os

# Of a channel to this machine: its service is not to be looked for at a proxy.
LOCAL = (("grpc.enable_http_proxy", 0),)


def prepare() -> None:
    """It writes nothing to stderr past our log, and goes through the proxy that the rest of us go through.

    Of the usual variables it reads those in lower case only, and no proxy without a scheme; its own come before them.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for own, usual in (("grpc_proxy", "HTTPS_PROXY"), ("no_grpc_proxy", "NO_PROXY")):
        text = os.environ.get(usual) or os.environ.get(usual.lower()) or ""
        if text and own == "grpc_proxy" and "://" not in text:
            text = f"http://{text}"
        if text:
            os.environ.setdefault(own, text)
