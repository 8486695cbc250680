#!/bin/sh
# Files from standard input into their places, then the units named are started with them.
set -eu
umask 077
base64 -d | tar -x -C / --no-same-owner --same-permissions
systemctl daemon-reload
if [ -e /etc/systemd/system/nftables.service.d/groundwork.conf ]; then systemctl reload nftables; fi
systemctl --quiet enable "$@"
# A unit may wait for another that waits for its answer: order is what the units say, not this list.
systemctl restart --no-block "$@"
