#!/usr/bin/env bash
# Nodes with swiftlet-agent in namespaces, joined by a real etcd: whatever happens to an agent or to etcd, no packet between pods is
# lost, and the kernel ends as it should be.
# usage: Tests/Clients/cluster.sh BIN_DIR SCENARIO
# shellcheck disable=SC2154 # what scripts/cluster-nodes sets
set -euo pipefail
root=$(realpath "$(dirname "$0")/../..")
bin=$(realpath "$1")
scenario=$2
if [ "${3:-}" != inside ]; then
  exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private "$0" "$bin" "$scenario" inside
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mount -t tmpfs tests /run
# shellcheck source=scripts/cluster-nodes
source "$root/scripts/cluster-nodes"

# has PATTERN : reads to the end, so that the writer of a pipe does not fail
has() { grep "$@" >/dev/null; }
ok() { echo "ok: $*"; }
die() { echo "FAILED: $*" >&2; tail -n 20 "$work"/*.log >&2; exit 1; }

# What an agent sets up on a node, in an order of its own.
state() {
  on "$1" sh -c 'ip route show proto 83; ip -d -o addr show vxlan.swiftlet | sed "s/^[0-9]*: //"
    ip neigh show dev vxlan.swiftlet nud permanent; bridge fdb show dev vxlan.swiftlet; cat /etc/cni/net.d/05-swiftlet.conflist' | sort
}

# is_state NODE FILE
is_state() { [ "$(state "$1" 2>/dev/null)" = "$(cat "$2")" ]; }

three_nodes() {
  network
  start_etcd
  node node-1 link1 192.168.1.1 192.168.1.254
  node node-2 link1 192.168.1.2 192.168.1.254
  node node-3 link2 192.168.2.3 192.168.2.254
  local name
  for name in node-1 node-2 node-3; do agent_configuration "$name"; start_agent "$name"; done
  for name in node-1 node-2 node-3; do soon is_configured "$name"; pod "$name" "pod-$name"; done
  all_pairs >/dev/null
}

# Pings from node-1's pod to the others' and asks node-3's for a page every 10 ms, until stop_traffic.
start_traffic() {
  local to
  pings=()
  for to in node-2 node-3; do
    # A simple command, so that the number is that of ping itself.
    nsenter -t "${holder[node-1]}" --net --mount -- ip netns exec pod-node-1 ping -q -i 0.01 -W 1 "$(address "$to" "pod-$to")" >"$work/ping-$to" 2>&1 &
    pings+=($!)
  done
  local target; target=$(address node-3 pod-node-3)
  (
    while [ ! -e "$work/enough" ]; do
      in_pod node-1 pod-node-1 curl -sS --max-time 2 -o /dev/null "http://$target/cgi-bin/who" 2>>"$work/curl" ||
        echo "a connection failed" >>"$work/curl"
      sleep 0.01
    done
  ) &
  curls=$!
  touch "$work/curl"
}

stop_traffic() {
  touch "$work/enough"
  wait "$curls"
  local process to counts got sent lost _
  # On a busy machine some are on their way at any moment; what is lost stays lost.
  for _ in $(seq 20); do
    for process in "${pings[@]}"; do kill -QUIT "$process" 2>/dev/null || true; done
    sleep 0.05
  done
  for process in "${pings[@]}"; do kill -TERM "$process" 2>/dev/null || true; done
  wait "${pings[@]}" 2>/dev/null || true
  for to in node-2 node-3; do
    # ping tells at SIGQUIT: "1234/1234 packets, 0% loss"
    lost=100000
    while read -r counts; do
      got=${counts%%/*} sent=${counts#*/}
      [ $((sent - got)) -ge "$lost" ] || lost=$((sent - got))
    done < <(grep -o '[0-9]*/[0-9]* packets' "$work/ping-$to" | sed 's/ packets//')
    [ "$lost" = 0 ] && [ "$got" -gt 50 ] || die "to $to: $lost of $sent packets lost"
    ok "to $to: none of $sent packets lost"
  done
  [ ! -s "$work/curl" ] || die "connections failed: $(sort "$work/curl" | uniq -c)"
  ok "no connection failed"
}

