#!/usr/bin/env bash
# Attaches two pods with cnitool, the CNI project's own runtime, and holds the network against what the results say:
# whatever the plugins of the configuration promise, a real libcni must be able to ask for and to see.
# usage: [EXCEPT="check rules"] Tests/Clients/cnitool.sh CNITOOL BIN_DIR CONF_FILE
# CONF_FILE is a .conf or a .conflist, used as it stands. EXCEPT is for other people's plugins: it leaves out CHECK
# (which the reference bridge gets wrong without IPAM), or the search for packet filter rules left behind.
set -euo pipefail
# shellcheck source=Tests/Clients/node.sh
source "$(dirname "$0")/node.sh"

newest_version=1.0.0   # of libcni 1.1.2, Debian's

cnitool() {
  NETCONFPATH=/etc/cni/net.d CNI_PATH=$bin_dir in_netns "$node" timeout -k 1 30 "$cnitool" "$@" </dev/null
}

# cnitool names the container after the network namespace's path.
container_id() { printf 'cnitool-%.20s\n' "$(printf %s "$1" | sha512sum)"; }

host_port=8080
ports="{\"portMappings\": [{\"hostPort\": $host_port, \"containerPort\": 80, \"protocol\": \"tcp\"}]}"
limits="{\"bandwidth\": {\"ingressRate\": $rate, \"ingressBurst\": $burst, \"egressRate\": $rate, \"egressBurst\": $burst}}"

# capabilities_of WHO : what a runtime fills in for the capabilities that the configuration has. Ports and limits are
# pod A's.
capabilities_of() {
  local given=()
  if [[ $1 == "pod A" ]]; then
    if promised portMappings; then given+=("$ports"); fi
    if promised bandwidth; then given+=("$limits"); fi
  fi
  if promised ips && has_plugin macvlan; then
    given+=("{\"ips\": [\"$(case $1 in "pod A") echo 192.0.2.11 ;; *) echo 192.0.2.12 ;; esac)/24\"]}")
  fi
  jq -sc 'add // empty' <<<"${given[*]}"
}

add() {
  local who=$1 netns=$2
  if ! CAP_ARGS=$(capabilities_of "$who") cnitool add "$network" "$netns" >"$work/$who.json" 2>"$work/$who.errors"; then
    failed "cnitool add $who: $(cat "$work/$who.errors" "$work/$who.json")"
  fi
  ok "cnitool add $who"
  jq -c . "$work/$who.json" || failed "cnitool add $who: the result is not JSON: $(cat "$work/$who.json")"
}

check_pods_reach_each_other() {
  local address
  for address in $(addresses_of "$result_b"); do reach "pod A" "$pod_a" "pod B" "$address" "$result_a"; done
  for address in $(addresses_of "$result_a"); do reach "pod B" "$pod_b" "pod A" "$address" "$result_b"; done
}

reach() {
  if isolated; then
    expect "$1 does not reach $3 at $4, the ports being isolated" is_silent "$2" "$4"
  else
    expect "$1 reaches $3 at $4" answers "$2" "$4" "$(source_for "$5" "$4")"
  fi
}

[[ $# -eq 3 ]] || refuse "usage: $0 CNITOOL BIN_DIR CONF_FILE"
require sha512sum timeout
cnitool=$(outside_run "$1")
bin_dir=$(outside_run "$2")
file=$(outside_run "$3")
text=$(cat "$file")
run_in_node "$cnitool" "$bin_dir" "$file"

install_configuration "$file" "$text" "$newest_version"
pod_a=/run/netns/$run-a
pod_b=/run/netns/$run-b
add_netns "${pod_a##*/}"
add_netns "${pod_b##*/}"

# Each result is looked at before the next ADD: it need not outlive that (a bridge may take its newest port's MAC).
# Capabilities are not repeated to DEL.
add "pod A" "$pod_a"
result_a=$(normalize <"$work/pod A.json")
check_attachment "pod A" "$result_a" "$pod_a"
add "pod B" "$pod_b"
result_b=$(normalize <"$work/pod B.json")
check_attachment "pod B" "$result_b" "$pod_b"

if [[ -n $(addresses_of "$result_a") ]]; then
  check_pods_reach_each_other
  check_gateway "pod A" "$result_a" "$pod_a"
  check_gateway "pod B" "$result_b" "$pod_b"
  if masquerade_promised; then check_reaches_outside "pod B" "$result_b" "$pod_b"; fi
  if has_plugin macvlan; then reach "pod B" "$pod_b" "another host" 192.0.2.2 "$result_b"; fi
  if promised portMappings; then check_published "pod A" "$result_a" "$pod_a" "$host_port"; fi
  if promised bandwidth; then check_limited "pod A" "$result_a" "$pod_a" "pod B" "$result_b" "$pod_b"; fi
  if has_plugin sbr; then check_source_routed "pod A" "$result_a" "$pod_a"; fi
else
  note "the result has no addresses: no pings"
fi

if older "$spec_version" 0.4.0; then
  note "cniVersion $spec_version has no CHECK"
elif ! excepted check; then
  CAP_ARGS=$(capabilities_of "pod A") expect "cnitool check pod A" cnitool check "$network" "$pod_a"
  CAP_ARGS=$(capabilities_of "pod B") expect "cnitool check pod B" cnitool check "$network" "$pod_b"
fi

for again in "" " again"; do
  expect "cnitool del pod A$again" cnitool del "$network" "$pod_a"
  expect "cnitool del pod B$again" cnitool del "$network" "$pod_b"
done
expect "pod A has no interface left but lo" has_no_interface "$pod_a"
expect "pod B has no interface left but lo" has_no_interface "$pod_b"
# shellcheck disable=SC2046  # words
check_node_is_clean "$(container_id "$pod_a")" "$(container_id "$pod_b")" \
  $(addresses_of "$result_a") $(addresses_of "$result_b")
