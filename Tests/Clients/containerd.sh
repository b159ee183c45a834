#!/usr/bin/env bash
# Runs containers of a private containerd on a node of its own, through both of its ways to CNI (`ctr run --cni`, and
# the CRI service that a kubelet talks to), and holds their network against what the plugins promised: containerd
# passes other paths, another environment and another order of calls than cnitool does.
# usage: [EXCEPT=rules] Tests/Clients/containerd.sh BIN_DIR CONFLIST
# EXCEPT=rules is for other people's plugins, and leaves out the search for packet filter rules left behind (the
# reference bridge and ptp leave their masquerade rules when a DEL names no network namespace, as that of ctr does).
set -euo pipefail
# shellcheck source=Tests/Clients/node.sh
source "$(dirname "$0")/node.sh"
# shellcheck source=Tests/Clients/cri.sh
source "$(dirname "$0")/cri.sh"

image=swiftlet.test/busybox:1
links_may_linger=1

# ---- containerd -----------------------------------------------------------------------------------------------------

# What the libcni inside containerd can read: 1.1 up to containerd 1.7, 1.2 and later from containerd 2 on.
newest_version() {
  case $(containerd --version | sed -nE 's/.* v?([0-9]+)\.[0-9]+\.[0-9].*/\1/p') in
    1) echo 1.0.0 ;;
    *) echo 1.1.0 ;;
  esac
}

start_containerd() {
  local _
  mkdir -p /opt/cni/bin
  mount --bind "$bin_dir" /opt/cni/bin
  if [[ -d /usr/lib/cni ]]; then mount --bind "$bin_dir" /usr/lib/cni; fi
  # Without restrict_oom_score_adj a root that lacks CAP_SYS_RESOURCE cannot create sandboxes.
  cat >"$work/containerd.toml" <<TOML
version = 2
root = "$work/containerd/root"
state = "$work/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$work/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$image"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
TOML
  nsenter --net="$node" -- containerd --config "$work/containerd.toml" >"$work/containerd.log" 2>&1 </dev/null &
  containerd=$!
  for _ in {1..100}; do
    if client version >"$work/version" 2>&1; then break; fi
    [[ -d /proc/$containerd ]] || failed "containerd does not start: $(tail -n 5 "$work/containerd.log")"
    sleep 0.1
  done
  expect "containerd $(sed -n '/^Server/,$s/^ *Version: *//p' "$work/version") answers" client version
  "$(dirname "$0")/busybox-image.sh" "$image" "$work/image.tar"
  expect "ctr images import" client images import "$work/image.tar"
  expect "ctr images import, for the CRI service" client --namespace k8s.io images import "$work/image.tar"
}

stop_containerd() {
  kill -TERM "$containerd"
  wait "$containerd" || failed "containerd ended with $?: $(tail -n 5 "$work/containerd.log")"
}

# ctr finds the configuration and the plugins by itself, and it is ctr that calls them.
ctr_in_node() { in_netns "$node" timeout -k 1 120 ctr --address "$work/containerd.sock" --namespace "$run" "$@"; }

client() { in_netns "$node" timeout -k 1 30 ctr --address "$work/containerd.sock" --namespace "$run" "$@" </dev/null; }

# ---- containers -----------------------------------------------------------------------------------------------------

# launch NAME SCRIPT : a container that runs the shell script, and a `ctr run` in the background that waits for its end:
# only in the foreground does ctr call DEL. Sets client_of[NAME], netns_of[NAME] and result_of[NAME].
declare -A client_of netns_of result_of
launch() {
  local name=$1 script=$2 pid='' _
  mkdir -p "$work/share/$name"
  ctr_in_node run --rm --cni --mount "type=bind,src=$work/share/$name,dst=/share,options=rbind:rw" "$image" "$name" \
    /bin/sh -c "touch /share/started; $script" >"$work/$name.out" 2>"$work/$name.err" </dev/null &
  client_of[$name]=$!
  for _ in {1..200}; do
    if [[ -e $work/share/$name/started ]]; then break; fi
    [[ -d /proc/${client_of[$name]} ]] || failed "ctr run --cni $name: $(cat "$work/$name.err")"
    sleep 0.05
  done
  [[ -e $work/share/$name/started ]] ||
    failed "ctr run --cni $name: not started after ten seconds: $(cat "$work/$name.err")"
  pid=$(client task list | awk -v name="$name" '$1 == name {print $2}')
  [[ -n $pid ]] || failed "ctr run --cni $name: it has started, but ctr lists no such task"
  netns_of[$name]=/proc/$pid/ns/net
  result_of[$name]=$(cached_result "$name") || failed "ctr run --cni $name: no result in $data/results"
  ok "ctr run --cni $name"
  jq -c . <<<"${result_of[$name]}"
}

