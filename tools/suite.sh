#!/bin/sh
# Every test, with branch coverage by those of tests/unit. The `watcher` processes that tests start are not traced:
# that takes a sixth of the time of all tests that start one.
# Arguments go to pytest: tools/suite.sh tests/integration -k demo
# The last line printed is pytest's own closing line; the coverage table stands before it.
set -eu
cd "$(dirname "$0")/.."

# A killed run leaves data files behind that would count for this one.
rm -f .coverage .coverage.*
# Hundreds of processes import the same modules: compiling them again in each is more than any test does.
unset PYTHONDONTWRITEBYTECODE
# Three workers for two cores: every third second of a test is one of waiting. A file stays with one worker, so a server that a
# module starts is started once. Files are taken in their order, not by how many tests they have: few tests are long ones, and the
# last of them would run alone.
set -- -n "${SUITE_WORKERS:-3}" --dist loadfile --no-loadscope-reorder "$@"
# Part of the tests proves nothing about coverage, so the threshold is held only for all of them.
case " $* " in
*" tests/"* | *" -k "* | *" -m "* | *" --lf "*) set -- --cov-fail-under=0 "$@" ;;
esac
exec .venv/bin/pytest --cov --cov-report=term "$@"
