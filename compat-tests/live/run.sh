#!/bin/bash
# run.sh [SCRIPT]: part two of the suite, against the real koji, mock and pungi.
#
# Everything runs in namespaces of its own: a root that is an overlay in memory, a network that has loopback alone,
# processes that end with the run. Nothing on the machine is written but the cache of what may be used again.
#
#   WELD_KOJI, WELD_MOCK, WELD_PUNGI   source trees; without one, what is installed
#   WELD_PYTHON                        further directories for PYTHONPATH, with ':' between them (kobo, productmd,
#                                      templated-dictionary, rpmautospec-core, pykickstart)
#   WELD_CACHE                         what runs share; default ~/.cache/weld-bridge
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${WELD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weld-bridge}/compat
bin=${WELD_BIN:?run make compat}
[ "$(id -u)" = 0 ] || { echo "skipped: part two needs root" >&2; exit 0; }
mkdir -p "$cache"

# On Debian, which has none of the three, a root of its own holds what they stand on.
packages=rpm,python3-rpm,createrepo-c,dnf,python3-dnf,dnf-plugins-core,git,postgresql,python3-psycopg2,python3-requests,python3-dateutil,python3-defusedxml,python3-six,python3-jinja2,python3-distro,python3-pyroute2,python3-backoff,python3-lxml,python3-libcomps,python3-createrepo-c,python3-jsonschema,python3-setuptools,python3-dogpile.cache,python3-gi,gir1.2-modulemd-2.0,gnupg,patch,cpio,xz-utils,zstd,bzip2,unzip,file,procps,iproute2,sudo,make,ca-certificates,ostree,zypper,python3-cheetah,python3-librepo,gcc,g++,debugedit,elfutils,libc6-dev
lower=/
if ! command -v mock >/dev/null && command -v debootstrap >/dev/null; then
	lower=${WELD_ROOT:-$cache/root-$(sha256sum <<<"$packages" | cut -c1-12)}
	if [ ! -d "$lower" ]; then
		rm -rf "$lower.new"
		debootstrap --variant=minbase --include="$packages" bookworm "$lower.new" >"$cache/debootstrap.log" 2>&1 || { tail "$cache/debootstrap.log" >&2; exit 1; }
		mv "$lower.new" "$lower"
	fi
fi
"$here/minidist.sh" "$cache/mini"

export WELD_LIVE=$(mktemp -d "$cache/run.XXXXXX") WELD_LOWER=$lower WELD_MINI=$cache/mini WELD_HERE=$here WELD_SCRIPT=${1:-koji.sh}
trap 'rmdir "$WELD_LIVE"' EXIT
unshare --mount --pid --net --ipc --uts --fork --kill-child "$here/enter.sh"
