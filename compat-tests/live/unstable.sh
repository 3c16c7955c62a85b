#!/bin/bash
# unstable.sh root PACKAGES: prints a root of Debian unstable with these packages (commas between them), which is made once.
# unstable.sh run ROOT DIR SCRIPT: runs a script of this directory in an overlay of ROOT in memory, with loopback alone; what is in DIR is in
# /weld/given there.
#
#   WELD_BIN, WELD_LIBEXEC   the tools and the encoders
#   WELD_CACHE, WELD_RESULTS as in run.sh
#   WELD_UNSTABLE            a root to take in place of the one that is made
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${WELD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weld-bridge}/compat
mkdir -p "$cache"

case $1 in
root)
	if [ -n "${WELD_UNSTABLE:-}" ]; then
		echo "$WELD_UNSTABLE"
		exit
	fi
	root=$cache/unstable-$(sha256sum <<<"$2" | cut -c1-12)
	if [ ! -d "$root" ]; then
		rm -rf "$root.new"
		debootstrap --variant=minbase --include="$2" sid "$root.new" >"$cache/debootstrap-sid.log" 2>&1 || {
			tail "$cache/debootstrap-sid.log" >&2
			exit 1
		}
		# A mirror may be older than its lists say they are good for.
		echo 'Acquire::Check-Valid-Until "false";' >"$root.new/etc/apt/apt.conf.d/00weld"
		sed 's/^deb /deb-src /' "$root.new/etc/apt/sources.list" >"$root.new/etc/apt/sources.list.d/source.list"
		mv "$root.new" "$root"
	fi
	echo "$root"
	;;
run)
	: "${WELD_BIN:?run make compat}" "${WELD_LIBEXEC:?run make compat}"
	live=$(mktemp -d "$cache/run.XXXXXX")
	trap 'rm -rf "$live"' EXIT
	: >"$live/results"
	status=0
	# Whoever is ended takes the rest along.
	WELD_LIVE=$live WELD_HERE=$here setpriv --pdeathsig KILL unshare --mount --pid --net --ipc --uts --fork --kill-child "$here/unstable.sh" enter "$2" "$3" "$4" || status=$?
	[ -z "${WELD_RESULTS:-}" ] || cat "$live/results" >>"$WELD_RESULTS"
	exit "$status"
	;;
enter)
	mount --make-rprivate /
	mkdir "$WELD_LIVE/root"
	mount -t tmpfs -o size=75% weld "$WELD_LIVE/root"
	cd "$WELD_LIVE/root"
	mkdir upper work root
	mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" weld root
	mount -t proc proc root/proc
	mount --rbind /dev root/dev
	mkdir -p root/weld/{bin,libexec,live,given}
	cp "$WELD_BIN"/* root/weld/bin
	cp "$WELD_LIBEXEC"/* root/weld/libexec
	cp "$WELD_HERE"/*.sh "$WELD_HERE"/*.macros root/weld/live
	cp -r "$3/." root/weld/given
	touch root/weld/results
	mount --bind "$WELD_LIVE/results" root/weld/results
	ip link set lo up
	exec chroot root env -i PATH=/weld/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC WELD_LIBEXEC=/weld/libexec \
		WELD_RESULTS=/weld/results SOURCE_DATE_EPOCH=1793577600 bash "/weld/live/$4"
	;;
esac
