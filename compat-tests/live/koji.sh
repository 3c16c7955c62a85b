#!/bin/bash
# koji.sh: koji builds packages that Weld Bridge made, from repositories that repogen made and serves, and what it built goes through
# the store and into a second koji. Runs inside of run.sh's root, after prepare.sh.
set -euo pipefail
# shellcheck source=kojiup.sh
. /weld/live/kojiup.sh

# try FEATURE HOW COMMAND...: one feature of koji's.
try() {
	local feature=$1 how=$2
	shift 2
	feature "$feature" koji "$koji_version" "$how" "$@"
}

# --- packages -----------------------------------------------------------------------------------------------------------

# source_rpm NAME RELEASE: a source package with an archive and a patch, made by rpmbuild; prints where it is.
source_rpm() {
	local name=$1 dir=/srv/build/src/$1
	mkdir -p "$dir/$name-1"
	printf '#include <stdio.h>\n\nint main(void)\n{\n\tputs("%s");\n\treturn 0;\n}\n' "$name" >"$dir/$name-1/hello.c"
	tar -C "$dir" --mtime=@1793577600 --sort=name --owner=0 --group=0 -cf - "$name-1" | gzip -n >"$dir/$name-1.tar.gz"
	cat >"$dir/greet.patch" <<-'PATCH'
		From: Weld <weld@weld.invalid>
		Date: Sun, 1 Nov 2026 00:00:00 +0000
		Subject: Return what puts says

		--- a/hello.c
		+++ b/hello.c
		@@ -2,6 +2,5 @@
		 
		 int main(void)
		 {
		-	puts("NAME");
		-	return 0;
		+	return puts("NAME") < 0;
		 }
	PATCH
	sed -i "s/NAME/$name/" "$dir/greet.patch"
	cat >"$dir/$name.spec" <<-SPEC
		Name:           $name
		Version:        1
		Release:        $2
		Summary:        Greets
		License:        MIT
		Source0:        %{name}-%{version}.tar.gz
		Patch0:         greet.patch
		BuildRequires:  gcc

		%description
		Greets.

		%prep
		%autosetup -p1

		%build
		gcc -o $name hello.c

		%install
		install -D $name %{buildroot}/usr/bin/$name

		%files
		/usr/bin/$name
	SPEC
	rpmbuild -bs --quiet --define '_topdir /srv/rpm' --define "_sourcedir $dir" "$dir/$name.spec" >&2
	echo "/srv/rpm/SRPMS/$name-1-$2.src.rpm"
}

