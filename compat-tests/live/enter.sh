#!/bin/bash
# enter.sh: makes the root of a run, inside of its namespaces, and runs WELD_SCRIPT there. Called by run.sh.
set -euo pipefail
mount --make-rprivate /
mount -t tmpfs -o size=75% weld "$WELD_LIVE"
cd "$WELD_LIVE"
mkdir upper work root
mount -t overlay -o "lowerdir=$WELD_LOWER,upperdir=upper,workdir=work" weld root
mount -t proc proc root/proc
mount --rbind /sys root/sys
mount --rbind /dev root/dev
mkdir -p root/weld
# give NAME DIR: DIR is /weld/NAME in there, read only.
give() { mkdir -p "root/weld/$1"; mount --bind "$2" "root/weld/$1"; mount -o remount,bind,ro "root/weld/$1"; }
give bin "$WELD_BIN"
give libexec "$WELD_LIBEXEC"
give live "$WELD_HERE"
give mini "$WELD_MINI"
give toml2spec "$WELD_HERE/../../toml2spec"
for tree in koji pungi; do
	name=WELD_${tree^^}
	[ -z "${!name:-}" ] || give "$tree" "${!name}"
done
if [ -n "${WELD_MOCK:-}" ]; then mkdir -p root/weld/mock; cp -a "$WELD_MOCK/." root/weld/mock; fi
python=/weld/koji:/weld/pungi
n=0
IFS=: read -ra more <<<"${WELD_PYTHON:-}"
for dir in "${more[@]}"; do n=$((n + 1)); give "python$n" "$dir"; python+=:/weld/python$n; done
ip link set lo up
hostname builder
printf '127.0.0.1 localhost builder\n' >root/etc/hosts
exec chroot root env -i PATH=/weld/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
	PYTHONPATH="$python" PYTHONDONTWRITEBYTECODE=1 WELD_LIBEXEC=/weld/libexec bash "/weld/live/$WELD_SCRIPT"
