#!/usr/bin/env bash
# Runs containers of podman with its CNI backend on a node of its own: on a network that `podman network create` has
# made, and on the default one. podman asks every plugin for its version many times over, passes addresses as a
# capability, and keeps the network namespaces itself.
# usage: [EXCEPT=rules] Tests/Clients/podman.sh BIN_DIR
# EXCEPT=rules is for other people's plugins, and leaves out the search for packet filter rules left behind.
set -euo pipefail
# shellcheck source=Tests/Clients/node.sh
source "$(dirname "$0")/node.sh"
# shellcheck source=Tests/Clients/podman-engine.sh
source "$(dirname "$0")/podman-engine.sh"

image=swiftlet.test/busybox:1
links_may_linger=1

# launch NAME NETWORK ARGUMENT... : a container that serves the page, detached.
launch() {
  local name=$1 net=$2
  shift 2
  expect "podman run $name" podman run --detach --name "$name" --network "$net" --cgroup-parent "/$run" \
    --volume "$work/www:/www:ro" "$@" "$image" /bin/httpd -f -p 80 -h /www
}

# addresses NAME NETWORK
addresses() {
  podman inspect --format json "$1" | jq -r --arg net "$2" \
    '.[0].NetworkSettings.Networks[$net] | .IPAddress, .GlobalIPv6Address | select(. != "")'
}

# exec_page CONTAINER ADDRESS PORT : the container gets the page there.
exec_page() {
  local seen
  seen=$(podman exec "$1" sh -c "printf 'GET /page HTTP/1.0\r\n\r\n' | timeout 3 nc $2 $3") || true
  [[ $seen == *"page of $run"* ]] || { echo "not the page but: $seen"; return 1; }
}

[[ $# -eq 1 ]] || refuse "usage: $0 BIN_DIR"
require podman conmon runc timeout
bin_dir=$(outside_run "$1")
run_in_node "$bin_dir"

configure_podman "$bin_dir"
mkdir -p "$work/www"
echo "page of $run" >"$work/www/page"
"$(dirname "$0")/busybox-image.sh" "$image" "$work/image.tar"
expect "podman load" podman load --quiet --input "$work/image.tar"
expect "podman network create" podman network create --ipv6 --label app=shop --opt mtu=1400 backend
jq -c . /etc/cni/net.d/backend.conflist

launch server backend --publish 8080:80
launch reader backend
declare -A id
for name in server reader; do id[$name]=$(podman inspect --format '{{.Id}}' "$name"); done
servers=$(addresses server backend)
expect "server has an address of either family" test "$(wc -l <<<"$servers")" -eq 2
for address in $servers; do
  expect "reader gets the page from server at $address" exec_page reader "$address" 80
  expect "the node gets the page from server at $address" page_from "$node" "$address" 80
done
expect "another host reaches server by port 8080 of the node" page_from "$outside" 192.0.2.1 8080
expect "another host reaches server by port 8080 of the node, IPv6" page_from "$outside" 2001:db8:2::1 8080
expect "the node reaches server by its own port 8080" page_from "$node" 192.0.2.1 8080
expect "the node reaches server by 127.0.0.1, port 8080" page_from "$node" 127.0.0.1 8080
expect "reader reaches server by port 8080 of the node" exec_page reader 192.0.2.1 8080
serve_page "$outside"
expect "reader gets a page from outside" exec_page reader 192.0.2.2 80
expect "reader gets a page from outside, IPv6" exec_page reader 2001:db8:2::2 80
end_server

expect "podman restart server" podman restart --time 0 server
servers+=" $(addresses server backend)"
expect "another host reaches server by port 8080 of the node again" page_from "$outside" 192.0.2.1 8080
expect "podman rm server reader" podman rm --force --time 0 server reader
expect "podman network rm" podman network rm backend

expect "podman run on the default network" podman run --rm --cgroup-parent "/$run" "$image" /bin/ping -c 1 -W 3 192.0.2.2
# shellcheck disable=SC2086  # words
check_node_is_clean "${id[server]}" "${id[reader]}" $servers
