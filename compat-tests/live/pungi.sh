#!/bin/bash
# pungi.sh: pungi composes from repositories and from koji, with repogen and with createrepo_c, and both composes say the same.
# Runs inside of run.sh's root, after prepare.sh.
set -euo pipefail
# shellcheck source=kojiup.sh
. /weld/live/kojiup.sh

top=/srv/compose
version=$(sed -n 's/^Version: //p' /weld/pungi/PKG-INFO 2>/dev/null || rpm -q --qf '%{version}' pungi)

# What a source tree lacks: its commands, python-multilib (nothing here has two architectures), and the programs for media,
# which it looks for though it makes none.
put_pungi() {
	local name module
	mkdir -p $top
	[ -d /weld/pungi ] || return 0
	for name in pungi-koji pungi-gather comps_filter; do
		module=${name/-/_}
		printf '#!/bin/sh\nexport PYTHONPATH=%s\nexec python3 -c "import pungi.scripts.%s as m; getattr(m, \047cli_main\047, getattr(m, \047main\047, None))()" "$@"\n' "$PYTHONPATH" "$module" >/usr/bin/$name
		chmod 755 /usr/bin/$name
	done
	for name in implantisomd5 checkisomd5 genisoimage isohybrid; do [ -e /usr/bin/$name ] || ln -s true /usr/bin/$name; done
	python3 -c 'from multilib.multilib import NoMultilibMethod' 2>/dev/null || cat >/usr/lib/python3/dist-packages/multilib/multilib.py <<-'PY'
		class NoMultilibMethod:
		    def __init__(self, *args):
		        pass

		    def select(self, package):
		        return False


		AllMultilibMethod = DevelMultilibMethod = RuntimeMultilibMethod = NoMultilibMethod
	PY
}

# Four packages: a library with subpackages, a program that needs it, data, and a source that excludes an architecture.
make_rpms() {
	local name extra arch
	mkdir -p $top/spec
	for name in weld-lib weld-tool weld-data weld-odd; do
		extra='' arch=''
		case $name in
		weld-lib) extra=$'%package devel\nSummary: Devel\nRequires: weld-lib = 1\n%description devel\nDevel.\n%package debuginfo\nSummary: Debug\n%description debuginfo\nDebug.\n%files devel\n/usr/include/weld-lib.h\n%files debuginfo\n/usr/lib/debug/weld-lib.debug' ;;
		weld-tool) arch='Requires: weld-lib = 1, /usr/share/weld-data/weld-data' ;;
		weld-data) arch='BuildArch: noarch' ;;
		weld-odd) arch='ExcludeArch: s390x' ;;
		esac
		cat >"$top/spec/$name.spec" <<-SPEC
			%global debug_package %{nil}
			Name: $name
			Version: 1
			Release: 1
			Summary: $name
			License: MIT
			$arch
			%description
			$name.
			%install
			mkdir -p %{buildroot}/usr/share/$name %{buildroot}/usr/include %{buildroot}/usr/lib/debug
			echo $name | tee %{buildroot}/usr/share/$name/$name %{buildroot}/usr/include/$name.h >%{buildroot}/usr/lib/debug/$name.debug
			%files
			/usr/share/$name
			$([ $name = weld-lib ] || echo '%exclude /usr/include'; [ $name = weld-lib ] || echo '%exclude /usr/lib/debug')
			$extra
		SPEC
		rpmbuild -ba --quiet --define "_topdir $top/rpm" --define '_build_id_links none' "$top/spec/$name.spec"
	done
	find $top/rpm -name '*.rpm' -exec mv -t $top/rpm {} +
}

