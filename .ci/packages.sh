#!/bin/sh
# Debian's packages, as root, and only for programs that are missing. Exit 1 when something is missing and cannot be installed.
set -u
want=""
need() { command -v "$1" >/dev/null 2>&1 || want="$want $2"; }
need python3 python3
need make make
need git git
need npm "nodejs npm"
need systemd-nspawn "systemd-container"
need dbus-daemon "dbus dbus-user-session"
need curl curl
need promtool prometheus
need shellcheck shellcheck
python3 -c 'import ensurepip' 2>/dev/null || want="$want python3-venv"
[ -e /lib/systemd/systemd ] || [ -e /usr/lib/systemd/systemd ] || want="$want systemd libpam-systemd"
if [ -z "$want" ]; then
	echo "nothing to install"
	exit 0
fi
echo "missing:$want"
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "not root, or no apt-get: install them yourself for the parts that need them"
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null || exit 1
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $want >/dev/null || exit 1
echo "installed:$want"
