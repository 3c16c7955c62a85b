#!/bin/bash
# mock.sh: mock builds packages in TOML, in a chroot that dnf installs from what repogen serves out of a store. Runs inside of run.sh's root.
set -euo pipefail
# shellcheck source=lib.sh
. /weld/live/lib.sh

version=$(sed -n 's/^Version: *//p' /weld/mock/mock/mock.spec 2>/dev/null || rpm -q --qf '%{version}' mock)
out=/srv/out
hello=/srv/hello
mkdir -p $out $hello/toml $hello/spec

configure() {
	cp /weld/toml2spec/mock/toml2spec.cfg /etc/mock/
	install -D /weld/toml2spec/mock/toml2spec-clone /usr/libexec/weld-bridge/toml2spec-clone
	cat >/etc/mock/weld.cfg <<-'CFG'
		include('/etc/mock/toml2spec.cfg')
		config_opts['root'] = 'weld'
		config_opts['target_arch'] = 'x86_64'
		config_opts['legal_host_arches'] = ('x86_64',)
		config_opts['chroot_setup_cmd'] = 'install mini-base mini-gcc'
		config_opts['scm_opts']['git_get'] = config_opts['scm_opts']['git_get'].replace('https://git.example/', 'file:///srv/git/')
		config_opts['dnf.conf'] = '''
		[main]
		assumeyes=1
		gpgcheck=0
		reposdir=/dev/null
		[mini]
		name=mini
		baseurl=http://127.0.0.1:8090/mini/
		'''
	CFG
	sed -i "s/^\t*//" /etc/mock/weld.cfg
	echo 'lookaside = ["file:///srv/cache"]' >/etc/weld-bridge/checkout.toml
}

# The package, in TOML, and what rpmbuild makes of its spec.
make_hello() {
	cat >$hello/toml/hello-mini.toml <<-'TOML'
		[package]
		name = "hello-mini"
		version = "1"
		release = "1"
		summary = "Greets"
		license = "MIT"
		description = '''
		Greets.
		'''

		[sources]
		list = [
		  { number = 0, file = "hello.c" },
		]

		[dependencies]
		build_requires = ["gcc"]

		[build]
		build = '''
		gcc -o hello-mini %{SOURCE0}
		'''
		install = '''
		install -D hello-mini %{buildroot}/usr/bin/hello-mini
		'''

		[files]
		list = ["/usr/bin/hello-mini"]
	TOML
	printf '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n' >$hello/toml/hello.c
	cp $hello/toml/hello.c $hello/spec
	toml2spec -o $hello/spec $hello/toml/hello-mini.toml
	rpmbuild -bs --quiet --define "_topdir $hello" --define "_sourcedir $hello/spec" $hello/spec/hello-mini.spec
}

# Three repositories: the document and its source; its branch next; a metadata repository, sources by digest.
make_git() {
	local sum bare=/srv/git
	# Who runs mock reads what root made.
	git config --system safe.directory '*'
	mkdir -p $bare $hello/git $hello/meta/packages/hello-meta
	cd $hello/git
	cp $hello/toml/hello-mini.toml $hello/toml/hello.c .
	git init -q .
	git add -A
	git commit -qm main
	git checkout -qb next
	sed -i 's/^release = .*/release = "2"/' hello-mini.toml
	git commit -qam next
	git checkout -q main
	git clone -q --bare . $bare/hello-mini.git
	sum=$(sha256sum hello.c | cut -d' ' -f1)
	cd $hello/meta/packages/hello-meta
	sed 's/"hello-mini"/"hello-meta"/' $hello/toml/hello-mini.toml >package.toml
	printf 'format = 1\nname = "hello-meta"\n[[source]]\nname = "hello.c"\nkind = "source"\nsha256 = "%s"\nsize = %s\nmtime = 1793577600\n' \
		"$sum" "$(stat -c %s $hello/toml/hello.c)" >sources.lock
	install -D $hello/toml/hello.c "/srv/cache/hello-meta/hello.c/sha256/$sum/hello.c"
	cd $hello/meta
	git init -q .
	git add -A
	git commit -qm meta
	git clone -q --bare . $bare/hello-meta.git
}