serve_rpms() {
	rpmstore import --store /srv/store --into compose $top/rpm/*.rpm
	wait_for 60 python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8090/compose/repodata/repomd.xml")'
}

# A hub with the packages, each under two keys; koji.sh may have started it.
fill_koji() {
	local name
	if ! T=5 k moshimoshi; then
		write_profile
		start_database
		start_hub koji 8080
	fi
	k add-tag compose
	k import --create-build $top/rpm/*.rpm
	for name in weld-lib weld-tool weld-data weld-odd; do
		k add-pkg --owner admin compose $name
		k call tagBuildBypass compose $name-1-1 # tag-build makes a task, for a builder
	done
	for name in alpha beta; do
		make_key $name rsa2048
		mkdir $top/$name
		cp $top/rpm/*.rpm $top/$name
		# weld-odd has the second key alone: the order of sigkeys decides.
		[ $name = beta ] || rm $top/alpha/weld-odd*
		add_signature $name $top/$name/*.rpm
		k import-sig $top/$name/*.rpm
		k write-signed-rpm --all "$(key $name)"
	done
	[ "$(k list-tagged --quiet compose | wc -l)" = 4 ]
}

# config NAME LINES...: a configuration in $top/NAME.
config() {
	local dir=$top/$1
	shift
	mkdir -p "$dir"
	cat >"$dir/variants.xml" <<-'XML'
		<?xml version="1.0" encoding="UTF-8"?>
		<variants>
		<variant id="Server" name="Server" type="variant"><arches><arch>x86_64</arch></arches><groups><group default="true">core</group></groups></variant>
		<variant id="Data" name="Data" type="variant"><arches><arch>x86_64</arch></arches><groups><group default="true">data</group></groups></variant>
		</variants>
	XML
	cat >"$dir/comps.xml" <<-'XML'
		<?xml version="1.0" encoding="UTF-8"?>
		<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
		<comps>
		<group><id>core</id><name>Core</name><description>Core</description><default>true</default><uservisible>true</uservisible>
		<packagelist><packagereq type="mandatory">weld-tool</packagereq><packagereq type="default">weld-lib-devel</packagereq><packagereq type="mandatory">weld-odd</packagereq></packagelist></group>
		<group><id>data</id><name>Data</name><description>Data</description><default>true</default><uservisible>true</uservisible>
		<packagelist><packagereq type="mandatory">weld-data</packagereq></packagelist></group>
		</comps>
	XML
	{
		cat <<-'CONF'
			release_name = "Weld"
			release_short = "Weld"
			release_version = "1"
			release_type = "ga"
			tree_arches = ["x86_64"]
			variants_file = "variants.xml"
			comps_file = "comps.xml"
			runroot_tag = ""
			gather_method = "deps"
			gather_backend = "dnf"
			greedy_method = "none"
			check_deps = False
			repoclosure_backend = "dnf"
			createrepo_c = True
			createrepo_checksum = "sha256"
			hashed_directories = True
			createiso_skip = [("^.*$", {"*": True, "src": True})]
		CONF
		printf '%s\n' "$@"
	} >"$dir/pungi.conf"
}

# compose NAME TOOL ARGUMENTS...: composes $top/NAME; TOOL is repogen or original. What came is $top/NAME/TOOL.
compose() {
	local dir=$top/$1 tool=$2 path=$PATH
	shift 2
	[ "$tool" = repogen ] || path=/weld/original:$PATH
	mkdir -p "$dir/$tool"
	: >$logs/calls
	PATH=$path pungi-koji --target-dir="$dir/$tool" --config="$dir/pungi.conf" --test --skip-phase=createiso --skip-phase=extra_isos "$@" >"$dir/$tool.log" 2>&1 || {
		tail -n 25 "$dir/$tool.log"
		find "$dir/$tool" -name '*.traceback*' -exec tail -n 30 {} +
		return 1
	}
	grep -qx FINISHED "$dir/$tool"/latest-*/STATUS
	if [ "$tool" = repogen ]; then grep -q '^createrepo_c .*--update-md-path=.*--skip-stat' $logs/calls; else [ ! -s $logs/calls ]; fi
}

