#!/bin/bash
# specs.sh: ten specs of Fedora, of different kinds, to TOML and back, and what rpmbuild makes of both, byte for byte.
#
#   WELD_SPECS   directory that holds Fedora's specs, NAME.spec, at any depth
#   WELD_BIN     the tools
#   WELD_CACHE, WELD_RESULTS: as in run.sh
#
# specs.sh NAME...: these specs alone.
#
# The sources are those of Debian, whose versions the specs are set to; unstable's rpm builds, which knows BuildSystem. Three specs are
# built: the original, the one that comes back from TOML (which is the same, byte for byte), and the one that comes back without [layout].
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${WELD_BIN:?run make compat}" "${WELD_SPECS:?names no directory of specs}"
cache=${WELD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weld-bridge}/compat

# kind, spec, Debian's source package in unstable, or in the release named
table='
C                    pigz                pigz
Python               python-markupsafe   markupsafe
Perl                 perl-Text-Glob      libtext-glob-perl
fonts                sil-andika-fonts    fonts-sil-andika
subpackages          libev               libev
scriptlets           dash                dash
triggers             hicolor-icon-theme  hicolor-icon-theme
noarch               bash-completion     bash-completion
bconds               jq                  jq
BuildSystem          jello               jello
'
if [ $# -gt 0 ] && [ "$1" != inside ]; then table=$(for name; do grep -E "^[A-Za-z]+ +$name " <<<"$table"; done); fi

# fetch SOURCE: the upstream archive into $cache/sources; Debian's by the digest of its lists.
fetch() {
	local uri name size sum
	read -r uri name size sum < <(chroot "$root" apt-get source --print-uris -qq "$1" | grep -E 'orig\.tar\.[a-z0-9]+ ')
	uri=${uri#\'}
	chroot "$root" /usr/lib/apt/apt-helper -o APT::Sandbox::User= download-file "${uri%\'}" "/tmp/$name" "$sum" >/dev/null
	mv "$root/tmp/$name" "$cache/sources/"
	echo "$1: $name, $size bytes"
}

if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || { echo "specs.sh: skipped: needs root" >&2; exit 0; }
	packages=rpm,gcc,g++,make,cmake,meson,perl,python3,python3-setuptools,python3-pip,python3-wheel,patch,file,debugedit,elfutils,xz-utils
	packages+=,bzip2,zstd,cpio,unzip,libonig-dev,zlib1g-dev,dpkg-dev,ca-certificates,autoconf,automake,libtool,flex,bison,pkgconf,doxygen
	root=${WELD_SID:-$cache/sid-$(sha256sum <<<"$packages" | cut -c1-12)}
	mkdir -p "$cache/sources"
	if [ ! -d "$root" ]; then
		rm -rf "$root.new"
		debootstrap --variant=minbase --include="$packages" sid "$root.new" >"$cache/debootstrap-sid.log" 2>&1 || { tail "$cache/debootstrap-sid.log" >&2; exit 1; }
		# A mirror may be older than its lists say they are good for.
		echo 'Acquire::Check-Valid-Until "false";' >"$root.new/etc/apt/apt.conf.d/00weld"
		sed 's/^deb /deb-src /' "$root.new/etc/apt/sources.list" >"$root.new/etc/apt/sources.list.d/source.list"
		sed 's/ sid / bookworm /' "$root.new/etc/apt/sources.list.d/source.list" >"$root.new/etc/apt/sources.list.d/bookworm.list"
		chroot "$root.new" apt-get update -qq
		mv "$root.new" "$root"
	fi
	work=$(mktemp -d "$cache/specs.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	while read -r _ spec source; do
		[ -n "$source" ] || continue
		found=$(find "$WELD_SPECS" -name "$spec.spec" -print -quit)
		[ -n "$found" ] || { echo "specs.sh: $WELD_SPECS: no $spec.spec" >&2; exit 1; }
		cp "$found" "$work"
		ls "$cache/sources/${source%/*}"[-_][0-9]* >/dev/null 2>&1 || fetch "$source"
	done <<<"$table"
	export WELD_TABLE=$table WELD_LOWER=$root WELD_WORK=$work WELD_SOURCES=$cache/sources WELD_HERE=$here WELD_BIN
	touch "$work/results"
	status=0
	# shellcheck disable=SC2016
	unshare --mount --pid --net --ipc --uts --fork --kill-child bash -euc '
		mount --make-rprivate /
		exec 3>"$WELD_WORK/results"
		mkdir "$WELD_WORK/root"
		mount -t tmpfs -o size=75% weld "$WELD_WORK/root"
		cd "$WELD_WORK/root"
		mkdir upper work root
		mount -t overlay -o "lowerdir=$WELD_LOWER,upperdir=upper,workdir=work" weld root
		mount -t proc proc root/proc
		mount --rbind /dev root/dev
		mkdir -p root/weld/specs root/weld/src root/weld/bin
		cp "$WELD_WORK"/*.spec root/weld/specs
		cp "$WELD_SOURCES"/* root/weld/src
		cp "$WELD_BIN"/spec2toml "$WELD_BIN"/toml2spec root/weld/bin
		cp "$WELD_HERE"/specs.sh root/weld
		cp "$WELD_HERE"/fedora.macros root/usr/lib/rpm/macros.d/macros.weld
		ip link set lo up
		exec chroot root env -i WELD_TABLE="$WELD_TABLE" PATH=/weld/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC WELD_BIN=/weld/bin WELD_SPECS=/weld/specs bash /weld/specs.sh inside
	' || status=$?
	[ -z "${WELD_RESULTS:-}" ] || cat "$work/results" >>"$WELD_RESULTS"
	exit "$status"
fi

export SOURCE_DATE_EPOCH=1793577600
version=$(rpm --version | sed 's/.* //')
options=(--define '_topdir /build' --define '_buildhost weld' --define 'use_source_date_epoch_as_buildtime 1'
	--define 'clamp_mtime_to_source_date_epoch 1' --define 'build_mtime_policy clamp_to_source_date_epoch')

archive_of() { echo /weld/src/"${1%/*}"[-_][0-9]*; }

# spec_of NAME SOURCE: the spec, set to the version of the source.
spec_of() {
	local version
	version=$(archive_of "$2" | sed -E 's,.*[-_]([0-9][^/]*)(\.orig)?\.tar\..*,\1,; s/\.orig$//; s/[+]dfsg.*//')
	sed -E "s/^(Version:[ \t]*).*/\1$version/I; s/^(%define upstream_version ).*/\1$version/" "/weld/specs/$1.spec"
}

# sources NAME SOURCE DIR: the source under the name that the spec has for it; the other files, which are not to be had, with a line of ours.
sources() {
	local orig name
	orig=$(archive_of "$2")
	rpmspec "${options[@]}" -P "$3/$1.spec" 2>/dev/null | sed -nE 's/^(Source|Patch)[0-9]*:[ \t]*//Ip' | while read -r name; do
		name=${name##*/}
		if [ -n "$orig" ]; then
			repack "$orig" "$3/$name"
			orig=
		else
			echo '<!-- stands for a file of the package -->' >"$3/$name"
		fi
	done
}

# repack FROM TO: the archive under another name, and its directory under that name without suffixes.
repack() {
	local dir=/tmp/repack name=${2##*/}
	name=${name%.tar.*}
	rm -rf $dir
	mkdir -p "$dir/$name"
	tar -C "$dir/$name" --strip-components=1 -xf "$1"
	tar -C $dir --sort=name --owner=0 --group=0 --mtime=@$SOURCE_DATE_EPOCH -acf "$2" "$name"
}

# build DIR OUT NAME: source package and packages into OUT; always from the same path, which gets into source packages.
build() {
	rm -rf /build /sources
	mkdir -p /build "$2"
	mv "$1" /sources
	rpmbuild -ba --nodeps --nocheck "${options[@]}" --define '_sourcedir /sources' "/sources/$3.spec" >"$2/log" 2>&1 || { tail -n 25 "$2/log"; return 1; }
	find /build/RPMS /build/SRPMS -name '*.rpm' -exec mv -t "$2" {} +
}

# differ A B: the names of the tags that differ, of two packages.
differ() {
	for tag in $(rpm --querytags); do
		cmp -s <(rpm -qp --qf "[%{$tag}\n]" "$1" 2>/dev/null) <(rpm -qp --qf "[%{$tag}\n]" "$2" 2>/dev/null) || printf ' %s' "$tag"
	done
}

# equal NAME WAY: what was built of the original is what was built of WAY; says what is not. A source package has its spec.
equal() {
	local out=/weld/work/$1/out way=$2 rpm tags ok=0 all=0 bad=0
	for rpm in "$out"/original/*.rpm; do
		if cmp -s "$rpm" "$out/$way/${rpm##*/}"; then
			ok=$((ok + 1))
		else
			tags=$(differ "$rpm" "$out/$way/${rpm##*/}")
			echo "  ${rpm##*/}: differs in$tags"
			[[ $way = bare && $rpm = *.src.rpm ]] || bad=1
		fi
		all=$((all + 1))
	done
	diff <(cd "$out/original" && ls ./*.rpm) <(cd "$out/$way" && ls ./*.rpm) || bad=1
	echo "$1, $way: $ok of $all packages identical"
	[ $all -gt 1 ] && [ $bad = 0 ]
}

# prepare NAME SOURCE: the three specs and their sources.
prepare() {
	local dir=/weld/work/$1 way
	mkdir -p "$dir"/{original,back,bare}
	spec_of "$1" "$2" >"$dir/original/$1.spec"
	spec2toml -o "$dir" "$dir/original/$1.spec"
	toml2spec -o "$dir/back" "$dir/$1.toml"
	cmp "$dir/original/$1.spec" "$dir/back/$1.spec"
	toml2spec --no-layout -o "$dir/bare" "$dir/$1.toml"
	sources "$1" "$2" "$dir/original"
	for way in back bare; do find "$dir/original" -type f ! -name "$1.spec" -exec cp -t "$dir/$way" {} +; done
}

# report FEATURE OK HOW
report() {
	printf '{"feature": "%s", "program": "rpmbuild", "version": "%s", "ok": %s, "how": "%s"}\n' "$1" "$version" "$2" "$3" >&3
	[ "$2" != false ] || failed=$((failed + 1))
}

# prove COMMAND...: with set -e in it, which a condition would take away; ok tells whether all succeeded since it was set.
prove() {
	[ $ok = true ] || return 0
	set +e
	(
		set -e
		"$@"
	)
	# shellcheck disable=SC2181
	[ $? = 0 ] || ok=false
	set -e
}

failed=0 ok=true
while read -r kind name source; do
	[ -n "$source" ] || continue
	dir=/weld/work/$name
	prove prepare "$name" "$source"
	back=$ok ok=true
	prove build "$dir/original" "$dir/out/original" "$name"
	[ $ok = true ] || { report "spec of Fedora: $kind" null "$name does not build here"; failed=$((failed + 1)); ok=true; continue; }
	ok=$back
	prove build "$dir/back" "$dir/out/back" "$name"
	prove equal "$name" back
	back=$ok ok=true
	prove build "$dir/bare" "$dir/out/bare" "$name"
	prove equal "$name" bare
	bare=$ok ok=true
	report "spec of Fedora to TOML and back: $kind" $back "$name: packages equal to those of the original spec, byte for byte"
	report "spec of Fedora to TOML and back, without layout: $kind" $bare "$name: packages equal, byte for byte, but for the source package, which has the spec"
done <<<"$WELD_TABLE"
echo "$failed failed"
[ $failed = 0 ]
