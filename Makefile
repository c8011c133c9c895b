# `make demo` and `make test` do all of their own set-up; tools/setup.sh says what it installs.
.PHONY: demo test bench check format suite

demo:
	@sh tools/setup.sh demo
	@.venv/bin/watcher demo $(DEMO_ARGS)

test:
	@sh tools/setup.sh test
	@$(MAKE) --no-print-directory check suite

# One table of everything that is measured, each against its bound or peer: BENCH_ARGS="--quick", or names of benches.
bench:
	@sh tools/setup.sh test
	@.venv/bin/python -m bench $(BENCH_ARGS)

check:
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache --no-logo

suite:
	@sh tools/suite.sh

format:
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
