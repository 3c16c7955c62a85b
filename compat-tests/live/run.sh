#!/bin/bash
# run.sh [SCRIPT...]: part two of the suite, against the real koji, mock and pungi. Without a SCRIPT, those whose program is at hand.
#
# Everything runs in namespaces of its own: a root that is an overlay in memory, a network that has loopback alone,
# processes that end with the run. Nothing on the machine is written but the results, and the cache of what may be used again.
#
#   WELD_KOJI, WELD_MOCK, WELD_PUNGI   source trees; without one, what is installed
#   WELD_PYTHON                        further directories for PYTHONPATH, with ':' between them (kobo, productmd,
#                                      templated-dictionary, rpmautospec-core, pykickstart)
#   WELD_RPMS                          a directory of packages of any make, for koji's tree to the store and back
#   WELD_CACHE                         what runs share; default ~/.cache/weld-bridge
#   WELD_RESULTS                       file for the results, JSON lines, appended (default: none)
#   WELD_ROOT                          a root to run in, in place of this machine's or the one that debootstrap makes
#   WELD_KEEP=1                        keep the root for 40 minutes to look at it
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${WELD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weld-bridge}/compat
: "${WELD_BIN:?run make compat}" "${WELD_LIBEXEC:?run make compat}"

# skip PROGRAM WHY: says so, there and in the results.
skip() {
	echo "skipped: $1: $2" >&2
	[ -z "${WELD_RESULTS:-}" ] || printf '{"feature": "all", "program": "%s", "version": "", "ok": null, "how": "skipped: %s"}\n' "$1" "$2" >>"$WELD_RESULTS"
}
# at_hand TREE PROGRAM: whether a source tree is named or the program is installed.
at_hand() { [ -n "$1" ] || command -v "$2" >/dev/null; }

scripts=("$@")
if [ $# = 0 ]; then
	hand=
	if at_hand "${WELD_MOCK:-}" mock; then hand+=" mock"; fi
	if [ -n "$hand" ] && at_hand "${WELD_KOJI:-}" kojid; then hand=" koji$hand"; fi
	if at_hand "${WELD_PUNGI:-}" pungi-koji; then hand+=" pungi"; fi
	for program in koji mock pungi; do
		if [[ " $hand " == *" $program "* ]]; then scripts+=("$program.sh"); else skip "$program" "neither installed nor named by WELD_${program^^}"; fi
	done
fi
[ ${#scripts[@]} -gt 0 ] || exit 0
why=
[ "$(id -u)" = 0 ] || why="needs root"
command -v dpkg-query >/dev/null || why="the mini distribution is made of a Debian machine's files"
if [ -n "$why" ]; then
	for script in "${scripts[@]}"; do skip "${script%.sh}" "$why"; done
	exit 0
fi
mkdir -p "$cache"
# One run at a time fills the cache.
exec 9>"$cache/lock"
flock 9

# Debian has none of the three; what they stand on it has, in a root of its own.
packages=rpm,python3-rpm,createrepo-c,dnf,python3-dnf,dnf-plugins-core,git,postgresql,python3-psycopg2,python3-requests,python3-dateutil
packages+=,python3-defusedxml,python3-six,python3-jinja2,python3-distro,python3-pyroute2,python3-backoff,python3-lxml,python3-libcomps
packages+=,python3-createrepo-c,python3-jsonschema,python3-setuptools,python3-dogpile.cache,python3-gi,gir1.2-modulemd-2.0,gnupg,patch
packages+=,cpio,xz-utils,zstd,bzip2,unzip,file,procps,iproute2,sudo,make,ca-certificates,python3-cheetah,python3-librepo,gcc,g++,debugedit
packages+=,elfutils,libc6-dev,python3-yaml
lower=/
if ! command -v mock >/dev/null && command -v debootstrap >/dev/null; then
	lower=${WELD_ROOT:-$cache/root-$(sha256sum <<<"$packages" | cut -c1-12)}
	if [ ! -d "$lower" ]; then
		rm -rf "$lower.new"
		debootstrap --variant=minbase --include="$packages" bookworm "$lower.new" >"$cache/debootstrap.log" 2>&1 || {
			tail "$cache/debootstrap.log" >&2
			exit 1
		}
		mv "$lower.new" "$lower"
	fi
fi
"$here/minidist.sh" "$cache/mini"
exec 9>&-

live=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$live"' EXIT
results=$live/results
: >"$results"
status=0
limit=40m
[ -z "${WELD_KEEP:-}" ] || limit=60m
WELD_LIVE=$live/root WELD_LOWER=$lower WELD_MINI=$cache/mini WELD_HERE=$here WELD_NEW=$results \
	timeout --foreground --signal=KILL "$limit" unshare --mount --pid --net --ipc --uts --fork --kill-child "$here/enter.sh" "${scripts[@]}" || status=$?
[ -z "${WELD_RESULTS:-}" ] || cat "$results" >>"$WELD_RESULTS"
exit "$status"