# A real API server with some of its controllers, which hands out subnets; agents have the rights of the manifest.
start_kubernetes() { # CONTROLLERS
  kubernetes=$root/build/kubernetes
  network
  start_etcd
  openssl genrsa -out "$work/account.key" 2048 2>/dev/null
  echo 'admin-token,admin,1,system:masters' >"$work/tokens.csv"
  # Kubernetes 1.20 built with Go 1.19 crashes while it keeps track of who has set which field (modern-go/reflect2).
  "$kubernetes/kube-apiserver" --feature-gates=ServerSideApply=false --etcd-servers=http://192.168.1.254:2379 --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address=192.168.1.254 --insecure-port=0 --cert-dir="$work/certificates" --token-auth-file="$work/tokens.csv" \
    --authorization-mode=RBAC --service-cluster-ip-range=10.96.0.0/24 --endpoint-reconciler-type=none \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$work/account.key" \
    --service-account-signing-key-file="$work/account.key" >"$work/apiserver.log" 2>&1 &
  api=https://192.168.1.254:6443
  kubeconfig() {
    cat >"$work/$1.kubeconfig" <<EOF
current-context: c
clusters: [{name: c, cluster: {server: "$api", certificate-authority: $work/certificates/apiserver.crt}}]
users: [{name: c, user: {token: "$2"}}]
contexts: [{name: c, context: {cluster: c, user: c}}]
EOF
  }
  kubeconfig admin admin-token
  kubectl() { HOME=$work "$kubernetes/kubectl" --kubeconfig "$work/admin.kubeconfig" "$@"; }
  for _ in $(seq 600); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
  "$kubernetes/kube-controller-manager" --kubeconfig="$work/admin.kubeconfig" --leader-elect=false --port=0 --secure-port=0 \
    --controllers="$1" --service-account-private-key-file="$work/account.key" \
    --allocate-node-cidrs --cluster-cidr=10.244.0.0/16 >"$work/controllers.log" 2>&1 &
  kubectl apply -f "$root/packaging/kubernetes/swiftlet-agent.yaml" >"$work/apply.log" 2>&1 || die "apply: $(cat "$work/apply.log")"
  ok "a real API server takes the manifest"
  token() { kubectl -n kube-system get secrets -o json | jq -er '[.items[] | select(.metadata.annotations["kubernetes.io/service-account.name"] == "swiftlet-agent")][0].data.token' | base64 -d; }
  soon token
  kubeconfig agent "$(token)"
  # What kubelet does: the node, with its addresses, and what a cloud would do with its network.
  register() {
    kubectl create -f - >/dev/null <<EOF
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "$1"}, "status": {
  "addresses": [{"type": "InternalIP", "address": "$2"}, {"type": "Hostname", "address": "$1"}],
  "conditions": [{"type": "NetworkUnavailable", "status": "True", "reason": "NoRouteCreated", "message": "waiting"}]}}
EOF
  }
}

# Three nodes with agents, whose configurations get more LINES.
kubernetes_nodes() { # [LINE...]
  local name
  node node-1 link1 192.168.1.1 192.168.1.254
  node node-2 link1 192.168.1.2 192.168.1.254
  node node-3 link2 192.168.2.3 192.168.2.254
  register node-1 192.168.1.1
  register node-2 192.168.1.2
  register node-3 192.168.2.3
  for name in node-1 node-2 node-3; do
    printf '%s\n' "node: $name" 'ranges: [{cidr: 10.244.0.0/16}]' "kubernetes: {kubeconfig: $work/agent.kubeconfig}" "$@" >"$work/$name.yaml"
    start_agent "$name"
  done
  for name in node-1 node-2 node-3; do
    for _ in 1 2 3 4 5 6; do soon is_configured "$name" 2>/dev/null && break; done
    is_configured "$name" || die "no configuration on $name: $(kubectl get nodes -o yaml)"
    pod "$name" "pod-$name"
  done
}

