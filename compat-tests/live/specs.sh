#!/bin/bash
# specs.sh: ten specs of Fedora, of different kinds, to TOML and back, and what rpmbuild makes of both, byte for byte.
#
#   WELD_SPECS   directory that holds Fedora's specs, NAME.spec, at any depth
#   WELD_BIN, WELD_LIBEXEC, WELD_CACHE, WELD_RESULTS, WELD_UNSTABLE: as in unstable.sh
#
# specs.sh NAME...: these specs alone.
#
# The sources are those of Debian, whose versions the specs are set to; unstable's rpm builds, which knows BuildSystem. Three specs are
# built: the original, the one that comes back from TOML (which is the same, byte for byte), and the one that comes back without [layout].
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${WELD_SPECS:?names no directory of specs}"
[ "$(id -u)" = 0 ] || { echo "specs.sh: skipped: needs root" >&2; exit 0; }
cache=${WELD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weld-bridge}/compat

# kind, spec, Debian's source package
table='
C                    pigz                pigz
Python               python-markupsafe   markupsafe
Perl                 perl-Text-Glob      libtext-glob-perl
fonts                sil-andika-fonts    fonts-sil-andika
subpackages          libev               libev
scriptlets           dash                dash
triggers             hicolor-icon-theme  hicolor-icon-theme
noarch               atool               atool
bconds               jq                  jq
BuildSystem          jello               jello
'
if [ $# -gt 0 ]; then table=$(for name; do grep -E "^[A-Za-z]+ +$name " <<<"$table"; done); fi

# fetch SOURCE: the upstream archive into $cache/sources; Debian's by the digest of its lists.
fetch() {
	local uri name size sum
	read -r uri name size sum < <(chroot "$root" apt-get source --print-uris -qq "$1" | grep -E 'orig\.tar\.[a-z0-9]+ ')
	uri=${uri#\'}
	chroot "$root" /usr/lib/apt/apt-helper -o APT::Sandbox::User= download-file "${uri%\'}" "/tmp/$name" "$sum" >/dev/null
	mv "$root/tmp/$name" "$cache/sources/"
	echo "$1: $name, $size bytes"
}

packages=rpm,gcc,g++,make,meson,perl,python3,python3-setuptools,python3-pip,python3-wheel,patch,file,debugedit,elfutils,xz-utils,bzip2,zstd
packages+=,cpio,libonig-dev,zlib1g-dev,ca-certificates,autoconf,automake,libtool,flex,bison,pkgconf
root=$("$here/unstable.sh" root "$packages")
[ -n "$(ls "$root"/var/lib/apt/lists/*_source_Sources* 2>/dev/null)" ] || chroot "$root" apt-get update -qq
mkdir -p "$cache/sources"
given=$(mktemp -d)
trap 'rm -rf "$given"' EXIT
echo "$table" >"$given/table"
while read -r _ spec source; do
	[ -n "$source" ] || continue
	found=$(find "$WELD_SPECS" -name "$spec.spec" -print -quit)
	[ -n "$found" ] || { echo "specs.sh: $WELD_SPECS: no $spec.spec" >&2; exit 1; }
	cp "$found" "$given"
	ls "$cache/sources/$source"_[0-9]* >/dev/null 2>&1 || fetch "$source"
	cp "$cache/sources/$source"_[0-9]* "$given"
done <<<"$table"
setpriv --pdeathsig TERM "$here/unstable.sh" run "$root" "$given" specs-inside.sh
