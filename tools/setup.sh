#!/bin/sh
# Installs what `make demo` or `make test` needs, says what it installs, and is silent when nothing is missing.
#
#   tools/setup.sh demo   the packages of uv.lock into .venv; from Debian at most the venv module, and only as root
#   tools/setup.sh test   the same with the development group, and the programs of TEST_PROGRAMS from Debian or Ubuntu
#
# Everything Python goes into .tools (uv, pinned by hash in tools/uv.txt) and .venv of this checkout.
set -eu
cd "$(dirname "$0")/.."

# What the tests run beside us, as program:package. systemd-analyze checks deploy/watcher.service, promtool
# deploy/prometheus, openssl what we sign.
TEST_PROGRAMS="docker-registry:docker-registry skopeo:skopeo umoci:umoci mosquitto:mosquitto systemd-analyze:systemd promtool:prometheus openssl:openssl"
# Not every user looks for programs where Debian puts mosquitto.
PATH=$PATH:/usr/sbin
POLICY_FILE=/usr/sbin/policy-rc.d

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

# 0 when $1 is a Python that we support.
supported() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Prints a Python >= 3.11: the one of .venv when there is one, so that a second run never replaces it; else what `python3`
# means to this user; else the newest that has a name of its own.
find_python() {
    for candidate in .venv/bin/python python3 python3.14 python3.13 python3.12 python3.11; do
        if supported "$candidate"; then
            "$candidate" -c 'import os, sys; print(os.path.realpath(sys._base_executable))'
            return
        fi
    done
    found=$(python3 --version 2>/dev/null || echo "no python3")
    die "Python 3.11 or newer is needed and $found was found; install it (Debian 12 and Ubuntu 24.04 have it as python3) and try again."
}

# Installs Debian packages without starting a service: a fresh docker-registry would otherwise listen on port 5000.
# $1 is the command that makes us root ("env" when we are), the rest are packages.
apt_install() {
    as_root=$1
    shift
    log=$(mktemp)
    placed_policy=""
    trap 'rm -f "$log"; [ -z "$placed_policy" ] || $as_root rm -f "$POLICY_FILE"' EXIT
    trap 'exit 130' INT TERM HUP
    if [ ! -e "$POLICY_FILE" ]; then
        placed_policy=yes
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$POLICY_FILE" >/dev/null
        $as_root chmod 755 "$POLICY_FILE"
    fi
    try_install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$log" 2>&1; }
    # Package lists may be absent (a fresh image) or name files that the mirror has replaced since: refresh them once.
    if ! try_install "$@"; then
        say "refreshing the package lists (apt-get update)"
        if ! $as_root apt-get update >"$log" 2>&1 || ! try_install "$@"; then
            tail -n 5 "$log" >&2
            die "apt-get could not install $*; the last lines above say why. Without a network, install them beforehand."
        fi
    fi
    rm -f "$log"
    [ -z "$placed_policy" ] || $as_root rm -f "$POLICY_FILE"
    trap - EXIT INT TERM HUP
}

ensure_venv_module() {
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 && return
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    package=$version-venv
    [ "$(readlink -f /usr/bin/python3 2>/dev/null)" != "$python" ] || package=python3-venv
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        die "$version lacks its venv module; install it as root (on Debian and Ubuntu: apt-get install $package) and try again."
    fi
    say "installing $package (from Debian): $version lacks its venv module"
    apt_install env "$package"
}

ensure_uv() {
    wanted=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' tools/uv.txt)
    case "$(.tools/bin/uv --version 2>/dev/null || true)" in "uv $wanted"*) return ;; esac
    ensure_venv_module
    say "installing uv $wanted into .tools"
    "$python" -m venv --clear .tools || die "$python could not make a virtual environment in .tools; the lines above say why."
    .tools/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r tools/uv.txt ||
        die "uv $wanted could not be installed; the lines above say why. If it is the network: pypi.org must be reachable."
}

# The packages of uv.lock. A stamp names what was installed, so that a second run costs a hash and not a resolution.
# What a test installed serves a demo too, and a demo never removes it.
ensure_packages() {
    mode=$1
    state="$(cat uv.lock pyproject.toml | sha256sum | cut -d ' ' -f 1) $python"
    if [ -x .venv/bin/watcher ]; then
        for stamp in ".venv/.installed-$mode" .venv/.installed-test; do
            if [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then return; fi
        done
    fi
    case $mode in
    demo) set -- --no-dev --inexact ;;
    test) set -- ;;
    esac
    say "installing the packages of uv.lock into .venv (once; seconds on a fast line, minutes on a slow one)"
    # The caller's own virtual environment or uv settings must not lead the packages elsewhere.
    env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON="$python" UV_PYTHON_DOWNLOADS=never \
        .tools/bin/uv sync --quiet --locked "$@" ||
        die "the packages of uv.lock could not be installed; the lines above say why. If it is the network: pypi.org must be reachable."
    printf '%s' "$state" >".venv/.installed-$mode"
}

ensure_programs() {
    missing="" packages=""
    for pair in $TEST_PROGRAMS; do
        command -v "${pair%:*}" >/dev/null && continue
        missing="$missing ${pair%:*}" packages="$packages ${pair#*:}"
    done
    [ -n "$missing" ] || return 0
    as_root=""
    if [ "$(id -u)" = 0 ]; then
        as_root="env"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    fi
    if [ -z "$as_root" ] || ! command -v apt-get >/dev/null; then
        die "the tests run these programs, which are missing:$missing. Install them (Debian, Ubuntu: apt-get install$packages) and try again."
    fi
    say "installing$packages (from Debian; no service is started)"
    # shellcheck disable=SC2086  # a list of packages, and `sudo -n` is two words
    apt_install "$as_root" $packages
    case "$packages " in *" docker-registry "*)
        # It would start with the machine next time; the tests run their own on free ports.
        ! command -v systemctl >/dev/null || $as_root systemctl disable --quiet docker-registry.service >/dev/null 2>&1 || true
        ;;
    esac
}

case ${1:-} in
demo | test) ;;
*) die "usage: tools/setup.sh demo|test" ;;
esac
python=$(find_python)
[ "$1" = demo ] || ensure_programs
ensure_uv
ensure_packages "$1"
