#!/bin/bash
# koji.sh: a hub with PostgreSQL, kojid with mock, and kojira, on loopback; builds on repogen. Runs inside of run.sh's root.
set -euo pipefail
koji=/weld/koji
log=/var/log/weld
mkdir -p $log /mnt/koji /etc/koji-hub /etc/mock/koji /var/lib/mock /var/cache/mock /etc/kojid/plugins /etc/mock /srv/git /usr/lib/koji-builder-plugins /etc/weld-bridge
fail() { echo "FAILED: $*"; exit 1; }
finish() { local s=$?; [ $s = 0 ] || { echo "FAILED: status $s"; for f in $log/*.log; do echo "==> $f"; tail -n 25 $f; done; find /mnt/koji/work/tasks -name "*.log" 2>/dev/null | xargs -r tail -n 30; }; }
trap finish EXIT
said() { echo "$(date +%T) $*"; }
# wait_for SECONDS COMMAND...
wait_for() { local n=$1; shift; until "$@" >/var/log/weld/wait.log 2>&1; do n=$((n - 1)); [ $n -gt 0 ] || fail "waiting for $*"; sleep 1; done; }

# repogen answers to createrepo_c's names.
if [ "${WELD_ORIGINAL:-}" != 1 ]; then for name in createrepo_c mergerepo_c modifyrepo_c; do ln -sf /weld/bin/repogen /usr/bin/$name; done; fi
createrepo_c --version

# The database of rpm is where the mini distribution has it, on the builder too.
mkdir -p /etc/rpm; printf '%%_dbpath /var/lib/rpm\n' >>/etc/rpm/macros
groupadd -f mock; chgrp mock /var/lib/mock /var/cache/mock; chmod 2775 /var/lib/mock /var/cache/mock; id kojibuilder >/dev/null 2>&1 || useradd -r -m -G mock kojibuilder
echo 'kojibuilder ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/koji; chmod 440 /etc/sudoers.d/koji
echo 'Defaults env_keep += "PYTHONPATH PYTHONDONTWRITEBYTECODE"' >>/etc/sudoers.d/koji
printf '#!/bin/sh\nexport PYTHONPATH=%s\n[ $(id -u) = 0 ] || exec sudo /usr/bin/python3 /weld/mock/mock/py/mock.py "$@"\nSUDO_UID=$(id -u kojibuilder) SUDO_GID=$(getent group mock | cut -d: -f3) exec /usr/bin/python3 /weld/mock/mock/py/mock.py "$@"\n' "$PYTHONPATH" >/usr/bin/mock
chmod 755 /usr/bin/mock
cp -a /weld/mock/mock/etc/mock/. /etc/mock/; rm -rf /weld/mock/mock/etc/mock; ln -s /etc/mock /weld/mock/mock/etc/mock
cat >/etc/mock/site-defaults.cfg <<CFG
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

# kojid and pungi import python-multilib, which Debian lacks; without it nothing here asks it anything.
python3 -c 'from multilib import multilib' 2>/dev/null || { mkdir -p /usr/lib/python3/dist-packages/multilib; touch /usr/lib/python3/dist-packages/multilib/{__init__,multilib}.py; }

said database
mkdir -p /srv/pg; chown postgres /srv/pg /var/run/postgresql
pg=$(echo /usr/lib/postgresql/*/bin)
as_pg() { setpriv --reuid postgres --regid postgres --clear-groups env HOME=/srv/pg "$@"; }
as_pg $pg/initdb -D /srv/pg/data -A trust -E UTF8 --no-sync >$log/initdb.log
as_pg $pg/pg_ctl -D /srv/pg/data -o "-c listen_addresses=127.0.0.1 -c fsync=off" -l /srv/pg/log -w start >/dev/null
as_pg $pg/createuser -h 127.0.0.1 koji; as_pg $pg/createdb -h 127.0.0.1 -O koji koji
sql() { psql -q -h 127.0.0.1 -U koji koji "$@"; }
sql -v ON_ERROR_STOP=1 -f $koji/schemas/schema.sql >$log/schema.log 2>&1
sql -c "insert into users (name, password, status, usertype) values ('admin', 'pw', 0, 0); insert into user_perms (user_id, perm_id, creator_id) select u.id, p.id, u.id from users u, permissions p where u.name = 'admin' and p.name = 'admin'"

said hub
cat >/etc/koji-hub/hub.conf <<CFG
[hub]
DBName = koji
DBUser = koji
DBHost = 127.0.0.1
KojiDir = /mnt/koji
KojiWebURL = http://127.0.0.1:8080/koji
DisableNotifications = True
CFG
cat >/etc/koji.conf <<CFG
[koji]
server = http://127.0.0.1:8080/kojihub
topurl = http://127.0.0.1:8080/kojifiles
topdir = /mnt/koji
authtype = password
user = admin
password = pw
CFG
python3 /weld/live/hub.py 8080 >$log/hub.log 2>&1 &
k() { timeout ${T:-110} python3 $koji/cli/koji -q --user admin --password pw "$@"; }
T=6 wait_for 3 k -d moshimoshi

said seed
k add-host builder x86_64 >/dev/null; k add-host-to-channel builder createrepo >/dev/null; k edit-host --capacity 4 builder >/dev/null
k add-user kojira >/dev/null; k grant-permission repo kojira
sql -c "update users set password = 'pw' where name in ('builder', 'kojira')"
k add-tag dest; k add-tag build --parent dest --arches x86_64 -x mock.package_manager=dnf4 -x mock.use_bootstrap=0
k add-target dest build dest
for group in build srpm-build; do k add-group build $group; k add-group-pkg build $group mini-base mini-gcc; done
k add-group-pkg build srpm-build weld-bridge-spec

# What the buildroots come from: the mini distribution and toml2spec, in the store, served.
mkdir -p /srv/rpm
cat >/srv/rpm/spec.spec <<SPEC
Name: weld-bridge-spec
Version: 0.1.0
Release: 1
Summary: toml2spec and srpm2git
License: MIT
AutoReqProv: no
%global debug_package %{nil}
%global __os_install_post %{nil}
%description
For the source_cmd of koji.
%install
install -D /weld/bin/toml2spec %{buildroot}/usr/bin/toml2spec
install -D /etc/weld-bridge/checkout.toml %{buildroot}/etc/weld-bridge/checkout.toml
%files
/usr/bin/toml2spec
/etc/weld-bridge
SPEC
echo 'lookaside = ["http://127.0.0.1:8080/kojifiles/cache"]' >/etc/weld-bridge/checkout.toml
rpmbuild -bb --quiet --define '_topdir /srv/rpm' /srv/rpm/spec.spec >$log/spec.log 2>&1
rpmstore init /srv/store >/dev/null
rpmstore import --store /srv/store --into mini --defer /weld/mini/*.rpm /srv/rpm/RPMS/x86_64/*.rpm >$log/import.log 2>&1
repogen serve --store /srv/store --listen 127.0.0.1:8090 >$log/serve.log 2>&1 &
k add-external-repo -t build mini http://127.0.0.1:8090/mini/ >/dev/null

said packages
mkdir -p /srv/work/hello; cd /srv/work/hello
cat >hello-mini.spec <<'SPEC'
Name:           hello-mini
Version:        1
Release:        1
Summary:        Greets
License:        MIT
Source0:        hello.c
BuildRequires:  gcc

%description
Greets.

%prep

%build
gcc -o hello-mini %{SOURCE0}

%install
install -D hello-mini %{buildroot}/usr/bin/hello-mini

%files
/usr/bin/hello-mini
SPEC
printf '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n' >hello.c
rpmbuild -bs --quiet --define '_topdir /srv/rpm' --define '_sourcedir /srv/work/hello' hello-mini.spec >/dev/null
# From here on the source is in the cache alone.
sum=$(sha256sum hello.c | cut -d' ' -f1)
mkdir -p /mnt/koji/cache/hello-mini/hello.c/sha256/$sum; cp hello.c /mnt/koji/cache/hello-mini/hello.c/sha256/$sum/
git config --global user.name Weld; git config --global user.email weld@weld.invalid; git config --global init.defaultBranch main; git config --global safe.directory '*'
# repository WAY RELEASE: a git repository with what its way commits.
repository() {
	local dir=/srv/work/$1
	mkdir -p $dir; cd $dir
	sed "s/^Release:.*/Release:        $2/" ../hello/hello-mini.spec >hello-mini.spec
	spec2toml -o package.toml hello-mini.spec
	printf 'format = 1\nname = "hello-mini"\n[[source]]\nname = "hello.c"\nkind = "source"\nsha256 = "%s"\nsize = %s\nmtime = 1793577600\n' $sum $(stat -c %s ../hello/hello.c) >sources.lock
	case $1 in
	a) cp ../hello/hello.c . ;;
	b) rm hello-mini.spec; toml2spec checkout --stub ;;
	c) rm hello-mini.spec ;;
	esac
	git init -q .; git add -A; git commit -qm "way $1"; git clone -q --bare . /srv/git/$1/hello-mini
}
repository a 2; repository b 3; repository c 4
cd /
git daemon --export-all --base-path=/srv/git --listen=127.0.0.1 --reuseaddr /srv/git >$log/git.log 2>&1 &

