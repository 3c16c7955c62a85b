#!/bin/bash
# prepare.sh: what koji's builder, mock and pungi find in the root: repogen in place of createrepo_c, mock and its configuration, the
# mini distribution in a content store that repogen serves.
set -euo pipefail
# shellcheck source=lib.sh
. /weld/live/lib.sh

# Repogen under the names of createrepo_c, whose files are out of the way, in /weld/original; every call is written down.
put_repogen() {
	local name
	mkdir -p /weld/original
	for name in createrepo_c mergerepo_c modifyrepo_c; do
		[ ! -e /usr/bin/$name ] || mv /usr/bin/$name /weld/original
		cat >/usr/bin/$name <<-SH
			#!/bin/bash
			echo "$name \$*" >>"$logs"/calls
			exec -a $name /weld/bin/repogen "\$@"
		SH
		chmod 755 "/usr/bin/$name"
	done
	install -m 666 /dev/null "$logs"/calls
}

# mock runs from its source tree; Debian knows neither consolehelper nor the user. As root it takes who asked from sudo's variables.
put_mock() {
	groupadd -f mock
	id kojibuilder >/dev/null 2>&1 || useradd -r -m -G mock kojibuilder
	install -d -g mock -m 2775 /var/lib/mock /var/cache/mock
	mkdir -p /etc/mock/koji
	if [ -d /weld/mock ]; then
		cat >/etc/sudoers.d/weld <<-'CFG'
			kojibuilder ALL=(ALL) NOPASSWD: ALL
			Defaults env_keep += "PYTHONPATH PYTHONDONTWRITEBYTECODE"
		CFG
		chmod 440 /etc/sudoers.d/weld
		cat >/usr/bin/mock <<-SH
			#!/bin/sh
			export PYTHONPATH=$PYTHONPATH
			[ "\$(id -u)" = 0 ] || exec sudo /usr/bin/python3 /weld/mock/mock/py/mock.py "\$@"
			SUDO_UID=\$(id -u kojibuilder) SUDO_GID=\$(getent group mock | cut -d: -f3) exec /usr/bin/python3 /weld/mock/mock/py/mock.py "\$@"
		SH
		chmod 755 /usr/bin/mock
		cp -a /weld/mock/mock/etc/mock/. /etc/mock/
		rm -rf /weld/mock/mock/etc/mock
		ln -s /etc/mock /weld/mock/mock/etc/mock
	fi
	# A chroot in a container: no nspawn. The database of rpm is where the mini distribution has it, on this side too.
	cat >/etc/mock/site-defaults.cfg <<-'CFG'
		config_opts['isolation'] = 'simple'
		config_opts['use_nspawn'] = False
		config_opts['use_bootstrap'] = False
		config_opts['use_bootstrap_image'] = False
		config_opts['package_manager'] = 'dnf4'
		config_opts['macros']['%_dbpath'] = '/var/lib/rpm'
		config_opts['ssl_copied_ca_trust_dirs'] = None
		config_opts['ssl_ca_bundle_path'] = None
		config_opts['plugin_conf']['root_cache_enable'] = False
		config_opts['plugin_conf']['tmpfs_enable'] = False
	CFG
	mkdir -p /etc/rpm
	printf '%%_dbpath /var/lib/rpm\n' >>/etc/rpm/macros
}

# kojid and pungi import python-multilib, which Debian lacks; without it nothing here asks it anything.
put_multilib() {
	local dir=/usr/lib/python3/dist-packages/multilib
	python3 -c 'from multilib import multilib' 2>/dev/null && return
	mkdir -p $dir
	touch $dir/__init__.py $dir/multilib.py
}

# weld-bridge-spec is toml2spec and srpm2git, as an operator puts them into the group srpm-build.
make_tools() {
	mkdir -p /srv/rpm /etc/weld-bridge
	cat >/etc/weld-bridge/checkout.toml <<-'TOML'
		lookaside = ["http://127.0.0.1:8080/kojifiles/cache"]
		mirrors = "git://127.0.0.1/mirrors"
	TOML
	cat >/srv/rpm/spec.spec <<-'SPEC'
		%global debug_package %{nil}
		%global __os_install_post %{nil}
		Name: weld-bridge-spec
		Version: 0.1.0
		Release: 1
		Summary: toml2spec and srpm2git
		License: MIT
		AutoReqProv: no
		%description
		For the source_cmd of koji.
		%install
		install -D -t %{buildroot}/usr/bin /weld/bin/toml2spec /weld/bin/srpm2git
		install -D -t %{buildroot}/etc/weld-bridge /etc/weld-bridge/checkout.toml
		%files
		/usr/bin/*
		/etc/weld-bridge
	SPEC
	rpmbuild -bb --quiet --define '_topdir /srv/rpm' --define '_binary_payload w1.zstdio' /srv/rpm/spec.spec
}

serve_mini() {
	rpmstore init /srv/store
	rpmstore import --store /srv/store --into mini --defer /weld/mini/*.rpm /srv/rpm/RPMS/x86_64/*.rpm
	repogen serve --store /srv/store --listen 127.0.0.1:8090 >"$logs"/serve.log 2>&1 &
	wait_for 60 grep -q listening $logs/serve.log
}

prepare() {
	put_repogen
	put_mock
	put_multilib
	git config --global user.name Weld
	git config --global user.email weld@weld.invalid
	git config --global init.defaultBranch main
	git config --global safe.directory '*'
	make_tools
	serve_mini
}
need "repogen, mock, the mini distribution served from a store" prepare