# lookaside PACKAGE FILE: puts a source into the cache, by its digest.
lookaside() {
	local sum dir
	sum=$(sha256sum "$2" | cut -d' ' -f1)
	dir=/mnt/koji/cache/$1/${2##*/}/sha256/$sum
	mkdir -p "$dir"
	cp "$2" "$dir/"
}

# repository WAY RELEASE: a git repository of hello-mini with what its way commits: A the spec and the sources, B a stub, document and
# lock, C document and lock.
repository() {
	local way=$1 dir=/srv/build/$1 from
	from=/srv/build/meta-$way
	srpm2git import --mirrors "/srv/build/mirrors-$way" --metadata "$from" "$(source_rpm hello-mini "$2")"
	mkdir -p "$dir"
	cd "$dir"
	cp "$from"/packages/hello-mini/* .
	rm -f greet.patch hello-mini-1.tar.gz
	case $way in
	a) cp /srv/build/src/hello-mini/{greet.patch,hello-mini-1.tar.gz} . ;;
	b) toml2spec checkout -f --stub ;;
	c) rm hello-mini.spec ;;
	esac
	git init -q .
	git add -A
	git commit -qm "way $way"
	git clone -q --bare . "/srv/git/$way/hello-mini"
}

make_packages() {
	mkdir -p /srv/git /srv/made
	# What srpm2git writes again of what it took in.
	srpm2git import --mirrors /srv/build/mirrors --metadata /srv/build/metadata "$(source_rpm hello-mini 1)"
	srpm2git srpm --mirrors /srv/build/mirrors --metadata /srv/build/metadata -o /srv/made hello-mini
	lookaside hello-mini /srv/build/src/hello-mini/hello-mini-1.tar.gz
	lookaside hello-mini /srv/build/src/hello-mini/greet.patch
	repository a 2
	repository b 3
	repository c 4
	# hello-mirror: in no cache; its sources are in its git mirror alone.
	srpm2git import --mirrors /srv/git/mirrors --metadata /srv/build/metadata2 "$(source_rpm hello-mirror 1)"
	git clone -q --bare /srv/build/metadata2 /srv/git/metadata
	git daemon --export-all --base-path=/srv/git --listen=127.0.0.1 --reuseaddr /srv/git >"$logs"/git.log 2>&1 &
}

# --- repositories -------------------------------------------------------------------------------------------------------

repodata() { echo /mnt/koji/repos/build/latest/x86_64/repodata; }
primary() { zstd -dcq "$(repodata)"/*-primary.xml.zst; }

# called PATTERN: whether repogen was called so, by one of its names.
called() { grep -qE -- "$1" "$logs"/calls; }

regen_first() {
	k regen-repo --wait build
	called '^createrepo_c --error-exit-val -vd -o'
	called '^mergerepo_c --koji -b .* --arch-expand .*-r http://127.0.0.1:8090/mini/'
	grep -q 'repogen\|weld' /usr/bin/createrepo_c
	grep -q 'type="origin"' "$(repodata)/repomd.xml"
	[ "$(zcat "$(repodata)"/*pkgorigins.gz | grep -c 'http://127.0.0.1:8090/mini/')" = 3 ]
}

# The first regeneration had no package of koji's own. Now there are some: the next reads their headers, the one after that reuses them.
regen_again() {
	: >"$logs"/calls
	k regen-repo --make-task --wait build
	: >"$logs"/calls
	k regen-repo --make-task --wait build
	called '^createrepo_c .* --update --skip-stat '
	primary >/srv/build/primary.xml
	for name in hello-mini hello-mirror mini-base mini-gcc weld-bridge-spec; do grep -q "<name>$name</name>" /srv/build/primary.xml; done
	grep -q 'href="toplink/packages/hello-mini/1/' /srv/build/primary.xml
}

# merge_modes: an operator may have external repositories merged by name alone, or not at all.
merge_modes() {
	local mode
	: >"$logs"/calls
	for mode in simple bare; do
		k edit-external-repo -t build -m "$mode" mini
		k regen-repo --make-task --wait build
		primary >/srv/build/primary.xml
		for name in hello-mini hello-mirror mini-base; do grep -q "<name>$name</name>" /srv/build/primary.xml; done
		zcat "$(repodata)"/*pkgorigins.gz | grep -q "$(printf 'mini-base-12-1.x86_64\thttp://127.0.0.1:8090/mini/')"
	done
	called '^mergerepo_c --koji --simple -b '
	called '^mergerepo_c --pkgorigins --all -a '
	k edit-external-repo -t build -m koji mini
}

# An external repository changes; kojira sees its new time stamp, and a new repository is made without being asked for.
auto_regen() {
	local before
	before=$(readlink /mnt/koji/repos/build/latest)
	k edit-tag -x repo.auto=True build
	# The hub waits for hours with what nobody asked for.
	k edit-tag -x repo.lag=1 build
	sed 's/^Release: .*/Release: 2/' /srv/rpm/spec.spec >/srv/rpm/spec2.spec
	rpmbuild -bb --quiet --define '_topdir /srv/rpm' /srv/rpm/spec2.spec
	rpmstore import --store /srv/store --into mini --defer /srv/rpm/RPMS/x86_64/weld-bridge-spec-0.1.0-2.x86_64.rpm
	wait_for 300 new_repository "$before"
	k edit-tag -r repo.auto -r repo.lag build
}
new_repository() {
	[ "$(readlink /mnt/koji/repos/build/latest)" != "$1" ] && primary | grep -q 'weld-bridge-spec-0.1.0-2'
}

# dist_repo NAME: the repository of what that key signed; twice, as the second updates the first; what dnf finds in it are the signed copies.
dist_repo() {
	local key top=/mnt/koji/repos-dist/dest/latest/x86_64 path
	key=$(key "$1")
	: >"$logs"/calls
	k dist-repo --wait -a x86_64 --non-latest dest "$key"
	k dist-repo --wait -a x86_64 --with-src --non-latest dest "$key"
	called '^createrepo_c .*--update'
	dnf -q --setopt=reposdir=/nonexistent --setopt=cachedir=/srv/build/dnf --repofrompath="dist,file://$top" --repo dist list --available --showduplicates | tee /srv/build/dnf.list
	[ "$(grep -c '^hello-m' /srv/build/dnf.list)" -ge 4 ]
	[ "$(find "$top/../src/Packages/" -name '*.src.rpm' | wc -l)" -ge 4 ]
	for path in "$top"/Packages/h/*.rpm; do
		cmp "$path" /mnt/koji/packages/*/1/*/data/signed/"$key"/x86_64/"${path##*/}"
	done
}

# --- builds -------------------------------------------------------------------------------------------------------------

