#!/bin/sh
# Makes an authority and certificates for the tests' hosts, once, and prints their folder. No key is ever kept in git.
# Usage: certificates.sh FOLDER HOST...
set -eu
umask 077
folder=$1
shift
mkdir -p "$folder"
exec 9> "$folder/lock"
flock 9
cd "$folder"

authority() { # name
  [ -s "$1.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
    -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2> /dev/null
}

certificate() { # name, authority
  [ -s "$1.pem" ] && return 0
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2> /dev/null
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n' "${1%.stranger}" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.new" 2> /dev/null
  mv "$1.new" "$1.pem"
}

authority ca
authority strangers
# The same name by another authority, and another name by the same authority.
for host; do
  certificate "$host" ca
  certificate "$host.stranger" strangers
done
certificate not-permitted ca
printf %s "$folder"
