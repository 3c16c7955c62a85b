#!/bin/bash
# minidist.sh DIR: a distribution of two packages out of this Debian machine's own files, which mock, koji and dnf can
# install and build in: mini-base and mini-gcc, in DIR. Nothing is downloaded. A second run finds them there.
set -euo pipefail
out=$1
command -v dpkg-query >/dev/null || { echo "minidist: needs a Debian machine" >&2; exit 77; }
script=$(readlink -f "$0")

# closure prints the packages that the named ones need, themselves among them.
closure() {
	dpkg-query -W -f '${db:Status-Status}\t${Package}\t${Pre-Depends}, ${Depends}\t${Provides}\n' | awk -F '\t' -v want="$*" '
	function clean(s) { gsub(/\([^)]*\)|:any|:native|[ \t]/, "", s); return s }
	$1 != "installed" { next }
	{ here[$2] = 1; needs[$2] = clean($3); n = split(clean($4), p, ","); for (i = 1; i <= n; i++) gives[p[i]] = $2 }
	END {
		n = split(want, queue, " ")
		for (i = 1; i <= n; i++) {
			name = queue[i]
			if (!(name in here)) name = gives[name]
			if (name == "" || name in done) continue
			done[name] = 1
			m = split(needs[name], all, ",")
			for (j = 1; j <= m; j++) {
				k = split(all[j], alternatives, "|")
				for (a = 1; a <= k; a++) if (alternatives[a] in here || alternatives[a] in gives) { queue[++n] = alternatives[a]; break }
			}
		}
		for (name in done) print name
	}' | sort
}

