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
