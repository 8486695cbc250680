#!/bin/sh
# Install what is missing of the packages named.
set -eu
export DEBIAN_FRONTEND=noninteractive
for package in "$@"; do
  dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing=${missing:-}" $package"
done
[ -n "${missing:-}" ] || exit 0
apt-get update -qq || true
# shellcheck disable=SC2086  # a list of names
apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
