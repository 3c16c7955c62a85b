# lib.sh: what the scripts inside of the root share.
# shellcheck shell=bash
logs=/var/log/weld
mkdir -p $logs

said() { echo "$(date +%T) $*"; }
fail() {
	echo "FAILED: $*" >&2
	return 1
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >"$logs"/wait.log 2>&1; do
		[ $SECONDS -lt $end ] || fail "waited for: $*" || return
		sleep 1
	done
}

# result FEATURE PROGRAM VERSION true|false|null HOW: one line of the results.
result() { python3 -c 'import json, sys; a = sys.argv; print(json.dumps({"feature": a[1], "program": a[2], "version": a[3], "ok": json.loads(a[4]), "how": a[5]}))' "$@" >>"$WELD_RESULTS"; }

# apart LOG COMMAND...: the command, a function perhaps, in a process of its own that ends at its first error; its words go to
# LOG, its status to $status. Not to be called in a condition: set -e would not hold in the function.
apart() {
	local log=$1
	shift
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1
	status=$?
	set -e
}

# need STEP FUNCTION: without it nothing that follows makes sense.
need() {
	said "$1"
	apart "$logs/$2.log" "$2"
	[ "$status" != 0 ] || return 0
	tail -n 40 "$logs/$2.log"
	fail "$1: status $status"
	exit 1
}

failures=0
# feature FEATURE PROGRAM VERSION HOW COMMAND...: runs the command apart and writes the result. What it says is shown when it
# fails; the next one is tried all the same.
feature() {
	local name=$1 program=$2 version=$3 how=$4 before=$SECONDS log
	shift 4
	log=$logs/feature-$1.log
	apart "$log" "$@"
	if [ "$status" = 0 ]; then
		result "$name" "$program" "$version" true "$how"
		said "ok      $program: $name ($((SECONDS - before)) s)"
	else
		result "$name" "$program" "$version" false "$how"
		said "FAILED  $program: $name ($((SECONDS - before)) s, status $status)"
		tail -n 40 "$log" | sed 's/^/        /'
		failures=$((failures + 1))
	fi
}
