#!/bin/sh
# One file is all components: give it their names. Arguments: the folder, what it was made from, the names.
set -eu
cd "$1"
wanted=$2
shift 2
for name in "$@"; do ln -sf kubernetes "$name"; done
printf '%s\n' "$wanted" >.made-from
