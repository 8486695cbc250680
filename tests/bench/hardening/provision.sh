#!/bin/sh
# What an installer does before any role: file systems of their own (ANSSI BP-028 R28), here in memory, since a container has no
# partitions. Not /usr and /var: nothing can be mounted over them while the host runs.
set -eu

provide() { # path, mode, options
  mkdir -p "$1"
  ! grep -q " $1 " /etc/fstab || return 0
  echo "tmpfs $1 tmpfs $3,mode=$2 0 0" >> /etc/fstab
  kept=$(mktemp -d -p /run)
  cp -a "$1/." "$kept"
  mount "$1"
  cp -a "$kept/." "$1"
  rm -r "$kept"
}

provide /boot 0700 nodev,noexec,nosuid
provide /home 0755 nodev,noexec,nosuid
provide /opt 0755 nodev,nosuid
provide /srv 0755 nodev,nosuid
provide /var/log 0755 nodev,noexec,nosuid
provide /var/log/audit 0700 nodev,noexec,nosuid
provide /var/tmp 1777 nodev,noexec,nosuid
systemctl daemon-reload
systemctl restart systemd-journald.service
