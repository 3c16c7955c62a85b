# kojiup.sh: koji on loopback: hubs with PostgreSQL, kojid with mock, kojira.
# shellcheck shell=bash disable=SC2034
# Read by koji.sh and pungi.sh. What it starts stays until the root ends.
# shellcheck source=lib.sh
. /weld/live/lib.sh

# from_tree PROGRAM: a program of koji's source tree, or the installed one.
from_tree() { if [ -d /weld/koji ]; then echo "/weld/koji/$1"; else command -v "${1##*/}"; fi; }
koji_cli=$(from_tree cli/koji)
kojid=$(from_tree builder/kojid)
kojira=$(from_tree util/kojira)
schema=/usr/share/koji/schema.sql
[ ! -d /weld/koji ] || schema=/weld/koji/schemas/schema.sql
koji_version=$(python3 -c 'import koji; print(koji.__version__)')

# k ARGUMENTS...: the command line client as admin of the first hub; kk PORT ARGUMENTS...: of the hub at PORT.
# T bounds the seconds. It takes user and password as flags alone.
k() { kk 8080 "$@"; }
kk() {
	local port=$1
	shift
	timeout "${T:-600}" python3 "$koji_cli" -q --server "http://127.0.0.1:$port/kojihub" --topurl "http://127.0.0.1:$port/kojifiles" --user admin --password pw "$@"
}
sql() { psql -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -U koji "$@"; }

# make_key NAME ALGORITHM: a key of GnuPG's; its id, as koji has it, in /srv/keys/NAME.id.
make_key() {
	mkdir -p /srv/keys
	gpg --batch --passphrase '' --quick-generate-key "$1 <$1@weld.invalid>" "$2" sign 0
	gpg --batch --with-colons --list-keys "$1@weld.invalid" | awk -F: '/^pub/ {print tolower(substr($5, 9))}' >"/srv/keys/$1.id"
}
key() { cat "/srv/keys/$1.id"; }

# add_signature NAME FILE...: signs packages with rpmsign.
add_signature() {
	local name=$1
	shift
	rpmsign --define '__gpg /usr/bin/gpg' --define "_gpg_name $name@weld.invalid" --addsign "$@"
}

# The client refuses to work without a configuration.
write_profile() {
	cat >/etc/koji.conf <<-'CFG'
		[koji]
		server = http://127.0.0.1:8080/kojihub
		topurl = http://127.0.0.1:8080/kojifiles
		topdir = /mnt/koji
		authtype = password
	CFG
}

start_database() {
	local pg
	pg=$(echo /usr/lib/postgresql/*/bin)
	[ -d "$pg" ] || pg=/usr/bin
	as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups env HOME=/srv/pg "$@"; }
	mkdir -p /srv/pg /var/run/postgresql
	chown postgres /srv/pg /var/run/postgresql
	as_postgres "$pg/initdb" -D /srv/pg/data -A trust -E UTF8 --no-sync
	as_postgres "$pg/pg_ctl" -D /srv/pg/data -o "-c listen_addresses=127.0.0.1 -c fsync=off" -l /srv/pg/log -w start
	as_postgres "$pg/createuser" -h 127.0.0.1 --createdb koji
}

# start_hub NAME PORT: a hub with the database NAME and the files /mnt/NAME.
start_hub() {
	local name=$1 port=$2 conf=/etc/koji-hub/$1.conf
	mkdir -p /etc/koji-hub "/mnt/$name"/{packages,repos,repos-dist,work,scratch}
	createdb -h 127.0.0.1 -U koji "$name"
	sql -f "$schema" "$name"
	sql "$name" <<-'SQL'
		insert into users (name, password, status, usertype) values ('admin', 'pw', 0, 0);
		insert into user_perms (user_id, perm_id, creator_id) select u.id, p.id, u.id from users u, permissions p where u.name = 'admin' and p.name = 'admin';
	SQL
	cat >"$conf" <<-CFG
		[hub]
		DBName = $name
		DBUser = koji
		DBHost = 127.0.0.1
		KojiDir = /mnt/$name
		KojiWebURL = http://127.0.0.1:$port/koji
		DisableNotifications = True
		RunInterval = 1
		RepoLagWindow = 1
	CFG
	python3 /weld/live/hub.py "$port" "$conf" >"$logs/hub-$name.log" 2>&1 &
	T=6 wait_for 60 kk "$port" moshimoshi
}

# seed_hub: a builder, a tag to build for, one to build in, whose packages come from the store by HTTP.
seed_hub() {
	k add-host builder x86_64
	k add-host-to-channel builder createrepo
	k edit-host --capacity 6 builder
	k add-user kojira
	k grant-permission repo kojira
	sql koji -c "update users set password = 'pw' where name in ('builder', 'kojira')"
	k add-tag dest
	k add-tag build --parent dest --arches x86_64 -x mock.package_manager=dnf4 -x mock.use_bootstrap=0
	k add-target dest build dest
	k add-group build build
	k add-group-pkg build build mini-base mini-gcc
	k add-group build srpm-build
	k add-group-pkg build srpm-build mini-base weld-bridge-spec
	k add-external-repo -t build mini http://127.0.0.1:8090/mini/
	k add-pkg --owner admin dest "$@"
}

start_builder() {
	mkdir -p /etc/kojid/plugins /usr/lib/koji-builder-plugins /tmp/koji
	cp /weld/toml2spec/koji/toml2spec.py /usr/lib/koji-builder-plugins/
	cp /weld/toml2spec/koji/toml2spec.conf /etc/kojid/plugins/
	ln -sf /weld/bin/toml2spec /usr/bin/toml2spec
	cat >/etc/kojid/kojid.conf <<-'CFG'
		[kojid]
		server = http://127.0.0.1:8080/kojihub
		topurl = http://127.0.0.1:8080/kojifiles
		user = builder
		password = pw
		sleeptime = 1
		minspace = 100
		topdir = /mnt/koji
		workdir = /tmp/koji
		mockuser = kojibuilder
		allowed_scms = 127.0.0.1:/a/*:no: 127.0.0.1:/b/*:no:toml2spec,checkout 127.0.0.1:/c/*:no: 127.0.0.1:/metadata:no:
		smtphost = localhost
		plugin = toml2spec
	CFG
	python3 /weld/live/busy.py "$kojid" -c /etc/kojid/kojid.conf --fg --force-lock --verbose >"$logs"/kojid.log 2>&1 &
	cat >/etc/kojira.conf <<-CFG
		[kojira]
		user = kojira
		password = pw
		server = http://127.0.0.1:8080/kojihub
		topdir = /mnt/koji
		logfile = $logs/kojira.log
		sleeptime = 1
		verbose = true
		check_external_repos = true
	CFG
	python3 "$kojira" -c /etc/kojira.conf --fg --force-lock >"$logs"/kojira.out.log 2>&1 &
}