# start_build WAY SOURCE: builds at once with others; the task's words and status go to its log.
start_build() {
	(
		status=0
		k build --wait --noprogress dest "$2" >"$logs/build-$1.log" 2>&1 || status=$?
		echo $status >"$logs/build-$1.status"
	) &
}

# built WAY NVR: waits for a build, and looks whether it is there with source and binary package.
built() {
	wait_for 600 test -s "$logs/build-$1.status"
	[ "$(cat "$logs/build-$1.status")" = 0 ] || {
		cat "$logs/build-$1.log"
		(cd /mnt/koji && find work/tasks -name '*.log' -newer "$logs/hub-koji.log" -size -200k -print0 | xargs -0r tail -n 25)
		return 1
	}
	k buildinfo "$2" | tee "$logs/buildinfo"
	grep -q '^State: COMPLETE' "$logs/buildinfo"
	[ "$(k buildinfo "$2" | grep -c "$2\..*\.rpm")" -ge 2 ]
}

# runs NAME RELEASE: what was built says which package it is.
runs() {
	rpm2cpio "/mnt/koji/packages/$1/1/$2/x86_64/$1-1-$2.x86_64.rpm" | cpio -i --quiet --to-stdout "./usr/bin/$1" >/srv/build/run
	chmod 755 /srv/build/run
	[ "$(/srv/build/run)" = "$1" ]
}

both_run() {
	runs hello-mini 3
	runs hello-mini 4
}

# Every package of the buildroots is known to come from the external repository.
origins_hold() {
	local id
	id=$(sql koji -tAc 'select max(buildroot_id) from standard_buildroot')
	k call listRPMs --json-output --kwargs "{\"componentBuildrootID\": $id}" >/srv/build/components.json
	python3 - <<-'PY'
		import json
		rpms = {r['name']: r['external_repo_name'] for r in json.load(open('/srv/build/components.json'))}
		print(rpms)
		assert rpms.get('mini-base') == rpms.get('mini-gcc') == 'mini', rpms
	PY
}

# --- signatures, store, and a second koji -------------------------------------------------------------------------------

all_rpms() { find "$1" -mindepth 5 -maxdepth 5 -name '*.rpm' -not -path '*/data/*'; }

# sign NAME: every package signed by rpmsign; the signatures go to koji, which writes the same signed copies.
sign() {
	local dir=/srv/signed/$1 path name
	mkdir -p "$dir"
	all_rpms /mnt/koji/packages | xargs cp -t "$dir"
	add_signature "$1" "$dir"/*.rpm
	k import-sig "$dir"/*.rpm
	k write-signed-rpm --all "$(key "$1")"
	for path in "$dir"/*.rpm; do
		name=${path##*/}
		cmp "$path" "$(find /mnt/koji/packages -path "*/data/signed/$(key "$1")/*/$name")"
	done
}
sign_two() {
	make_key one rsa2048
	make_key two ed25519
	sign one
	sign two
}

# koji's logs of builds are no packages: the store does not take them.
same_tree() { diff -r --exclude=logs "$1" "$2"; }

store_and_back() {
	local n
	rpmstore init /srv/store2
	rpmstore koji import --store /srv/store2 --into tree /mnt/koji/packages
	rpmstore koji export --store /srv/store2 --collection tree --signed /srv/packages
	same_tree /mnt/koji/packages /srv/packages
	n=$(find /srv/packages -type f | wc -l)
	# Each package is there as built, as two signature headers and the one of none, and as two signed copies.
	[ "$n" = $((6 * $(all_rpms /srv/packages | wc -l))) ]
	echo "$n files"
}

# give_signatures TREE KEY: gives the signed copies of a tree to the second hub, which writes its own.
give_signatures() {
	local signed
	mapfile -t signed < <(find "$1" -path "*/data/signed/$2/*.rpm")
	kk 8081 import-sig "${signed[@]}"
	kk 8081 write-signed-rpm --all "$2"
}

# A second hub takes what the store gave; its tree is the first one's.
second_koji() {
	local name packages
	start_hub koji2 8081
	mapfile -t packages < <(all_rpms /srv/packages)
	kk 8081 import --create-build "${packages[@]}"
	for name in one two; do give_signatures /srv/packages "$(key "$name")"; done
	same_tree /mnt/koji/packages /mnt/koji2/packages
}

download_build() {
	local path
	mkdir -p /srv/down/{plain,signed}
	cd /srv/down/plain
	kk 8081 download-build --noprogress hello-mini-1-4
	for path in *.rpm; do cmp "$path" /mnt/koji/packages/hello-mini/1/4/*/"$path"; done
	cd /srv/down/signed
	kk 8081 download-build --noprogress --key "$(key two)" hello-mini-1-4
	for path in *.rpm; do cmp "$path" "/srv/signed/two/$path"; done
}