# files prints where the files of packages really are: beneath /usr, where /bin and /lib are links to it.
files() {
	local package
	for package in "$@"; do dpkg-query -L "$package"; done | sort -u | while IFS= read -r path; do
		case $path in
		/. | /bin | /sbin | /lib | /lib32 | /lib64 | /libx32 | /usr/share/doc/* | /usr/share/man/* | /usr/share/locale/* | /usr/share/info/* | /var/lib/dpkg* | /usr/share/lintian/*) continue ;;
		/bin/* | /sbin/* | /lib/* | /lib64/*) [ -L "/$(cut -d/ -f2 <<<"$path")" ] && path=/usr$path ;;
		esac
		if [ -e "$path" ] || [ -L "$path" ]; then echo "$path"; fi
	done | sort -u
}

essential=(bash base-files base-passwd coreutils dash debianutils diffutils findutils grep gzip hostname libc-bin login passwd perl-base procps sed sysvinit-utils tar util-linux)
more=(rpm bzip2 cpio file mawk patch unzip xz-utils zstd debugedit libgomp1 libcurl4)
compilers=(gcc g++ make libc6-dev)
for package in "${more[@]}" "${compilers[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || { echo "minidist: needs the package $package (make deps)" >&2; exit 77; }
done
mapfile -t base < <(closure "${essential[@]}" "${more[@]}")
mapfile -t gcc < <(comm -13 <(printf '%s\n' "${base[@]}") <(closure "${compilers[@]}"))
key=$({ cat "$script"; dpkg-query -W "${base[@]}" "${gcc[@]}"; } | sha256sum | cut -c1-16)
if [ "$(cat "$out/key" 2>/dev/null)" = "$key" ]; then exit 0; fi

mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
files "${base[@]}" >"$work/base.all"
files "${gcc[@]}" | comm -13 "$work/base.all" - >"$work/gcc.all"

# Alternatives are links that no package owns.
for link in awk cc c++ which; do
	path=/usr/bin/$link
	[[ -L $path && $(readlink "$path") == /etc/alternatives/* ]] || continue
	to=$(grep -qxF "$(readlink -f "$path")" "$work/base.all" && echo base || echo gcc)
	printf '%s\n/etc/alternatives/%s\n' "$path" "$link" >>"$work/$to.all"
done

# What a tree of these files provides and what of it a package may ask for by path.
for part in base gcc; do
	while IFS= read -r path; do
		[ -d "$path" ] && [ ! -L "$path" ] || echo "$path"
	done <"$work/$part.all" | grep -vxE '/etc/(passwd|group|shadow|gshadow|hostname|hosts|resolv.conf|ld.so.cache|rpm/macros.*)' >"$work/$part.list"
	# elfdeps fails at the linker scripts among the libraries.
	{ grep -E '^/usr/lib/.*\.so(\.|$)' "$work/$part.list" | /usr/lib/rpm/elfdeps --provides || true; } | sort -u | sed '/^$/d; s/^/Provides: /' >"$work/$part.provides"
done
echo 'Provides: rtld(GNU_HASH)' >>"$work/base.provides"

cat >"$work/mini.spec" <<SPEC
%global _buildshell /bin/bash
%global __os_install_post %{nil}
%global debug_package %{nil}
%global _build_id_links none
%global _binary_payload w1.zstdio
AutoReqProv: no
Name: mini
Version: 12
Release: 1
Summary: A distribution of two packages
License: MIT
%description
Made of the files of a Debian machine.

%package -n mini-base
Summary: What runs
AutoReqProv: no
$(for p in bash coreutils rpm rpm-build shadow-utils redhat-rpm-config util-linux system-release tar gzip bzip2 xz unzip sed grep gawk findutils diffutils cpio patch which perl procps-ng glibc-common info; do echo "Provides: $p"; done)
$(for p in sh bash env perl pkg-config awk sed; do echo "Provides: /bin/$p /usr/bin/$p"; done)
Provides: /sbin/ldconfig
$(cat "$work/base.provides")
%description -n mini-base
Runs.

%package -n mini-gcc
Summary: What compiles
AutoReqProv: no
Requires: mini-base
Provides: gcc gcc-c++ make glibc-devel
$(cat "$work/gcc.provides")
%description -n mini-gcc
Compiles.

%install
mkdir -p %{buildroot}
for part in base gcc; do tar -C / --no-recursion --verbatim-files-from -cf - -T $work/\$part.rel | tar -C %{buildroot} -xpf -; done
for dir in bin sbin lib lib64; do [ -L /\$dir ] && ln -s usr/\$dir %{buildroot}/\$dir; done
mkdir -p %{buildroot}/{etc/rpm,dev,proc,sys,run,tmp,root,home,opt,srv,mnt,media,builddir} %{buildroot}/var/{tmp,lib/rpm,log,cache,run}
printf 'root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n' >%{buildroot}/etc/passwd
printf 'root:x:0:\nbin:x:1:\ntty:x:5:\nmail:x:8:\nutmp:x:22:\nnogroup:x:65534:\n' >%{buildroot}/etc/group
printf 'root:*:1::::::\nbin:*:1::::::\nnobody:*:1::::::\n' >%{buildroot}/etc/shadow
printf '%%%%_dbpath /var/lib/rpm\n%%%%debug_package %%%%{nil}\n%%%%dist .mini\n%%%%_build_id_links none\n' >%{buildroot}/etc/rpm/macros.mini
chmod 1777 %{buildroot}/tmp %{buildroot}/var/tmp
chmod 600 %{buildroot}/etc/shadow
(cd %{buildroot} && { find . ! -type d -printf '/%%P\n' | grep -vxFf $work/gcc.list; find . -mindepth 1 -type d -printf '%%%%dir /%%P\n'; }) | sed -E 's,(/.*)\$,"\1",' >$work/base.files

%post -n mini-base -p /sbin/ldconfig

%files -n mini-base -f $work/base.files
%defattr(-,root,root)
%files -n mini-gcc -f $work/gcc.quoted
%defattr(-,root,root)
SPEC
for part in base gcc; do sed 's,^/,,' "$work/$part.list" >"$work/$part.rel"; done
sed 's/.*/"&"/' "$work/gcc.list" >"$work/gcc.quoted"
SOURCE_DATE_EPOCH=1793577600 rpmbuild -bb --quiet --target x86_64-linux --define "_topdir $work" --define "_rpmdir $work" --define 'use_source_date_epoch_as_buildtime 1' \
	--define '_buildhost mini' "$work/mini.spec" >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
rm -f "$out"/*.rpm
mv "$work"/x86_64/mini-*.rpm "$out"
echo "$key" >"$out/key"
