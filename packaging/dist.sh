#!/bin/sh
# dist.sh VERSION DIR: the sources of weld-bridge.spec into DIR, from which it builds without a network:
#   weld-bridge-VERSION.tar.gz          this tree
#   weld-bridge-VERSION-vendor.tar.xz   the Go modules that it imports
#   weld-bridge-VERSION-encoders.tar    the modules that hold the C sources of the encoders, as a module proxy: build.sh
#                                       checks their sums
# The same tree gives the same archives.
set -eu

version=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
GO=${GO:-go}
work=$(mktemp -d "$out/.dist.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# archive: tar with nothing of this machine in it.
archive() {
	tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$SOURCE_DATE_EPOCH" --format=posix \
		--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime "$@"
}

# publish NAME: what was written, in one step.
publish() { mv "$work/$1" "$out/$1"; }

git ls-files -co --exclude-standard | while IFS= read -r file; do [ ! -e "$file" ] || printf '%s\n' "$file"; done >"$work/files"
archive --verbatim-files-from --no-recursion -T "$work/files" --transform "flags=r;s,^,weld-bridge-$version/," -cf - | gzip -n >"$work/weld-bridge-$version.tar.gz"
publish "weld-bridge-$version.tar.gz"

$GO mod vendor -o "$work/vendor"
archive -C "$work" -cf - vendor | xz -3 -T2 >"$work/weld-bridge-$version-vendor.tar.xz"
publish "weld-bridge-$version-vendor.tar.xz"

cache=$($GO env GOMODCACHE)/cache/download
sed -n 's/^[a-z][^ ]* \([^ ]*@[^ ]*\) .*/\1/p' internal/pristine/encoders/modules.txt | sort -u | while IFS= read -r module; do
	zip=$(cd / && GOWORK=off $GO mod download -json "$module" | sed -n 's/^.*"Zip": "\(.*\)",*$/\1/p')
	to=$work/modules/$(dirname "${zip#"$cache"/}")
	mkdir -p "$to"
	cp "$zip" "${zip%.zip}.mod" "$to"
	printf '{"Version":"%s"}' "${module#*@}" >"$to/$(basename "$zip" .zip).info"
done
archive -C "$work" -cf "$work/weld-bridge-$version-encoders.tar" modules
publish "weld-bridge-$version-encoders.tar"