# libcni keeps the result of an ADD for the DEL that will follow.
cached_result() {
  local file
  file=$(find "$data" -path "*/results/$network-*$1-eth0" -print -quit)
  [[ -n $file ]] && jq -e .result "$file" | normalize
}

# ended NAME STATUS : the container's ctr has called DEL and has ended with that status.
ended() {
  local name=$1 status=0
  wait "${client_of[$name]}" || status=$?
  [[ $status -eq $2 ]] || failed "container $name ended with $status instead of $2: $(cat "$work/$name.err")"
  [[ ! -s $work/$name.err ]] || note "ctr said: $(cat "$work/$name.err")"
  ok "container $name has ended"
}

# page_at ADDRESS COMMAND... : a shell that the command starts, with busybox at hand, gets the server's page there.
page_at() {
  local get="printf 'GET /page HTTP/1.0\r\n\r\n' | timeout 3 busybox nc $1 80" seen='' _
  shift
  for _ in {1..3}; do
    seen=$("$@" sh -c "$get" || true)
    if [[ $seen == *"$page"* ]]; then return; fi
    sleep 0.2
  done
  echo "not the page but: $seen"
  return 1
}

exec_count=0
exec_in() {
  local name=$1
  shift
  exec_count=$((exec_count + 1))
  client task exec --exec-id "exec-$BASHPID-$exec_count" "$name" "$@"
}

# ---- the test -------------------------------------------------------------------------------------------------------

test_one_container() {
  local netns address
  launch first 'ip addr; ip route; ip -6 route; until [ -e /share/end ]; do sleep 0.05; done'
  netns=${netns_of[first]}
  check_attachment first "${result_of[first]}" "$netns"
  expect "first: lo is up" link_is "$netns" lo ""
  check_gateway first "${result_of[first]}" "$netns"
  touch "$work/share/first/end"
  ended first 0
  sed 's/^/    /' "$work/first.out"
  for address in $(jq -r '.ips[].address' <<<"${result_of[first]}"); do
    expect "first: sees $address itself" grep -F " $address " "$work/first.out"
  done
  if jq -e 'any(.routes[]; .dst == "0.0.0.0/0" or .dst == "::/0")' <<<"${result_of[first]}" >/dev/null; then
    expect "first: sees its default route itself" grep '^default via ' "$work/first.out"
  fi
  # shellcheck disable=SC2046  # words
  check_node_is_clean "$run-first" $(addresses_of "${result_of[first]}")
}

test_two_containers() {
  local name address
  page="page of $run"
  mkdir -p "$work/share/server/www"
  echo "$page" >"$work/share/server/www/page"
  launch server 'exec httpd -f -p 80 -h /share/www'
  launch reader 'exec sleep 600'
  for address in $(addresses_of "${result_of[server]}"); do
    if isolated; then
      expect "reader does not reach server at $address, the ports being isolated" \
        is_silent "${netns_of[reader]}" "$address"
    else
      expect "reader gets the page from server at $address" page_at "$address" exec_in reader
    fi
    if gateway_promised; then
      expect "the node gets the page from server at $address" page_at "$address" in_netns "$node"
    fi
  done
  expect "a second process in server gets the page over localhost" page_at 127.0.0.1 exec_in server
  for name in server reader; do
    expect "ctr task kill $name" client task kill --signal KILL "$name"
    ended "$name" 137
  done
  # shellcheck disable=SC2046  # words
  check_node_is_clean "$run-server" "$run-reader" \
    $(addresses_of "${result_of[server]}") $(addresses_of "${result_of[reader]}")
}

[[ $# -eq 2 ]] || refuse "usage: $0 BIN_DIR CONFLIST"
require containerd ctr runc curl timeout awk
bin_dir=$(outside_run "$1")
file=$(outside_run "$2")
text=$(cat "$file")
run_in_node "$bin_dir" "$file"

install_configuration "$file" "$text" "$(newest_version)"
addresses_promised || refuse "$file gives pods no addresses, which containerd insists on"
start_containerd
test_one_container
test_two_containers
test_sandboxes
stop_containerd