case $scenario in
restarts)
  three_nodes
  start_traffic
  for signal in KILL TERM KILL; do
    for name in node-1 node-2 node-3; do stop_agent "$name" "$signal"; done
    sleep 1
    for name in node-1 node-2 node-3; do start_agent "$name"; done
    sleep 2
  done
  stop_traffic
  ;;
etcd-away)
  three_nodes
  start_traffic
  kill -9 "$etcd"; wait "$etcd" 2>/dev/null || true
  sleep 1
  stop_agent node-2 KILL
  start_agent node-2
  # Node 3's agent starts without knowing until when its claim is sure, as after a reboot.
  stop_agent node-3 KILL
  on node-3 rm /run/swiftlet/agent-pods.claim
  start_agent node-3
  is_suspended() { on "$1" grep -q '"suspended" : "this node.s claim' /etc/cni/net.d/05-swiftlet.conflist; }
  soon is_suspended node-3 || die "node-3 attaches pods without being sure of its subnet"
  ! is_suspended node-2 || die "node-2 attaches no pods although it is sure of its subnet"
  ok "only an agent that cannot be sure of its subnet attaches no pods"
  sleep 2
  start_etcd
  is_free() { ! is_suspended node-3; }
  for _ in 1 2 3; do soon is_free && break; done
  is_free || die "node-3 stays suspended"
  ok "until etcd has confirmed it"
  sleep 2
  node node-4 link1 192.168.1.4 192.168.1.254
  start_agent node-4
  soon is_configured node-4
  pod node-4 pod-node-4
  stop_traffic
  all_pairs
  ok "a node that joins when etcd is back reaches all"
  ;;
killed)
  # An agent that is killed at its Nth message to the kernel, when it starts and when the cluster changes, is finished by the next one.
  three_nodes
  state node-1 >"$work/wanted"
  stop_agent node-1 TERM
  kills=0
  for fault in sendto:when={1..16} renameat:when=1 fsync:when={1,2}; do
    rm -f "$work/strace"
    on node-1 sh -c 'ip route flush proto 83; ip link del vxlan.swiftlet 2>/dev/null; rm -f /etc/cni/net.d/05-swiftlet.conflist; true'
    on node-1 strace -f -o "$work/strace" -e "trace=${fault%%:*}" -e "inject=${fault%%:*}:signal=SIGKILL:${fault#*:}" \
      "$bin/swiftlet-agent" --config "$work/node-1.yaml" 2>>"$work/node-1.log" &
    killed=$!
    for _ in $(seq 60); do
      grep -q 'killed by SIGKILL' "$work/strace" 2>/dev/null && break
      is_state node-1 "$work/wanted" && break
      sleep 0.05
    done
    outcome="was killed"
    if grep -q 'killed by SIGKILL' "$work/strace"; then
      kills=$((kills + 1))
    else
      # It does so less often.
      outcome="was not killed"
      pkill -KILL -P "$killed" || true
    fi
    wait "$killed" 2>/dev/null || true
    start_agent node-1
    soon is_state node-1 "$work/wanted" || die "after $fault: $(state node-1 | diff - "$work/wanted")"
    stop_agent node-1 KILL
    ok "$fault: it $outcome, and the next one ends where it should"
  done
  [ "$kills" -ge 12 ] || die "only $kills agents were killed"
  ;;
cleanup)
  three_nodes
  stop_agent node-1 TERM
  before=$(on node-1 sh -c 'ip route show; ip link show cbr0')
  on node-1 "$bin/swiftlet-agent" cleanup --config "$work/node-1.yaml"
  [ -z "$(on node-1 ip route show proto 83)" ] || die "routes are left: $(on node-1 ip route)"
  ! on node-1 ip link show vxlan.swiftlet >/dev/null 2>&1 || die "the device is left"
  ! is_configured node-1 || die "the configuration is left"
  [ "$(on node-1 sh -c 'ip route show | grep -v "proto 83"; ip link show cbr0')" = "$(grep -v 'proto 83' <<<"$before")" ] || die "others changed"
  ok "cleanup leaves nothing of the agent's, and all of the others'"
  ;;
