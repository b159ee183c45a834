#!/usr/bin/env bash
# Builds the DaemonSet's image and runs its container with podman as packaging/kubernetes/swiftlet.yaml says: that it puts
# the plugin and a configuration on its node, keeps them there, and takes them away.
# usage: Tests/Clients/daemonset.sh BIN_DIR
set -euo pipefail
# shellcheck source=Tests/Clients/node.sh
source "$(dirname "$0")/node.sh"
# shellcheck source=Tests/Clients/podman-engine.sh
source "$(dirname "$0")/podman-engine.sh"

[[ $# -eq 1 ]] || refuse "usage: $0 BIN_DIR"
require podman conmon runc timeout python3
bin_dir=$(outside_run "$1")
run_in_node "$bin_dir"
repository=$(cd "$(dirname "$0")/../.." && pwd)
manifest=$repository/packaging/kubernetes/swiftlet.yaml
manifest() { python3 "$repository/Tests/Packaging/manifest.py" "$manifest" "$@"; }
version=$("$bin_dir/swiftletctl" --version)
version=${version#* }

# --- the manifest
expect "a server takes the manifest" manifest check "$version"
sed 's/hostNetwork:/hostNetworks:/' "$manifest" >"$work/misspelt.yaml"
expect "and would not take a misspelt one" sh -c '! "$@"' - \
  python3 "$repository/Tests/Packaging/manifest.py" "$work/misspelt.yaml" check "$version"

# --- the image, on a base that is made here: no registry is asked
configure_podman "$bin_dir"
mkdir -p "$work/base/bin" "$work/context/build/bin" "$work/context/scripts" "$work/context/packaging"
cp "$(command -v busybox)" "$work/base/bin/busybox"
chroot "$work/base" /bin/busybox --install -s /bin
tar -C "$work/base" -cf "$work/base.tar" .
expect "podman import" podman import "$work/base.tar" localhost/base:1
# The executables of BIN_DIR; what else the image has is the repository's.
cp "$bin_dir"/{swiftlet,swiftlet-agent} "$work/context/build/bin"
cp "$repository"/scripts/{install,plugin-names} "$work/context/scripts"
cp -r "$repository"/packaging/{debian,kubernetes} "$work/context/packaging"
cp "$repository/.dockerignore" "$work/context"
expect "podman build" podman build --pull=never --build-arg BASE=localhost/base:1 --tag "swiftlet:$version" \
  --file "$work/context/packaging/kubernetes/Containerfile" "$work/context"

# --- a node, with another maker's loopback and configuration
host=$work/host
mkdir -p "$host"/{settings,opt/cni/bin,etc/cni/net.d}
printf '#!/bin/sh\necho theirs\n' >"$host/opt/cni/bin/loopback"
chmod 0755 "$host/opt/cni/bin/loopback"
echo '{}' >"$host/etc/cni/net.d/99-other.conf"
manifest settings "$host/settings"
files() { (cd "$host" && find opt etc -type f -printf '%p %m %i %T@ ' -exec sh -c 'sha256sum <"$1"' - {} \; | sort); }
files >"$work/before"
mapfile -t options < <(manifest podman "$host")
once() { podman run --rm --cgroup-parent "/$run" "${options[@]}" --env INTERVAL=0 "$@" "swiftlet:$version"; }
plugin() { # COMMAND: called with the configuration that is installed
  jq '{cniVersion: "1.1.0", name} + .plugins[0]' "$host/etc/cni/net.d/10-swiftlet.conflist" |
    in_netns "$node" env CNI_COMMAND="$1" CNI_PATH="$host/opt/cni/bin" "$host/opt/cni/bin/swiftlet"
}
refuses() { # TEXT OPTION... : the container ends with an error that says so
  local text=$1 seen
  shift
  ! seen=$(once "$@" 2>&1) || { echo "no error"; return 1; }
  [[ $seen == *"$text"* ]] || { echo "$seen"; return 1; }
}

expect "a node without a subnet is told so" refuses 'no line for node node-1: add'
expect "and stays as it was" diff "$work/before" <(files)
sed -i 's/# node-1 .*/node-1 10.44.1.0 fd00:44:0:1::\/64/' "$host/settings/subnets"
expect "what is not a subnet is refused" refuses '"10.44.1.0" is not a subnet'
sed -i 's/^node-1 10.44.1.0 /node-1 10.44.1.0\/24 /' "$host/settings/subnets"
expect "it installs" once
expect "the plugin speaks CNI" test -n "$(plugin VERSION | jq '.supportedVersions[] | select(. == "1.1.0")')"
expect "the plugin takes the configuration" plugin STATUS
expect "which has the node's subnet" jq -e '.plugins[0].subnet == "10.44.1.0/24"' "$host/etc/cni/net.d/10-swiftlet.conflist"
expect "loopback is swiftlet" test "$host/opt/cni/bin/loopback" -ef "$host/opt/cni/bin/swiftlet"
expect "and nothing else is there" test "$(cd "$host/opt/cni/bin" && echo *)" = "loopback loopback.before-swiftlet swiftlet"
files >"$work/installed"
expect "a second run" once
expect "changes nothing" diff "$work/installed" <(files)

# --- as it stays on the node
expect "it starts" podman run --detach --name daemon --cgroup-parent "/$run" "${options[@]}" --env INTERVAL=0.2 "swiftlet:$version"
ready() { podman exec daemon /swiftlet/node ready; }
becomes() { # COMMAND... : succeeds within ten seconds
  local end=$((SECONDS + 10))
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.05
  done
}
expect "it is ready" becomes ready
printf '#!/bin/sh\necho theirs\n' >"$host/opt/cni/bin/new"
chmod 0755 "$host/opt/cni/bin/new"
mv "$host/opt/cni/bin/new" "$host/opt/cni/bin/swiftlet"
expect "what another puts in its place is put right" becomes cmp -s "$bin_dir/swiftlet" "$host/opt/cni/bin/swiftlet"
sed -i 's/"antiSpoof": true/"antiSpoof": false/' "$host/settings/10-swiftlet.conflist"
expect "a ConfigMap that changes reaches the node" becomes grep -q '"antiSpoof": false' "$host/etc/cni/net.d/10-swiftlet.conflist"
files >"$work/installed"
expect "it ends at once" timeout 4 bash -c "$(declare -f in_netns podman); node=$node; podman stop --time 20 daemon"
expect "and changes nothing by that" diff "$work/installed" <(files)
expect "podman rm" podman rm daemon

# --- and away
expect "it uninstalls" once --env MODE=uninstall
rm "$host/opt/cni/bin/swiftlet" # the other's, from above, is back
contents() { awk '{ print $1, $2, $5 }'; }
expect "all is as before" diff <(contents <"$work/before") <(files | contents)