# same NAME: rpms.json of both composes, and what their repositories say of each package.
same() {
	python3 - "$top/$1/repogen"/latest-* "$top/$1/original"/latest-* <<-'PY'
		import difflib, glob, gzip, json, os, subprocess, sys
		import xml.etree.ElementTree as xml

		def rpms(compose):
		    return json.load(open(compose + '/compose/metadata/rpms.json'))['payload']['rpms']

		def tag(element):
		    return element.tag.split('}')[1]

		def load(path):
		    if path.endswith('.zst'):
		        return xml.fromstring(subprocess.check_output(['zstd', '-dc', path]))
		    return xml.fromstring((gzip.open if path.endswith('.gz') else open)(path, 'rb').read())

		# What createrepo_c before 1.0 has besides: comps a second time, compressed.
		def repositories(compose):
		    found = {}
		    for repomd in glob.glob(compose + '/compose/**/repomd.xml', recursive=True):
		        top = os.path.dirname(os.path.dirname(repomd))
		        types, packages = set(), []
		        for data in load(repomd):
		            if tag(data) == 'data':
		                types.add(data.get('type'))
		            if data.get('type') == 'primary':
		                href = next(e.get('href') for e in data if tag(e) == 'location')
		                for package in load(os.path.join(top, href)):
		                    packages.append(sorted((tag(e), e.text or '', *sorted(e.attrib.items())) for e in package
		                                           if tag(e) in ('name', 'arch', 'version', 'checksum', 'size', 'location')))
		        found[os.path.relpath(top, compose)] = sorted(packages), sorted(t for t in types if not t.startswith('group_'))
		    return found

		a, b = sys.argv[1:]

		def same(what, here, there):
		    here, there = (json.dumps(x, indent=1, sort_keys=True).splitlines() for x in (here, there))
		    if here != there:
		        sys.exit('\n'.join([what] + list(difflib.unified_diff(there, here, 'createrepo_c', 'repogen', lineterm=''))))

		assert rpms(a)
		same('rpms.json', rpms(a), rpms(b))
		here, there = repositories(a), repositories(b)
		same('repositories', here, there)
		print(len(here), 'repositories,', sum(len(p) for p, _ in here.values()), 'packages')
	PY
}

both() {
	compose "$1" repogen
	compose "$1" original
	same "$1"
}

from_repositories() {
	config repos 'sigkeys = [None]' 'pkgset_source = "repos"' 'pkgset_repos = {"*": ["http://127.0.0.1:8090/compose/"]}'
	both repos
}
again() {
	compose repos repogen --old-composes=$top/repos/repogen
	same repos
}
# The options of repositories that a configuration can reach.
options() {
	config options 'sigkeys = [None]' 'pkgset_source = "repos"' 'pkgset_repos = {"*": ["http://127.0.0.1:8090/compose/"]}' 'createrepo_database = True' \
		'createrepo_use_xz = True' 'createrepo_num_workers = 2' 'createrepo_extra_args = ["--distro=weld,Weld", "--content=weld", "--revision=7"]'
	both options
}
from_koji() {
	config koji 'sigkeys = [None]' 'pkgset_source = "koji"' 'koji_profile = "koji"' 'pkgset_koji_tag = "compose"' 'pkgset_koji_inherit = False'
	both koji
}
with_sigkeys() {
	config signed "sigkeys = ['$(key alpha)', '$(key beta)']" 'pkgset_source = "koji"' 'koji_profile = "koji"' 'pkgset_koji_tag = "compose"' 'pkgset_koji_inherit = False'
	both signed
	cmp $top/alpha/weld-lib-1-1.x86_64.rpm "$(find $top/signed/repogen/latest-*/compose -name weld-lib-1-1.x86_64.rpm)"
	cmp $top/beta/weld-odd-1-1.x86_64.rpm "$(find $top/signed/repogen/latest-*/compose -name weld-odd-1-1.x86_64.rpm)"
}

try() { feature "$1" pungi "$version" "$2" "${@:3}"; }

set_up() {
	put_pungi
	make_rpms
	serve_rpms
}
need "pungi $version" set_up
how='pungi-koji --test, FINISHED; rpms.json and repositories equal to those of createrepo_c'
try 'compose from repositories' "$how; the packages from repogen serve" from_repositories
try 'compose again, old compose reused' 'pungi-koji --old-composes; equal to the first' again
try 'compose with databases, xz and further options' "$how" options
try 'koji with packages under two keys' 'koji import, import-sig, write-signed-rpm' fill_koji
try 'compose from koji' "$how" from_koji
try 'compose from koji with sigkeys' "$how; the signed copies, byte for byte" with_sigkeys
[ "$failures" = 0 ]