# A signature that rpmstore made: koji takes it by its file and writes the copy that the store exports.
store_signs() {
	local id
	make_key three rsa2048
	id=$(key three)
	gpg --batch --armor --export-secret-keys three@weld.invalid >/srv/keys/three.sec
	rpmstore sign --store /srv/store2 --key /srv/keys/three.sec
	rpmstore koji export --store /srv/store2 --collection tree --signed /srv/packages3
	give_signatures /srv/packages3 "$id"
	same_tree /srv/packages3 /mnt/koji2/packages
}

# foreign_tree: packages of any make, from /weld/rpms, as a third hub takes them, under the keys that they came with and two more. What
# koji refuses is said; the store has to take all that koji took.
foreign_tree() {
	local file key name dir
	start_hub koji3 8082
	while IFS= read -r file; do
		kk 8082 import --create-build "$file" </dev/null >"$logs"/import.log 2>&1 || echo "koji refuses ${file##*/}: $(tail -n 1 "$logs"/import.log)"
	done < <(find /weld/rpms -name '*.rpm' | sort)
	for name in one two; do
		dir=/srv/foreign/$name
		mkdir -p "$dir"
		all_rpms /mnt/koji3/packages | xargs cp -t "$dir"
		for file in "$dir"/*.rpm; do add_signature "$name" "$file" || rm "$file"; done
		kk 8082 import-sig "$dir"/*.rpm
	done
	for key in $(sql koji3 -tAc "select distinct sigkey from rpmsigs where sigkey <> ''"); do kk 8082 write-signed-rpm --all "$key"; done
	rpmstore init /srv/store3
	rpmstore koji import --store /srv/store3 --into tree /mnt/koji3/packages
	rpmstore koji export --store /srv/store3 --collection tree --signed /srv/packages-foreign
	same_tree /mnt/koji3/packages /srv/packages-foreign
	echo "$(all_rpms /mnt/koji3/packages | wc -l) packages, $(find /srv/packages-foreign -type f | wc -l) files"
}

# --- the run ------------------------------------------------------------------------------------------------------------

bring_up() {
	write_profile
	start_database
	start_hub koji 8080
	seed_hub hello-mini hello-mirror
	make_packages
	start_builder
}
need "koji $koji_version: hub, kojid, kojira" bring_up

try "repository for builds (regen-repo)" "regen-repo; createrepo_c and mergerepo_c are repogen" regen_first
start_build srpm /srv/made/hello-mini-1-1.src.rpm
start_build a "git://127.0.0.1/a/hello-mini#main"
start_build b "git://127.0.0.1/b/hello-mini#main"
start_build c "git://127.0.0.1/c/hello-mini#main"
start_build mirror "git://127.0.0.1/metadata?packages/hello-mirror#main"
try "build of a source package that srpm2git wrote" "koji build, kojid with mock" built srpm hello-mini-1-1
try "build from git, spec committed (way A)" "koji build git://..., kojid with mock" built a hello-mini-1-2
try "build from git, stub committed, toml2spec as source_cmd (way B), sources from a lookaside cache" "koji build git://..., kojid with mock" built b hello-mini-1-3
try "build from git, TOML alone, builder plugin (way C), sources from a lookaside cache" "koji build git://..., kojid with mock and the plugin" built c hello-mini-1-4
try "build from the metadata repository, sources from the git mirror" "koji build git://..., kojid with mock and the plugin" built mirror hello-mirror-1-1
try "what was built runs" "the programs of way B and C" both_run
try "external repository that repogen serves from a store, origins known" "components of the last buildroot" origins_hold
try "repository again, with --update --skip-stat" "regen-repo, twice after the builds" regen_again
try "external repository in the merge modes simple and bare" "edit-external-repo, regen-repo" merge_modes
try "external repository changed, kojira regenerates" "repo.auto, a package imported into the store" auto_regen
try "signatures of two keys" "rpmsign, import-sig, write-signed-rpm" sign_two
try "signed repository (dist-repo)" "dist-repo twice; dnf lists it; its files are the signed copies" dist_repo one
try "tree of packages with signatures through the store" "rpmstore koji import, export --signed; diff -r" store_and_back
try "import and import-sig of what the store exported" "a second hub; diff -r of the trees" second_koji
try "download-build of what the store exported, plain and signed" "a second hub; cmp" download_build
try "signatures that the store made" "rpmstore sign; import-sig, write-signed-rpm; diff -r" store_signs
[ ! -d /weld/rpms ] || try "tree of packages of other makes through the store" "the packages of WELD_RPMS; koji import, rpmsign, import-sig, write-signed-rpm; diff -r" foreign_tree
exit $((failures > 0))
