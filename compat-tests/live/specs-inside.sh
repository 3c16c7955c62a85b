#!/bin/bash
# specs-inside.sh: what specs.sh does in a root of Debian unstable, with the specs, their table and their sources in /weld/given.
set -euo pipefail
# shellcheck source=lib.sh
. /weld/live/lib.sh
cp /weld/live/fedora.macros /usr/lib/rpm/macros.d/macros.weld

version=$(rpm --version | sed 's/.* //')
options=(--define '_topdir /build' --define '_buildhost weld' --define 'use_source_date_epoch_as_buildtime 1'
	--define 'clamp_mtime_to_source_date_epoch 1' --define 'build_mtime_policy clamp_to_source_date_epoch')

archive_of() { echo /weld/given/"$1"_[0-9]*; }

# spec_of NAME SOURCE: the spec, set to the version of the source.
spec_of() {
	local version
	version=$(archive_of "$2" | sed -E 's,.*[-_]([0-9][^/]*)(\.orig)?\.tar\..*,\1,; s/\.orig$//; s/[+]dfsg.*//')
	sed -E "s/^(Version:[ \t]*).*/\1$version/I" "/weld/given/$1.spec"
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
	tar -C $dir --sort=name --owner=0 --group=0 --mtime="@$SOURCE_DATE_EPOCH" -acf "$2" "$name"
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
	local out=/weld/build/$1/out way=$2 rpm tags ok=0 all=0 bad=0
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
	local dir=/weld/build/$1 way
	mkdir -p "$dir"/{original,back,bare}
	spec_of "$1" "$2" >"$dir/original/$1.spec"
	spec2toml -o "$dir" "$dir/original/$1.spec"
	toml2spec -o "$dir/back" "$dir/$1.toml"
	cmp "$dir/original/$1.spec" "$dir/back/$1.spec"
	toml2spec --no-layout -o "$dir/bare" "$dir/$1.toml"
	sources "$1" "$2" "$dir/original"
	for way in back bare; do find "$dir/original" -type f ! -name "$1.spec" -exec cp -t "$dir/$way" {} +; done
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

# report FEATURE OK HOW
report() {
	result "$1" rpmbuild "$version" "$2" "$3"
	[ "$2" != false ] || failures=$((failures + 1))
}

ok=true
while read -r kind name source; do
	[ -n "$source" ] || continue
	dir=/weld/build/$name
	prove prepare "$name" "$source"
	back=$ok ok=true
	prove build "$dir/original" "$dir/out/original" "$name"
	[ $ok = true ] || { report "spec of Fedora: $kind" null "$name does not build here"; failures=$((failures + 1)); ok=true; continue; }
	ok=$back
	prove build "$dir/back" "$dir/out/back" "$name"
	prove equal "$name" back
	back=$ok ok=true
	prove build "$dir/bare" "$dir/out/bare" "$name"
	prove equal "$name" bare
	bare=$ok ok=true
	report "spec of Fedora to TOML and back: $kind" $back "$name: all packages equal to those of the original, byte for byte"
	report "spec of Fedora to TOML and back, without layout: $kind" $bare "$name: packages equal, byte for byte, but for the source package, which has the spec"
done </weld/given/table
echo "$failures failed"
[ "$failures" = 0 ]
