#!/bin/sh
# The main process of the all-in-one image: our keeper keeps the gateway alive, the watchdog judges it. When the engine stops the container,
# the gateway is stopped in order.
set -u
doctor=/opt/doctor/bin/iflow-doctor
"$doctor" service install --only gateway || exit 1
"$doctor" watch &
watch=$!

# shellcheck disable=SC2317 # called by the trap
keepers() { # there is one; this is our own container
	for one in /proc/[0-9]*; do
		case $(tr '\0' ' ' 2>/dev/null <"$one/cmdline") in
		*/keeper/main.py\ run\ *) echo "${one#/proc/}" ;;
		esac
	done
}
# shellcheck disable=SC2317
stop() {
	trap '' TERM INT
	kill -TERM "$watch" 2>/dev/null
	for one in $(keepers); do kill -TERM "$one" 2>/dev/null; done
	while [ -n "$(keepers)" ]; do sleep 1; done
	exit 0
}
trap stop TERM INT
while kill -0 "$watch" 2>/dev/null; do wait "$watch"; done
# without a watchdog the container is worth a restart; the keeper ends with it
exit 1