said builder
cp /weld/toml2spec/koji/toml2spec.py /usr/lib/koji-builder-plugins/
ln -sf /weld/bin/toml2spec /usr/bin/toml2spec
cat >/etc/kojid/kojid.conf <<CFG
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
allowed_scms = 127.0.0.1:/a/*:no: 127.0.0.1:/b/*:no:toml2spec,checkout 127.0.0.1:/c/*:no:
smtphost = localhost
plugin = toml2spec
CFG
python3 $koji/builder/kojid -c /etc/kojid/kojid.conf --fg --force-lock --verbose >$log/kojid.log 2>&1 &
printf '[kojira]\nuser = kojira\npassword = pw\nserver = http://127.0.0.1:8080/kojihub\ntopdir = /mnt/koji\nlogfile = /var/log/weld/kojira.log\ncheck_external_repos = true\n' >/etc/kojira.conf
python3 $koji/util/kojira -c /etc/kojira.conf --fg --force-lock >$log/kojira.out.log 2>&1 &

k add-pkg --owner admin dest hello-mini
said regen-repo; T=60 k regen-repo --wait build >$log/regen1.log 2>&1; said again; k regen-repo --wait build >$log/regen2.log 2>&1
find /mnt/koji/repos/build -name repomd.xml | wc -l
build() { said "build: $*"; k build --nowait dest "$@" >/dev/null; }
build /srv/rpm/SRPMS/hello-mini-1-1.src.rpm
for way in a b c; do build "git+git://127.0.0.1/$way/hello-mini#main" || build "git://127.0.0.1/$way/hello-mini#main"; done
k list-tasks --quiet | awk '$1 ~ /^[0-9]+$/ {print $1}' | xargs -r python3 $koji/cli/koji -q --user admin --password pw watch-task >$log/watch.log 2>&1 || true
k list-builds --quiet; said builds done
[ "$(k list-builds --quiet --state COMPLETE | grep -c ^hello-mini)" = 4 ] || fail "not four builds"
said dist-repo; k dist-repo --allow-missing-signatures dest >$log/dist.log 2>&1 || k dist-repo --allow-missing-signatures --non-latest dest deadbeef >$log/dist.log 2>&1
mkdir /srv/down; cd /srv/down
k download-build hello-mini-1-4 >$log/download.log 2>&1; sha256sum *.rpm; (cd /mnt/koji/packages/hello-mini/1/4 && sha256sum */*.rpm)
said store
rpmstore init /srv/store2 >/dev/null; rpmstore koji import --store /srv/store2 --into tree /mnt/koji/packages; rpmstore koji export --store /srv/store2 --collection tree /srv/packages
diff <(cd /mnt/koji/packages && find . -name '*.rpm' | sort | xargs sha256sum) <(cd /srv/packages && find . -name '*.rpm' | sort | xargs sha256sum) && echo "tree: identical"