troubles)
  # What cannot work is said once, with what to do, and what can work goes on.
  three_nodes
  on node-1 sh -c 'ip route add 10.244.200.0/24 via 192.168.1.254'
  told() { on node-1 curl -sS http://127.0.0.1:9483/readyz | has "$1"; }
  for _ in 1 2 3; do soon told 'overlaps this node.s route to 10.244.200.0/24 by eth0' 2>/dev/null && break; done
  told 'overlaps this node.s route to 10.244.200.0/24 by eth0' || die "the overlapping route is not told"
  ok "a route of others into the cluster's range is told"
  [ "$(grep -c 'event=network' "$work/node-1.log")" = 1 ] || die "not told once"
  ok "once"
  # Two agents of one name, on different machines.
  node node-4 link1 192.168.1.4 192.168.1.254
  agent_configuration node-4
  sed -i 's/^node: .*/node: node-2/' "$work/node-4.yaml"
  start_agent node-4
  soon grep -q 'event=engine' "$work/node-4.log" || die "the second node-2 is not told"
  ! is_configured node-4 || die "the second node-2 has got a configuration"
  ok "a second machine of the same name is refused: $(grep -o 'error="[^"]*"' "$work/node-4.log" | head -n 1)"
  # A configuration that is wrong ends at once, with 78.
  echo 'wayz: auto' >>"$work/node-4.yaml"
  on node-4 "$bin/swiftlet-agent" --config "$work/node-4.yaml" 2>"$work/wrong" && die "a wrong key is taken" || code=$?
  [ "$code" = 78 ] && grep -q 'line 6: wayz is not a key' "$work/wrong" || die "$code: $(cat "$work/wrong")"
  ok "a wrong key ends it with 78 and its line"
  all_pairs
  # What people ask.
  on node-1 "$bin/swiftlet-agent" cluster nodes --config "$work/node-1.yaml" | has '^node-3 .*192.168.2.3 .*running' || die "cluster nodes"
  stop_agent node-3 KILL
  on node-1 "$bin/swiftlet-agent" cluster forget node-3 --force --config "$work/node-1.yaml" | has '^free now: 10.244.' || die "cluster forget"
  gone() { ! on node-1 ip route show proto 83 | has vxlan.swiftlet; }
  soon gone || die "the route to a forgotten node stays"
  ok "a node that is forgotten loses its routes"
  ;;
surroundings)
  # What happens to a node's interfaces and routes, by day and by night.
  three_nodes
  on node-2 sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
  on node-2 sh -c 'ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up'
  on node-2 sh -c 'ip link set eth0 down; sleep 0.5; ip link set eth0 up; ip route add default via 192.168.1.254'
  all_pairs
  on node-1 "$bin/swiftlet-agent" cluster nodes --config "$work/node-1.yaml" | has '^node-2 *192.168.1.2 *10' || die "$(on node-1 "$bin/swiftlet-agent" cluster nodes --config "$work/node-1.yaml")"
  ok "an interface that goes down and up takes its ways back, and no other one takes its place"
  on node-2 grep -q '"mtu" : 1450' /etc/cni/net.d/05-swiftlet.conflist || die "another MTU"
  # Routes of others come first.
  on node-1 ip route add 10.244.180.0/24 via 192.168.1.254 proto static
  sleep 0.3
  on node-1 ip route show proto static | has '10.244.180.0/24 via 192.168.1.254' || die "an administrator's route is gone"
  on node-1 ip route del 10.244.180.0/24 via 192.168.1.254 proto static
  all_pairs
  ok "an administrator's route stays as it is"
  on node-1 rm /etc/cni/net.d/05-swiftlet.conflist
  for _ in 1 2 3; do soon is_configured node-1 2>/dev/null && break; done
  is_configured node-1 || die "the configuration does not come back"
  ok "a configuration that somebody removes comes back"
  # Without a tunnel, what needs none goes on.
  stop_agent node-1 KILL
  on node-1 sh -c 'ip route flush proto 83; ip link del vxlan.swiftlet; ip link add vxlan.swiftlet type bridge'
  start_agent node-1
  plain() { on node-1 ip route show proto 83 | has 'via 192.168.1.2 dev eth0'; }
  soon plain || die "no plain routes: $(on node-1 ip route)"
  on node-1 ip route show proto 83 | has unreachable || die "pods that nobody has are not rejected"
  on node-1 ip link del vxlan.swiftlet
  for _ in 1 2 3; do soon all_pairs && break; done
  ok "a foreign link of the tunnel's name hinders only the tunnel"
  ;;
moved)
  # A node gets another address while its agent runs.
  three_nodes
  on node-2 sh -c 'ip addr del 192.168.1.2/24 dev eth0; ip addr add 192.168.1.22/24 dev eth0; ip route add default via 192.168.1.254'
  soon sh -c "nsenter -t ${holder[node-1]} --net ip route show proto 83 | grep 'via 192.168.1.22' >/dev/null"
  all_pairs
  ok "the others follow a node that moves"
  ;;
