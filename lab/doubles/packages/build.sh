#!/bin/sh
# Builds packages that play GitLab's, and a source of apt with them. They are doubles: they write down what they are told, and hold
# gitlab.rb against Ruby and config.toml against TOML as the real ones would. Run as root on a host.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# It changes the machine's sources of apt: of a host of the lab, never of the one that has the checkout.
if [ "$here" != /srv/gitlab-doubles ]; then
  echo "$0: must be run as /srv/gitlab-doubles/build.sh, on a host of the lab" >&2
  exit 64
fi
into=$here/source
rm -rf "$into"
mkdir -p "$into"

# package, version, folder, what it depends on
build() {
  root=$(mktemp -d)
  cp -R "$here/$3/." "$root/"
  mkdir -p "$root/DEBIAN"
  for script in postinst prerm; do
    if [ -e "$root/$script" ]; then mv "$root/$script" "$root/DEBIAN/$script"; chmod 0755 "$root/DEBIAN/$script"; fi
  done
  printf '%s\n' "$2" >"$root/opt/$3-double/VERSION"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Groundwork contributors <nobody@example.com>\nDepends: %s\n' \
    "$1" "$2" "$4" >"$root/DEBIAN/control"
  printf 'Description: DOUBLE of %s for tests, not the real package\n' "$1" >>"$root/DEBIAN/control"
  chmod -R go-w,a+rX "$root"
  find "$root/opt" -type f -path '*/bin/*' -exec chmod 0755 {} +
  chmod 0755 "$root"
  dpkg-deb --root-owner-group -Znone --build "$root" "$into/$1_$2_all.deb" >/dev/null
  rm -rf "$root"
}

for release in 18.2.5 18.5.3 18.8.1; do build gitlab-ce "$release-ce.0" gitlab "ruby, python3"; done
build gitlab-runner 18.9.0-1 gitlab-runner "python3, adduser"

cd "$into"
for file in *.deb; do
  dpkg-deb --field "$file"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$file" "$(stat -c %s "$file")" "$(sha256sum "$file" | cut -d ' ' -f 1)"
done >Packages
printf 'deb [trusted=yes] file:%s ./\n' "$into" >/etc/apt/sources.list.d/gitlab-doubles.list
apt-get update -qq -o Dir::Etc::SourceList=/etc/apt/sources.list.d/gitlab-doubles.list -o Dir::Etc::SourceParts=- \
  -o APT::Get::List-Cleanup=0
