#!/usr/bin/env bash
# Sourced by containerd.sh: pod sandboxes through containerd's CRI service, as a kubelet makes them. Debian has no
# crictl, but the few messages needed are short enough to be written by hand, and curl speaks gRPC's HTTP/2.
# shellcheck disable=SC2154,SC2004  # the variables are containerd.sh's

# text FIELD STRING, message FIELD HEX : protobuf fields of wire type 2, in hexadecimal.
text() { message "$1" "$(printf %s "$2" | od -An -v -tx1 | tr -d ' \n')"; }
message() {
  local length=$((${#2} / 2))
  printf '%02x' $(($1 << 3 | 2))
  while ((length > 127)); do
    printf '%02x' $((length & 127 | 128))
    length=$((length >> 7))
  done
  printf '%02x%s' "$length" "$2"
}

# cri METHOD HEX : calls a method of the CRI's RuntimeService; the answer, with its five bytes of frame, to stdout.
cri() {
  local method=$1 hex=$2 frame status
  frame=$(printf '00%08x%s' $((${#hex} / 2)) "$hex")
  # shellcheck disable=SC2001,SC2059  # the escapes are the data
  printf "$(sed 's/../\\x&/g' <<<"$frame")" >"$work/cri.request"
  curl -sS --max-time 60 --http2-prior-knowledge --unix-socket "$work/containerd.sock" -D "$work/cri.headers" \
    -o "$work/cri.response" -H 'content-type: application/grpc' -H 'te: trailers' --data-binary "@$work/cri.request" \
    "http://localhost/runtime.v1.RuntimeService/$method" || return
  status=$(tr -d '\r' <"$work/cri.headers" | sed -n 's/^grpc-status: //p')
  if [[ $status != 0 ]]; then
    echo "$method: gRPC status ${status:-missing}: $(grep -a '^grpc-message' "$work/cri.headers")"
    return 1
  fi
}

# run_sandbox NAME [PORT] : with this port of the node leading to port 80; sets netns_of[NAME], result_of[NAME] and id_of[NAME].
declare -A id_of
run_sandbox() {
  local name=$1 port=${2:-} config
  # PodSandboxConfig: metadata {name, uid, namespace}, hostname, port_mappings {container_port, host_port}, linux
  # {cgroup_parent}.
  config=$(message 1 "$(text 1 "$name")$(text 2 "uid-$name")$(text 3 swiftlet)")
  config+=$(text 2 "$name")
  if [[ -n $port ]]; then
    config+=$(message 5 "$(printf '105018%02x%02x' $((port & 127 | 128)) $((port >> 7)))")
  fi
  config+=$(message 8 "$(text 1 "/$run")")
  expect "CRI RunPodSandbox $name" cri RunPodSandbox "$(message 1 "$config")"
  id_of[$name]=$(tail -c 64 "$work/cri.response")
  result_of[$name]=$(cached_result "${id_of[$name]}") ||
    failed "CRI $name: no result for ${id_of[$name]} in $data/results"
  netns_of[$name]=$(jq -er 'first(.interfaces[].sandbox | select((. // "") != ""))' <<<"${result_of[$name]}") ||
    failed "CRI $name: no interface of the result is in a sandbox: ${result_of[$name]}"
  jq -c . <<<"${result_of[$name]}"
}

test_sandboxes() {
  local name address
  run_sandbox one "$(if promised portMappings; then echo 8080; fi)"
  run_sandbox two
  for name in one two; do
    expect "$name: the CRI service tells its addresses" tells_addresses "$name"
    check_attachment "$name" "${result_of[$name]}" "${netns_of[$name]}"
    expect "$name: lo is up" link_is "${netns_of[$name]}" lo ""
    check_gateway "$name" "${result_of[$name]}" "${netns_of[$name]}"
  done
  if ! isolated; then
    for address in $(addresses_of "${result_of[two]}"); do
      expect "one reaches two at $address" answers "${netns_of[one]}" "$address"
    done
  fi
  if promised portMappings; then check_published one "${result_of[one]}" "${netns_of[one]}" 8080; fi
  if masquerade_promised; then check_reaches_outside two "${result_of[two]}" "${netns_of[two]}"; fi
  for name in one two; do
    expect "CRI StopPodSandbox $name" cri StopPodSandbox "$(text 1 "${id_of[$name]}")"
    expect "CRI StopPodSandbox $name again" cri StopPodSandbox "$(text 1 "${id_of[$name]}")"
    expect "CRI RemovePodSandbox $name" cri RemovePodSandbox "$(text 1 "${id_of[$name]}")"
  done
  # shellcheck disable=SC2046  # words
  check_node_is_clean "${id_of[@]}" $(addresses_of "${result_of[one]}") $(addresses_of "${result_of[two]}")
}

tells_addresses() {
  local address
  cri PodSandboxStatus "$(text 1 "${id_of[$1]}")" || return
  for address in $(addresses_of "${result_of[$1]}"); do
    grep -qaF "$address" "$work/cri.response" || { echo "no $address in its status"; return 1; }
  done
}