kubernetes)
  start_kubernetes nodeipam,serviceaccount,serviceaccount-token
  kubernetes_nodes
  all_pairs
  ok "pods of three nodes of a Kubernetes cluster reach each other"
  is_available() { kubectl get node "$1" -o json | jq -e '.status.conditions[] | select(.type == "NetworkUnavailable") | .status == "False"'; }
  for name in node-1 node-2 node-3; do soon is_available "$name" || die "$name's network is still unavailable"; done
  ok "their condition NetworkUnavailable is false"
  kubectl delete node node-3 >/dev/null
  start=$(date +%s%N)
  has_no_route() { ! on node-1 ip route show proto 83 | has vxlan.swiftlet; }
  soon has_no_route || die "the route to a node that is removed stays"
  ok "a node that is removed has no route after $((($(date +%s%N) - start) / 1000000)) ms"
  register node-3 192.168.2.3
  soon on node-3 grep -q "$(kubectl get node node-3 -o 'jsonpath={.spec.podCIDR}')" /etc/cni/net.d/05-swiftlet.conflist
  ok "made anew, it gets its new subnet"
  ;;
services)
  # Services of a real API server, whose controller makes the EndpointSlices, from four places.
  start_kubernetes nodeipam,serviceaccount,serviceaccount-token,endpoint,endpointslice
  kubernetes_nodes 'services: {ranges: [10.96.0.0/24]}'
  cat >"$work/www/cgi-bin/me" <<'EOF'
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
printf 'content-type: text/plain\n\n'
ip -4 -o address show eth0 | sed 's/.* inet \([0-9.]*\).*/\1/'
echo "$REMOTE_ADDR"
EOF
  chmod +x "$work/www/cgi-bin/me"
  # What kubelet does: a pod with its address that is ready.
  ready() { # NODE ADDRESS
    kubectl create -f - >/dev/null <<EOF
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-$1", "labels": {"app": "web"}}, "spec": {"nodeName": "$1",
  "containers": [{"name": "web", "image": "web"}]}}
EOF
    curl -fsS -k -X PATCH -H 'Authorization: Bearer admin-token' -H 'Content-Type: application/strategic-merge-patch+json' \
      "$api/api/v1/namespaces/default/pods/web-$1/status" -o /dev/null -d "{\"status\": {\"phase\": \"Running\", \"podIP\": \"$2\",
        \"podIPs\": [{\"ip\": \"$2\"}], \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}}"
  }
  kubectl create -f - >/dev/null <<'EOF'
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "NodePort", "clusterIP": "10.96.0.10",
  "selector": {"app": "web"}, "ports": [{"port": 80, "nodePort": 30080}]}}