# build WAY ARGUMENTS...: mock, its results in $out/WAY.
build() {
	local way=$1
	shift
	install -d -o kojibuilder -g mock "$out/$way"
	mock -r weld --resultdir "$out/$way" "$@" || {
		find "$out/$way" -name '*.log' -exec tail -n 30 {} +
		return 1
	}
}

# unpack RPM: its files, in a new directory that becomes the working one.
unpack() {
	rm -rf $hello/x
	mkdir $hello/x
	cd $hello/x
	rpm2cpio "$1" | cpio -id --quiet
}

# greets RPM: what was built runs.
greets() {
	unpack "$1"
	[ "$(usr/bin/hello-mini)" = hello ]
}

# given SRPM: it holds the spec that the document gives, and the source.
given() {
	unpack "$1"
	cmp hello-mini.spec $hello/spec/hello-mini.spec
	cmp hello.c $hello/toml/hello.c
}

scm() { build "$1" "$2" --scm-enable --scm-option method=git --scm-option package="$3" "${@:4}"; }

# The chroot comes from packages that are made again: compact finds their encoders and drops the payloads.
installed() {
	rpmstore compact --store /srv/store
	rpmstore stats --store /srv/store
	build init --init
	[ -x /var/lib/mock/weld/root/usr/bin/gcc ]
}
rebuilt() {
	build rebuild --rebuild $hello/SRPMS/hello-mini-1-1.src.rpm
	greets $out/rebuild/hello-mini-1-1.x86_64.rpm
}
preprocessed() {
	cd $hello/toml
	toml2spec checkout --stub
	printf '[rpkg]\npreprocess_spec = True\n' >rpkg.conf
	build preprocessed --buildsrpm --spec hello-mini.spec --sources $hello/toml
	given $out/preprocessed/hello-mini-1-1.src.rpm
	build preprocessed-rebuild --rebuild $out/preprocessed/hello-mini-1-1.src.rpm
	greets $out/preprocessed-rebuild/hello-mini-1-1.x86_64.rpm
}
from_git() {
	scm scm --buildsrpm hello-mini
	given $out/scm/hello-mini-1-1.src.rpm
	scm scm-rebuild --rebuild hello-mini
	greets $out/scm-rebuild/hello-mini-1-1.x86_64.rpm
}
from_branch() {
	scm branch --rebuild hello-mini --scm-option branch=next
	greets $out/branch/hello-mini-1-2.x86_64.rpm
}
from_metadata() {
	scm metadata --rebuild hello-meta
	[ -e $out/metadata/hello-meta-1-1.x86_64.rpm ]
}
chained() {
	install -d -o kojibuilder -g mock /srv/chain
	mock -r weld --chain --localrepo=/srv/chain $hello/SRPMS/hello-mini-1-1.src.rpm
	find /srv/chain -name repomd.xml | grep .
}

set_up() {
	configure
	make_hello
	make_git
	chown -R kojibuilder $hello
}
need "mock $version" set_up

try() { feature "$1" mock "$version" "$2" "$3"; }
try 'chroot installed from repogen serve' 'mock --init, dnf4, packages regenerated by a store' installed
try 'package in TOML, source package' 'mock --rebuild of what toml2spec and rpmbuild -bs made' rebuilt
try 'package in TOML, preprocessor' 'mock --buildsrpm with rpkg_preprocessor, then --rebuild' preprocessed
try 'package in TOML, from git' 'mock --buildsrpm and --rebuild --scm-enable' from_git
try 'package in TOML, from a branch' 'mock --rebuild --scm-enable --scm-option branch=' from_branch
try 'package in TOML, from a metadata repository, sources by digest' 'mock --rebuild --scm-enable' from_metadata
try 'local repository of a chain' 'mock --chain, createrepo_c is repogen' chained
[ "$failures" = 0 ]
