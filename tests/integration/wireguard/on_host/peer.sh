#!/bin/sh
# A peer in a network namespace of its own:
#   peer.sh up NAMESPACE INTERFACE MTU ADDRESS...    (its configuration by standard input)
#   peer.sh down NAMESPACE
# The tunnel's own packets leave from the host, what it carries is in the namespace.
set -eu
verb=$1 namespace=$2
case $verb in
up)
  interface=$3 mtu=$4
  shift 4
  configuration=$(cat)
  ip netns add "$namespace"
  ip -n "$namespace" link set lo up
  systemd-run --quiet --collect --unit="peer-$namespace" wireguard-go --foreground "$interface"
  attempts=0
  until said=$(printf '%s\n' "$configuration" | wg setconf "$interface" /dev/stdin 2>&1); do
    attempts=$((attempts + 1))
    if [ "$attempts" -gt 100 ]; then
      printf '%s\n' "$said" >&2
      journalctl --no-pager --lines=5 --unit="peer-$namespace" >&2
      exit 1
    fi
    sleep 0.05
  done
  ip link set "$interface" netns "$namespace"
  ip -n "$namespace" link set "$interface" mtu "$mtu" up
  for address in "$@"; do
    case $address in *:*) set -- nodad ;; *) set -- ;; esac
    ip -n "$namespace" address add "$address" dev "$interface" "$@"
  done
  ip -n "$namespace" route replace default dev "$interface"
  ip -n "$namespace" -6 route replace default dev "$interface"
  ;;
down)
  systemctl stop "peer-$namespace" "echo-$namespace" "hold-$namespace" 2>/dev/null || true
  ip netns pids "$namespace" 2>/dev/null | xargs -r kill
  ip netns delete "$namespace" 2>/dev/null || true
  ;;
esac