EOF
  # curl's 7: refused, not silent.
  refused() { local code=0; "$@" curl -s --max-time 2 http://10.96.0.10/ || code=$?; [ "$code" = 7 ]; }
  soon refused in_pod node-1 pod-node-1 || die "a Service without endpoints does not refuse: $(in_pod node-1 pod-node-1 curl -sS --max-time 3 http://10.96.0.10/ 2>&1); $(on node-1 nft list table inet swiftlet_services)"
  ok "a Service without endpoints refuses, from a pod"
  refused on node-1 || die "not from the node"
  ok "and from a node"
  for name in node-1 node-2 node-3; do ready "$name" "$(address "$name" "pod-$name")"; done
  # ask WHO... : who answers, and whom it sees
  ask() { "$@" curl -sS --max-time 5 "${url:-http://10.96.0.10}/cgi-bin/me" | tr '\n' ' '; echo; }
  all_three() { local _; [ "$(for _ in $(seq 30); do ask "$@"; done | cut -d ' ' -f 1 | sort -u | wc -l)" = 3 ]; }
  soon all_three in_pod node-1 pod-node-1 || die "from a pod: $(for _ in 1 2 3 4 5 6; do ask in_pod node-1 pod-node-1 2>&1; done); $(kubectl get endpointslices -o yaml)"
  ok "from a pod, itself among the endpoints, all three answer"
  for _ in $(seq 30); do
    read -r who seen <<<"$(ask in_pod node-1 pod-node-1)"
    # Only its own request comes back with another address than the pod's.
    [ "$who" = "$(address node-1 pod-node-1)" ] || [ "$seen" = "$(address node-1 pod-node-1)" ] || die "$who sees $seen"
  done
  ok "the others see the pod's own address"
  soon all_three on node-2 || die "from a node"
  ok "from a node all three answer"
  url=http://192.168.1.1:30080 soon all_three env || die "from outside by the node port: $(url=http://192.168.1.1:30080 ask env 2>&1)"
  ok "from outside, by the node port, all three answer"
  # One endpoint goes, while requests come: none fails, and afterwards nobody asks it.
  (
    while [ ! -e "$work/enough" ]; do
      ask in_pod node-2 pod-node-2 >>"$work/answers" 2>>"$work/curl" || echo "a connection failed" >>"$work/curl"
    done
  ) &
  asking=$!
  sleep 0.5
  gone=$(address node-3 pod-node-3)
  kubectl delete pod web-node-3 --grace-period=0 --force >/dev/null 2>&1
  left() { ! { kubectl get endpointslices -o json | has "\"$gone\""; }; }
  soon left
  sleep 0.2
  wc -l <"$work/answers" >"$work/then"
  sleep 1
  touch "$work/enough"
  wait "$asking"
  [ ! -s "$work/curl" ] || die "requests failed: $(sort "$work/curl" | uniq -c)"
  ok "no request of $(wc -l <"$work/answers") failed while an endpoint went"
  ! tail -n +$(($(cat "$work/then") + 1)) "$work/answers" | has "^$gone " || die "$gone is still asked"
  ok "and it is asked no more"
  # Without the agent, and after a flush.
  stop_agent node-2 KILL
  ask in_pod node-2 pod-node-2 >/dev/null || die "without the agent"
  ok "a killed agent's Services go on"
  start_agent node-2
  sleep 1
  on node-2 nft list table inet swiftlet_services >"$work/before"
  on node-2 nft delete table inet swiftlet_services
  same() { on node-2 nft list table inet swiftlet_services 2>/dev/null | cmp -s - "$work/before"; }
  soon ask in_pod node-2 pod-node-2
  ok "a table that somebody deletes is put back"
  ;;
*) die "no such scenario: $scenario" ;;
esac
