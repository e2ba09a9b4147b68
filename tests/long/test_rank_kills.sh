#!/usr/bin/env bash
# A training on 3 ranks, one of which is killed at 50 random moments: no start hangs, no checkpoint
# is lost, and the end has the bits of a run that nobody killed.
here=$(cd "$(dirname "$0")/../ranks" && pwd)
. "$here/lib.sh"
. "$here/kill.sh"
small_data demo
kill_ranks 3 "${KILLS:-50}"
finish
