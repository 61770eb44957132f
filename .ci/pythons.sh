#!/bin/sh
# Run the tests on the other Pythons that are here, a minute or two each: 3.8 (the oldest
# we promise) and 3.13. PYTHONS names others.
# `make test` runs on the machine's own python3. What is not on this machine is named and skipped. usage: pythons.sh CACHE
set -u
CACHE=${1:?usage: pythons.sh CACHE}
FAILED=0
RAN=
for minor in ${PYTHONS:-3.8 3.13}; do
	python=""
	for found in "${PYENV_ROOT:-${HOME:-/root}/.pyenv}"/versions/"$minor".*/bin/python; do [ -x "$found" ] && python=$found; done
	[ -n "$python" ] || python=$(command -v "python$minor") || true
	if [ -z "$python" ]; then
		echo "python $minor: not on this machine, skipped"
		continue
	fi
	venv=$CACHE/venv-$minor
	[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || { FAILED=1; continue; }
	"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c requirements.lock \
		click filelock json5 jsonschema psutil rapidfuzz requests pytest pytest-xdist hypothesis responses pytest-rerunfailures || { FAILED=1; continue; }
	echo "python $minor ($("$venv/bin/python" -V)):"
	RAN="$RAN $minor"
	log=$CACHE/tests-$minor.log
	"$venv/bin/python" -m pytest -q -n 2 --dist worksteal --reruns 1 -p no:cacheprovider tests --ignore=tests/e2e >"$log" 2>&1 || { FAILED=1; echo "python $minor: FAILED"; }
	tail -n 15 "$log"
done
echo "ran on:${RAN:- none of them}"
exit "$FAILED"
