# Thin names for `python3 dev.py ...`, which needs nothing but Python.
PYTHON ?= python3

.PHONY: demo test lint docs
demo:
	$(PYTHON) dev.py demo
test:
	$(PYTHON) dev.py test
lint:
	$(PYTHON) dev.py lint
docs:
	$(PYTHON) dev.py docs

# CORPUS=file.jsonl SCORER=score.py choose others than those of this repository
bench-cases:
	$(PYTHON) benchmarks/bench_cases.py $(CORPUS) $(SCORER)

bench-match:
	$(PYTHON) benchmarks/bench_match_cost.py
