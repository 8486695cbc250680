#!/bin/sh
# Makes the certificate of the tests' time server, once, and prints its path without suffix. No key is ever kept in git.
# Usage: time-certificate.sh FOLDER ADDRESS
set -eu
umask 077
mkdir -p "$1"
exec 9> "$1/lock"
flock 9
[ -s "$1/$2.pem" ] || {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$2" \
    -addext "subjectAltName=IP:$2" -addext extendedKeyUsage=serverAuth -keyout "$1/$2.key" -out "$1/$2.new" 2> /dev/null
  mv "$1/$2.new" "$1/$2.pem"
}
printf %s "$1/$2"
