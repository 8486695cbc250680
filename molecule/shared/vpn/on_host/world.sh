#!/bin/sh
# Makes people's machines, and something for them to reach, of network namespaces on one host.
# world.sh up "ADDRESS..." NAME...   places that answer on every port at these addresses, and people; prints each one's public key
# world.sh down                      all of it away
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
HOMES=/srv/vpn/homes

down() {
  # A site's gateway is the host itself.
  [ ! -e /root/.config/groundwork-vpn ] || "$HERE/groundwork-vpn" remove --all 2>/dev/null
  systemctl --quiet stop 'vpn-echo-*' 2>/dev/null || true
  # A namespace takes its time to go, and the other ends of its links with it.
  for link in places $(ip -o link show | sed -n 's/^[0-9]*: \(p[0-9]*\)@.*/\1/p'); do
    ip link delete dev "$link" 2>/dev/null || true
  done
  for namespace in $(ip netns list | cut -d ' ' -f 1); do
    ip netns pids "$namespace" | xargs -r kill 2>/dev/null || true
    ip netns delete "$namespace"
  done
  ip link delete dev people 2>/dev/null || true
  nft delete table inet people 2>/dev/null || true
  sysctl --quiet --write net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
  rm -rf "$HOMES"
}

# Whatever is asked of a namespace, on any port, a program that echoes answers.
echo_in() { # namespace, interface that it must not meddle with
  ip netns exec "$1" nft -f - <<NFT
table inet everything {
  chain prerouting {
    type nat hook prerouting priority dstnat
    iifname != { "lo", "$2" } meta l4proto { tcp, udp } redirect to :9999
  }
}
NFT
  systemd-run --quiet --collect --unit="vpn-echo-$1" ip netns exec "$1" python3 "$HERE/echo.py" 9999
}

places() { # address...
  ip netns add places
  ip link add places type veth peer name eth0 netns places
  ip address add 10.99.1.1/30 dev places
  ip address add fd42:99:1::1/64 dev places nodad
  ip link set places up
  ip -n places link set lo up
  ip -n places link set eth0 up
  ip -n places address add 10.99.1.2/30 dev eth0
  ip -n places address add fd42:99:1::2/64 dev eth0 nodad
  ip -n places route add default via 10.99.1.1
  ip -n places route add default via fd42:99:1::1
  for address; do
    case $address in
      *:*) ip -n places address add "$address/128" dev lo nodad && ip route add "$address" via fd42:99:1::2 ;;
      *) ip -n places address add "$address/32" dev lo && ip route add "$address" via 10.99.1.2 ;;
    esac
  done
  echo_in places lo
}

people() { # name...
  ip link add people type bridge
  ip address add 10.99.0.1/24 dev people
  ip address add fd42:99::1/64 dev people nodad
  ip link set people up
  # What every home router does.
  nft -f - <<NFT
table inet people {
  chain postrouting {
    type nat hook postrouting priority srcnat
    ip saddr 10.99.0.0/24 oifname "eth0" masquerade
    ip6 saddr fd42:99::/64 oifname "eth0" masquerade
  }
  # To the places leads no other way than through a hub.
  chain forward {
    type filter hook forward priority filter
    iifname "people" oifname "places" drop
  }
}
NFT
  number=1
  for name; do
    number=$((number + 1))
    ip netns add "$name"
    ip link add "p$number" type veth peer name eth0 netns "$name"
    ip link set "p$number" master people up
    ip -n "$name" link set lo up
    ip -n "$name" link set eth0 up
    ip -n "$name" address add "10.99.0.$number/24" dev eth0
    ip -n "$name" address add "fd42:99::$number/64" dev eth0 nodad
    ip -n "$name" route add default via 10.99.0.1
    ip -n "$name" route add default via fd42:99::1
    echo_in "$name" eth0
    mkdir -p "$HOMES/$name"
    printf '%s %s\n' "$name" "$("$HERE/as" "$name" groundwork-vpn key 2>/dev/null)"
  done
}

up() {
  sysctl --quiet --write net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  # shellcheck disable=SC2086  # a list of addresses
  places $1
  shift
  people "$@"
}

export DEBIAN_FRONTEND=noninteractive
if ! { command -v wg-quick && command -v wireguard-go && command -v nft; } >/dev/null; then
  apt-get -qq update || true
  apt-get -qq install --no-install-recommends wireguard-tools wireguard-go nftables >/dev/null
fi
verb=$1
shift
down
[ "$verb" = down ] || up "$@"
