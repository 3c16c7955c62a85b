#!/bin/bash
# inside.sh SCRIPT...: prepares the root that enter.sh made and runs the scripts in it, each to its end, whatever the others did.
set -euo pipefail
# shellcheck source=lib.sh
. /weld/live/lib.sh
status=0
bash /weld/live/prepare.sh || { status=1 && set --; }
for script; do bash "/weld/live/$script" || status=1; done
if [ -n "$WELD_KEEP" ]; then
	said "kept: nsenter -a -t PID chroot; status $status"
	sleep 40m
fi
exit $status
