#!/bin/bash
# enter.sh SCRIPT...: makes the root of a run, inside of its namespaces, and runs the scripts there. Called by run.sh.
set -euo pipefail
mount --make-rprivate /
mkdir "$WELD_LIVE"
mount -t tmpfs -o size=75% weld "$WELD_LIVE"
cd "$WELD_LIVE"
mkdir upper work root
mount -t overlay -o "lowerdir=$WELD_LOWER,upperdir=upper,workdir=work" weld root
# koji removes no directory whose files seem to be on another file system, as they do in an overlay.
for dir in tmp mnt srv var/lib/mock; do
	mkdir -p "plain/$dir" "root/$dir"
	mount --bind "plain/$dir" "root/$dir"
done
chmod 1777 root/tmp
mount -t proc proc root/proc
mount --rbind /sys root/sys
mount --rbind /dev root/dev

# give NAME DIR: DIR is /weld/NAME in there, read only.
give() {
	mkdir -p "root/weld/$1"
	mount --bind "$2" "root/weld/$1"
	mount -o remount,bind,ro "root/weld/$1"
}
give bin "$WELD_BIN"
give libexec "$WELD_LIBEXEC"
# A copy: bash reads a script as it goes, and somebody may be writing it.
mkdir -p root/weld/live
cp "$WELD_HERE"/* root/weld/live
give mini "$WELD_MINI"
give toml2spec "$WELD_HERE/../../toml2spec"
for tree in koji pungi; do
	name=WELD_${tree^^}
	[ -z "${!name:-}" ] || give "$tree" "${!name}"
done
[ -z "${WELD_RPMS:-}" ] || give rpms "$WELD_RPMS"
if [ -n "${WELD_MOCK:-}" ]; then
	mkdir -p root/weld/mock
	cp -a "$WELD_MOCK/." root/weld/mock
fi
python=/weld/koji:/weld/pungi
n=0
IFS=: read -ra more <<<"${WELD_PYTHON:-}"
for dir in "${more[@]}"; do
	n=$((n + 1))
	give "python$n" "$dir"
	python+=:/weld/python$n
done
touch root/weld/results
mount --bind "$WELD_NEW" root/weld/results
ip link set lo up
hostname builder
printf '127.0.0.1 localhost builder\n' >root/etc/hosts
exec chroot root env -i PATH=/weld/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
	PYTHONPATH="$python" PYTHONDONTWRITEBYTECODE=1 WELD_LIBEXEC=/weld/libexec WELD_RESULTS=/weld/results WELD_KEEP="${WELD_KEEP:-}" \
	bash /weld/live/inside.sh "$@"
