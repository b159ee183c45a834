#!/usr/bin/env bash
# Sourced by the tests in this directory. Gives each of them a node of its own, which the kernel takes away with the
# test's last process, however that ends: a PID, a mount and a network namespace, with /run, CNI's configuration and
# CNI's data in memory, seen by nobody else. Also holds the assertions that these tests share.
# shellcheck disable=SC2034  # the variables are for those that source this

note() { echo "note: $*"; }
ok() { echo "ok: $*"; }
failed() { echo "FAILED: $*"; exit 1; }
refuse() { echo "${0##*/}: $*" >&2; exit 2; }

# ---- outside: one shell that waits ----------------------------------------------------------------------------------

require() {
  local command
  [[ $EUID -eq 0 ]] || refuse "needs root"
  for command in jq busybox ip nft nsenter unshare setpriv "$@"; do
    command -v "$command" >/dev/null || refuse "needs the command $command: packages.txt says which package has it"
  done
}

# The real path of a file or directory, which must lie outside /run, because the node has a /run of its own.
outside_run() {
  local path
  path=$(realpath -e -- "$1" 2>/dev/null) || refuse "$1 does not exist"
  [[ $path != /run/* ]] || refuse "$1 is in /run, which the node does not see"
  echo "$path"
}

# run_in_node ARGUMENT... : starts the calling script again inside a node, and exits as it does. Inside, returns
# when the node is ready.
run_in_node() {
  if [[ $$ -eq 1 && -n ${SWT_RUN:-} ]]; then
    make_node
    return
  fi
  run=swt-$$
  signal=0
  trap 'interrupt 1' HUP
  trap 'interrupt 2' INT
  trap 'interrupt 15' TERM
  # Should this shell be killed, so is unshare, and with it the node's first process and all the others. The
  # environment is as bare as that of a service: no proxies, no locale.
  setpriv --pdeathsig KILL -- unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
    -- env -i PATH="$PATH" SWT_RUN="$run" EXCEPT="${EXCEPT:-}" bash "$0" "$@" &
  local status=0
  if ((signal)); then interrupt "$signal"; fi
  wait $! || status=$?
  if ((signal)); then
    wait $! || true
    status=$((128 + signal))
  fi
  trap '' HUP INT TERM
  remove_cgroups
  exit "$status"
}

# Ends the first process of the node, and so all of them. It is unshare's only child: unshare itself holds signals
# back until that has ended.
interrupt() {
  signal=$1
  local child unshare=${!:-none}
  while [[ -d /proc/$unshare ]]; do
    child=$(cat "/proc/$unshare/task/$unshare/children" 2>/dev/null || true)
    if [[ -n $child ]]; then
      kill -KILL "${child% }" 2>/dev/null || true
      break
    fi
    sleep 0.02
  done
}

# Control groups are the one thing here that belongs to the whole machine. They are removed for this run, and for
# earlier ones that were killed before they could; those of a container just ended stay busy for a moment.
remove_cgroups() {
  local top _
  while read -r top; do
    if [[ ${top##*/} != "$run" && -d /proc/${top##*/swt-} ]]; then continue; fi
    for _ in {1..40}; do
      find "$top" -depth -type d -exec rmdir {} + 2>/dev/null || true
      if [[ ! -d $top ]]; then continue 2; fi
      sleep 0.05
    done
    echo "${0##*/}: cannot remove the cgroup $top" >&2
  done < <(find /sys/fs/cgroup -maxdepth 2 -type d -name 'swt-*' 2>/dev/null || true)
}

# ---- inside: the node -----------------------------------------------------------------------------------------------

make_node() {
  local dir
  mount -n -t tmpfs -o mode=755 tmpfs /run
  run=$SWT_RUN
  work=/run/$run
  export TMPDIR=$work/tmp
  data=/var/lib/cni
  node=/run/netns/$run-node
  mkdir -p "$TMPDIR"
  # An overlay, because the directories wanted below need not exist and the machine shall not be given them.
  for dir in /etc /opt /var/lib; do
    mkdir -p "$work/overlay$dir"/{upper,work}
    mount -t overlay -o "lowerdir=$dir,upperdir=$work/overlay$dir/upper,workdir=$work/overlay$dir/work" overlay "$dir"
  done
  for dir in /etc/cni/net.d "$data"; do
    mkdir -p "$dir"
    mount -t tmpfs tmpfs "$dir"
  done
  add_netns "${node##*/}"
  in_netns "$node" sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding'
  add_outside
  # lo and the uplink, and what some kernels put into every new namespace.
  links_of_new=$(in_netns "$node" ip -j link show | jq -c '[.[].ifname]')
}

# Another host, behind the node's uplink. It knows no way to the pods' subnets.
add_outside() {
  outside=/run/netns/$run-outside
  add_netns "${outside##*/}"
  in_netns "$node" ip link add uplink type veth peer name eth0 netns "${outside##*/}"
  in_netns "$node" ip address add 192.0.2.1/24 dev uplink
  in_netns "$node" ip address add 2001:db8:2::1/64 dev uplink nodad
  in_netns "$node" ip link set uplink up
  in_netns "$outside" ip address add 192.0.2.2/24 dev eth0
  in_netns "$outside" ip address add 2001:db8:2::2/64 dev eth0 nodad
  in_netns "$outside" ip link set eth0 up
}

add_netns() {
  ip netns add "$1"
  in_netns "/run/netns/$1" ip link set lo up
}

in_netns() {
  local netns=$1
  shift
  nsenter --net="$netns" -- "$@"
}

# install_configuration FILE TEXT NEWEST : puts the configuration, read before the node hid /etc/cni/net.d, there,
# saying a spec version that the client's library can read. Sets `network`, `configuration` and `spec_version`.
install_configuration() {
  local file=${1##*/} text=$2 newest=$3
  jq -e 'type == "object"' <<<"$text" >/dev/null || refuse "$file is not a JSON object"
  network=$(jq -er '.name' <<<"$text") || refuse "$file names no network"
  jq -e 'all(.. | .dataDir? // empty; test("^(/var/lib/cni|/run)/"))' <<<"$text" >/dev/null ||
    refuse "$file has a dataDir outside /var/lib/cni and /run, which the test would share with the machine"
  spec_version=$(jq -r '.cniVersion // "0.1.0"' <<<"$text")
  configuration=/etc/cni/net.d/10-$file
  if older "$newest" "$spec_version"; then
    note "$file says cniVersion $spec_version, which this client's library does not know: the copy says $newest"
    text=$(jq --arg version "$newest" '.cniVersion = $version' <<<"$text")
    spec_version=$newest
  fi
  printf '%s\n' "$text" >"$configuration"
}

# older A B : is version A older than version B?
older() { [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

# The plugins of the configuration, whether it is one or a list.
plugins() { jq -c '.plugins // [.] | .[]' "$configuration"; }

# Does the configuration promise that the node itself holds the pods' gateway?
gateway_promised() {
  plugins | jq -se 'any(.[]; .isGateway == true or .isDefaultGateway == true
    or ((.type == "ptp" or .type == "swiftlet") and .isGateway != false))' >/dev/null
}

addresses_promised() { plugins | jq -se 'any(.[]; (.ipam // {} | length > 0) or .type == "swiftlet")' >/dev/null; }

# promised CAPABILITY : does the configuration take it from the runtime?
promised() { plugins | jq -se --arg name "$1" 'any(.[]; .capabilities[$name] == true)' >/dev/null; }

has_plugin() { plugins | jq -se --arg type "$1" 'any(.[]; .type == $type)' >/dev/null; }

masquerade_promised() { plugins | jq -se 'any(.[]; .ipMasq == true)' >/dev/null; }

isolated() { plugins | jq -se 'any(.[]; .portIsolation == true)' >/dev/null; }

# ---- assertions -----------------------------------------------------------------------------------------------------

# expect TEXT COMMAND... : holds if the command succeeds; its output is shown if it does not.
expect() {
  local text=$1 seen status=0 command
  shift
  command=$*
  seen=$("$@" 2>&1) || status=$?
  if ((status)); then failed "$text: \`${command:0:100}\` ended with $status: ${seen:-no output}"; fi
  ok "$text"
}

# excepted WORD : is this in EXCEPT, the list of what the plugins under test are known not to do?
excepted() {
  [[ " ${EXCEPT:-} " == *" $1 "* ]] || return
  note "$1 not looked at, as EXCEPT says"
}

# A result of any spec version as {interfaces, ips: [{address, gateway, ifname}], routes}.
normalize() {
  jq -c '. as $r | (.interfaces // []) as $interfaces | {
    interfaces: $interfaces,
    ips: [ (.ips // [])[], ([.ip4, .ip6][] | select(. != null) | {address: .ip, gateway}) ]
         | map({address, gateway, ifname: (if .interface != null then $interfaces[.interface].name else "eth0" end)}),
    routes: [ (.routes // [])[], ([.ip4, .ip6][] | select(. != null) | (.routes // [])[]) ]
  }'
}

addresses_of() { jq -r '.ips[].address | sub("/.*"; "")' <<<"$1"; }

is_v6() { [[ $1 == *:* ]]; }

# check_attachment WHO RESULT NETNS : what the (normalized) result says is there, and is up.
check_attachment() {
  local who=$1 result=$2 netns=$3 ifname mac address dst gw there where
  expect "$who: has eth0" link_is "$netns" eth0 ""
  if addresses_promised; then expect "$who: the result has addresses" jq -e '.ips | length > 0' <<<"$result"; fi
  while read -r where ifname mac; do
    if [[ $where == pod ]]; then there=$netns; else there=$node; fi
    expect "$who: interface $ifname is in the $where, up, with MAC ${mac:-(none said)}" \
      link_is "$there" "$ifname" "$mac"
  done < <(jq -r '.interfaces[] | "\(if (.sandbox // "") == "" then "node" else "pod" end) \(.name) \(.mac // "")"' \
    <<<"$result")
  while read -r ifname address; do
    expect "$who: address $address is on $ifname and usable" address_is "$netns" "$ifname" "$address"
  done < <(jq -r '.ips[] | "\(.ifname) \(.address)"' <<<"$result")
  while read -r dst gw; do
    if [[ -z $gw ]]; then
      gw=$(jq -r --arg dst "$dst" 'def v6: contains(":");
        first(.ips[] | select((.address | v6) == ($dst | v6)) | .gateway // empty)' <<<"$result")
    fi
    expect "$who: route to $dst${gw:+ via $gw}" route_is "$netns" "$dst" "$gw"
  done < <(jq -r '.routes[] | "\(.dst) \(.gw // "")"' <<<"$result")
}

link_is() {
  local json
  json=$(in_netns "$1" ip -j link show dev "$2") || return
  jq -e --arg mac "${3,,}" '.[0] | (.flags | index("UP")) and ($mac == "" or .address == $mac)' <<<"$json" >/dev/null ||
    { echo "$json"; return 1; }
}

# An IPv6 address may still be going through duplicate address detection, so it is waited for.
address_is() {
  local netns=$1 ifname=$2 address=${3%/*} length=${3#*/} bits=32 json _
  if is_v6 "$address"; then bits=128; fi
  for _ in {1..30}; do
    json=$(in_netns "$netns" ip -j address show dev "$ifname" to "$address/$bits") || return
    if jq -e --argjson length "$length" 'any(.[].addr_info[]?;
        .prefixlen == $length and (.tentative // .dadfailed | not))' <<<"$json" >/dev/null; then return; fi
    sleep 0.1
  done
  in_netns "$netns" ip address show dev "$ifname"
  return 1
}

route_is() {
  local netns=$1 dst=$2 gw=$3 family=-4 json
  if is_v6 "$dst"; then family=-6; fi
  json=$(in_netns "$netns" ip "$family" -j route show table all to exact "$dst") || return
  jq -e --arg gw "$gw" 'any(.[]; $gw == "" or .gateway == $gw)' <<<"$json" >/dev/null && return
  in_netns "$netns" ip "$family" route show
  return 1
}

# answers NETNS ADDRESS [SOURCE] : one answer within three seconds: the first packet may be lost to address resolution.
answers() {
  local from=$1 address=$2 _
  for _ in {1..3}; do
    if in_netns "$from" busybox ping -c 1 -W 1 ${3:+-I "$3"} "$address"; then return; fi
  done
  return 1
}

# source_for RESULT ADDRESS : the pod's own address of that family, where it has to be said, because only what comes
# from it has a route.
source_for() {
  if has_plugin sbr; then addresses_of "$1" | grep "$(if is_v6 "$2"; then echo :; else echo '[.]'; fi)" | head -n 1; fi
}

is_silent() { ! in_netns "$1" busybox ping -c 1 -W 1 "$2"; }

# check_gateway WHO RESULT NETNS : pings the gateways, and the pod from the node, where the node holds the gateway.
check_gateway() {
  local who=$1 result=$2 netns=$3 address gateway
  while read -r address gateway; do
    if [[ -n $gateway ]] && node_holds "$gateway"; then
      expect "$who: reaches its gateway $gateway" answers "$netns" "$gateway"
      expect "the node reaches $who at $address" answers "$node" "$address"
    elif gateway_promised; then
      failed "$who: the node should hold the gateway ${gateway:-(the result has none)} for $address;" \
        "it has: $(in_netns "$node" ip -br address show | tr -s ' \n' ' ')"
    else
      note "$who: the node holds no gateway for $address, nor is it asked to: no pings between them"
    fi
  done < <(jq -r '.ips[] | (.address | sub("/.*"; "")) + " " + (.gateway // "")' <<<"$result")
}

# page_from NETNS ADDRESS PORT : gets the page that serve_page serves there.
page_from() {
  local seen='' _
  for _ in {1..3}; do
    seen=$(in_netns "$1" sh -c "printf 'GET /page HTTP/1.0\r\n\r\n' | timeout 3 busybox nc $2 $3" || true)
    if [[ $seen == *"page of $run"* ]]; then return; fi
    sleep 0.2
  done
  echo "not the page but: $seen"
  return 1
}

# serve_page NETNS : a web server on port 80, both families. Sets `server`, to be ended by end_server.
serve_page() {
  mkdir -p "$work/www"
  echo "page of $run" >"$work/www/page"
  truncate -s "$large" "$work/www/large"
  nsenter --net="$1" -- busybox httpd -f -p '[::]:80' -h "$work/www" </dev/null >"$work/httpd.log" 2>&1 &
  server=$!
}

end_server() {
  # SIGTERM may be blocked by whoever has started the test.
  kill -KILL "$server"
  wait "$server" || true
}

# check_published WHO RESULT NETNS PORT : the node's port leads to port 80 of the pod, whoever asks.
check_published() {
  local who=$1 result=$2 netns=$3 port=$4 address
  serve_page "$netns"
  for address in $(addresses_of "$result"); do
    if is_v6 "$address"; then
      expect "another host reaches $who by port $port of the node, IPv6" page_from "$outside" 2001:db8:2::1 "$port"
      expect "the node reaches $who by its own port $port, IPv6" page_from "$node" 2001:db8:2::1 "$port"
      expect "$who reaches itself by port $port of the node, IPv6" page_from "$netns" 2001:db8:2::1 "$port"
    else
      expect "another host reaches $who by port $port of the node" page_from "$outside" 192.0.2.1 "$port"
      expect "the node reaches $who by its own port $port" page_from "$node" 192.0.2.1 "$port"
      expect "the node reaches $who by 127.0.0.1, port $port" page_from "$node" 127.0.0.1 "$port"
      expect "$who reaches itself by port $port of the node" page_from "$netns" 192.0.2.1 "$port"
    fi
  done
  end_server
}

# check_reaches_outside WHO RESULT NETNS : the pod reaches a host that knows no way to pods' subnets.
check_reaches_outside() {
  local who=$1 result=$2 netns=$3 address
  serve_page "$outside"
  for address in $(addresses_of "$result"); do
    if is_v6 "$address"; then
      expect "$who gets a page from outside, IPv6" page_from "$netns" 2001:db8:2::2 80
    else
      expect "$who gets a page from outside" page_from "$netns" 192.0.2.2 80
    fi
  done
  end_server
}

# Bits per second, and bits, of the pod that check_limited is for.
rate=16000000
burst=1600000
# Octets that take a second.
large=$((rate / 8))

# check_limited WHO RESULT NETNS OTHER ITS_RESULT ITS_NETNS : a large page takes its time, both ways.
check_limited() {
  local own other
  own=$(addresses_of "$2" | head -n 1)
  other=$(addresses_of "$5" | head -n 1)
  serve_page "$6"
  expect "$1 gets from $4 what its limit allows" takes_a_second "$3" "$other"
  end_server
  serve_page "$3"
  expect "$4 gets from $1 what its limit allows" takes_a_second "$6" "$own"
  end_server
}

# A burst may come at once, and a busy machine may take longer.
takes_a_second() {
  local begin tenths size
  begin=$(date +%s%N)
  size=$(in_netns "$1" sh -c "printf 'GET /large HTTP/1.0\r\n\r\n' | timeout 10 busybox nc $2 80" | wc -c)
  tenths=$((($(date +%s%N) - begin) / 100000000))
  ((size > large && tenths >= 8 && tenths <= 20)) && return
  echo "$size octets took $tenths tenths of a second"
  return 1
}

# check_source_routed WHO RESULT NETNS : what is sent from an address is routed by a table of its own.
check_source_routed() {
  local address
  for address in $(addresses_of "$2"); do
    expect "$1: a rule for what comes from $address" grep -qw "from $address" <(in_netns "$3" ip rule)
  done
}

node_holds() {
  local bits=32
  if is_v6 "$1"; then bits=128; fi
  in_netns "$node" ip -j address show to "$1/$bits" | jq -e 'any(.[].addr_info[]?; true)' >/dev/null
}

# check_node_is_clean WORD... : no link of a pod, no reservation, no cached result, and no packet filter rule that
# has one of the words, which are the pods' container IDs and addresses.
check_node_is_clean() {
  if ((${links_may_linger:-0})); then await_no_links; fi
  expect "the node has no links left but lo and bridges" no_links_left
  expect "no reservation and no cached result is left in $data" no_files_left "$data"
  if [[ -e /run/cni ]]; then expect "no file is left in /run/cni" no_files_left /run/cni; fi
  if [[ -e /run/cni-ipam-state ]]; then
    expect "no reservation is left in /run/cni-ipam-state" no_files_left /run/cni-ipam-state
  fi
  if [[ -e /run/swiftlet ]]; then expect "no file is left in /run/swiftlet" no_files_left /run/swiftlet; fi
  if excepted rules; then return; fi
  expect "no element is left in the tables of swiftlet" no_elements_left
  expect "no packet filter rule is left with a pod's container ID or address" no_rules_left "$@"
}

# For clients that end a pod's network namespace before they call DEL: a plugin that is not told of it can leave the
# link to the kernel, which frees namespaces in the background.
await_no_links() {
  local tenths
  for tenths in {0..30}; do
    if no_links_left >/dev/null; then break; fi
    sleep 0.1
  done
  if ((tenths)); then note "links of pods were still there after DEL, for up to ${tenths}00 ms"; fi
}

# links_but LINKS NETNS : the links of the namespace that are not in the list.
links_but() { in_netns "$2" ip -j link show | jq -r --argjson links "$1" '.[].ifname | select(IN($links[]) | not)'; }

has_no_interface() { [[ -z $(links_but "$links_of_new" "$1") ]] || { in_netns "$1" ip -br link show; return 1; }; }

no_links_left() {
  local bridges left
  bridges=$(in_netns "$node" ip -j link show type bridge | jq -c '[.[].ifname // empty]')
  left=$(links_but "$(jq -c --argjson bridges "$bridges" '. + $bridges' <<<"$links_of_new")" "$node")
  [[ -z $left ]] || { in_netns "$node" ip -d link show; return 1; }
}

no_files_left() {
  local left
  left=$(find "$1" -mindepth 1 -name '.*' -prune -o -type f ! -name lock ! -name 'last_reserved_ip.*' -print)
  [[ -z $left ]] || { echo "$left"; return 1; }
}

no_elements_left() {
  local table
  in_netns "$node" nft list tables | sed -n '/ swiftlet/p' | while read -r table; do
    # shellcheck disable=SC2086
    if in_netns "$node" nft list $table | grep -A5 elements; then return 1; fi
  done
}

no_rules_left() {
  local word ruleset
  ruleset=$(in_netns "$node" nft list ruleset) || return
  for word; do
    if grep -wF -- "$word" <<<"$ruleset"; then return 1; fi
  done
}
