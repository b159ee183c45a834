#!/usr/bin/env bash
# Builds the Debian packages and installs, upgrades and removes them with the real dpkg, in a copy of this machine's root
# directory (an overlay in a mount namespace of its own) that is gone afterwards.
# usage: Tests/Packaging/deb.sh BIN_DIR
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
source "$repository/Tests/Packaging/expect.sh"
[[ $# -eq 1 ]] || { echo "usage: $0 BIN_DIR" >&2; exit 2; }
if [[ -z ${INSIDE:-} ]]; then
  INSIDE=1 exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private "$0" "$@"
fi
bin=$(realpath "$1")

work=$(mktemp -d)
trap 'cd /; umount --recursive "$work" 2>/dev/null || true; rmdir "$work"' EXIT
mount -t tmpfs -o mode=0755 tmpfs "$work"
mkdir "$work"/{upper,index,root,one,two,again}
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/index" "$work/root"
mount -t proc proc "$work/root/proc"
for path in tmp run; do mount -t tmpfs tmpfs "$work/root/$path"; done
mount --bind /dev "$work/root/dev"

inside() { DEBIAN_FRONTEND=noninteractive chroot "$work/root" "$@"; }
version() { CNI_COMMAND=VERSION inside "$1" <<<'{"cniVersion": "1.0.0"}'; }
is_swiftlet() { [[ $(version "$1") == *'"1.1.0"'* ]]; } # the reference plugins of Debian 12 do not know it
is_theirs() { ! is_swiftlet "$1" && [[ $(version "$1") == *supportedVersions* ]]; }
holds() { inside dpkg --verify "$1" && [[ -z $(inside dpkg --verify "$1") ]]; }
install() { inside dpkg --install "$@" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }; }
remove() { inside dpkg "$@" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }; }
# What dpkg and man-db write down about packages is not the package's.
files() {
  inside find /etc /opt /usr /var \( -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune \
    -o \( -type d -printf '%p %y %m\n' -o -printf '%p %y %m %s %l\n' \) | sort
}
# A runtime that calls the plugin FILE all the time, until hung_up; what went wrong is in $work/missed.
calling() {
  : >"$work/missed"
  : >"$work/calls"
  while [[ ! -e $work/stop ]]; do version "$1" >>"$work/calls" 2>>"$work/missed" || echo "no answer at $EPOCHREALTIME" >>"$work/missed"; done &
  caller=$!
}
hung_up() {
  touch "$work/stop"
  wait "$caller"
  rm "$work/stop"
}
no_complaint() { [[ -s $work/calls && ! -s $work/missed ]] || { cat "$work/missed"; return 1; }; }

# --- what is built
export DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1 # for speed
(cd "$repository" && scripts/deb "$bin" "$work/one" && scripts/deb "$bin" "$work/again") >"$work/log"
expect "the same sources and tools give the same octets" diff -r "$work/one" "$work/again"
for deb in "$work"/one/*.deb; do
  dpkg-deb --raw-extract "$deb" "$work/tree"
  sed -i 's/\(.*[0-9]-\)1\b/\12/' "$work/tree/DEBIAN/control" # the next revision
  dpkg-deb --build "$work/tree" "$work/two" >"$work/log"
  rm -r "$work/tree"
done
expect "lintian has no complaint" lintian --allow-root --fail-on error,warning "$work"/one/*.deb
mkdir "$work/root/tmp/"{1,2}
cp "$work"/one/*.deb "$work/root/tmp/1"
cp "$work"/two/*.deb "$work/root/tmp/2"
# dpkg removes a directory that it finds empty, whoever made it.
rm -rf "$work/root"/{etc,opt,var/lib}/cni
cd "$work/root/tmp"
plugin=(1/swiftlet_*.deb 2/swiftlet_*.deb)
drop_in=(1/swiftlet-drop-in_*.deb 2/swiftlet-drop-in_*.deb)
agent=(1/swiftlet-agent_*.deb 2/swiftlet-agent_*.deb)
files >"$work/before"

# --- beside containernetworking-plugins
expect "it installs" install "/tmp/${plugin[0]}"
for path in /usr/lib/cni/swiftlet /opt/cni/bin/swiftlet /usr/lib/swiftlet/bridge /usr/lib/swiftlet/host-local; do
  expect "$path answers" is_swiftlet "$path"
done
expect "swiftletctl runs" inside swiftletctl version
expect "swiftletctl has its manual" inside man --where swiftletctl swiftlet swiftlet-conf
expect "bash completes it" inside bash -c '
  . /usr/share/bash-completion/completions/swiftletctl
  COMP_WORDS=(swiftletctl "") COMP_CWORD=1 COMP_LINE="swiftletctl " COMP_POINT=12
  _swiftletctl swiftletctl "" swiftletctl
  [[ " ${COMPREPLY[*]} " == *" netns "* ]]'
expect "nothing of it is in /etc" test -z "$(comm -13 "$work/before" <(files) | grep '^/etc')"
expect "the reference plugins are untouched" holds containernetworking-plugins
expect "they answer" is_theirs /usr/lib/cni/bridge
expect "dpkg finds its files whole" holds swiftlet

calling /usr/lib/cni/swiftlet
expect "it upgrades" install "/tmp/${plugin[1]}"
expect "it installs over itself" install "/tmp/${plugin[1]}"
expect "it downgrades" install "/tmp/${plugin[0]}"
hung_up
expect "a runtime is answered all the while" no_complaint

# --- the agent
expect "swiftlet-agent installs" install "/tmp/${agent[0]}"
mkdir -p "$work/root/etc/swiftlet"
echo 'ranges: [{cidr: 10.244.0.0/16}]' >"$work/root/etc/swiftlet/agent.yaml"
expect "it reads its configuration" inside swiftlet-agent --check-config
rm -r "$work/root/etc/swiftlet"
expect "it goes" remove --purge swiftlet-agent

# --- in the place of the reference plugins
calling /usr/lib/cni/bridge
expect "swiftlet-drop-in installs" install "/tmp/${drop_in[0]}"
hung_up
expect "a runtime is answered all the while" no_complaint
for path in /usr/lib/cni/bridge /opt/cni/bin/bridge /usr/lib/cni/loopback /opt/cni/bin/vrf; do
  expect "$path is swiftlet's" is_swiftlet "$path"
done
expect "the reference plugins stay beside it" is_theirs /usr/lib/cni/bridge.diverted

# Another package with the same files, such as kubernetes-cni, comes later.
mkdir -p "$work/other/opt/cni/bin" "$work/other/usr/share/doc/other-cni" "$work/other/DEBIAN"
touch "$work/other/usr/share/doc/other-cni/README" # dpkg drops a package all of whose files are another's as well
printf '#!/bin/sh\necho theirs\n' >"$work/other/opt/cni/bin/bridge"
chmod 0755 "$work/other/opt/cni/bin/bridge"
printf 'Package: other-cni\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <root@localhost>\nDescription: other plugins\n' \
  >"$work/other/DEBIAN/control"
dpkg-deb --build "$work/other" "$work/root/tmp" >"$work/log"
expect "another package with the same files installs" install /tmp/other-cni_1_all.deb
expect "bridge is still swiftlet's" is_swiftlet /opt/cni/bin/bridge

expect "both upgrade" install "/tmp/${plugin[1]}" "/tmp/${drop_in[1]}"
expect "bridge is still swiftlet's" is_swiftlet /usr/lib/cni/bridge

calling /usr/lib/cni/vrf
expect "swiftlet-drop-in goes" remove --remove swiftlet-drop-in
hung_up
# dpkg takes a package's files away before its script can put others in their place.
gap=$(awk '/^no answer/ { if (!first) first = $4; last = $4 } END { printf "%d", (last - first) * 1000 }' "$work/missed")
echo "note: a runtime was not answered for $gap ms"
expect "a runtime is not answered for a moment only" test "$gap" -lt 5000
expect "the reference plugins are back" is_theirs /usr/lib/cni/bridge
expect "and whole" holds containernetworking-plugins
expect "the other package's bridge is there" test "$(inside /opt/cni/bin/bridge)" = theirs
expect "the other package goes" remove --purge other-cni

# --- an installation that does not come to its end
expect_not "swiftlet-drop-in does not install without its swiftlet" install "/tmp/${drop_in[0]}"
expect "it goes" remove --purge swiftlet-drop-in
mkdir -p "$work/root/opt/cni/bin/tuning/in-the-way"
expect_not "swiftlet-drop-in does not install over a directory" install "/tmp/${drop_in[1]}"
expect "the reference plugins are as they were" is_theirs /usr/lib/cni/tuning
expect "under one name" inside test ! -e /usr/lib/cni/tuning.diverted
rm -r "$work/root/opt/cni/bin/tuning"

# --- and away
ln -s /lib/systemd/system/swiftlet-dhcp.service "$work/root/etc/systemd/system/multi-user.target.wants/" # systemctl enable
# A runtime that was told to look here, as docs say.
made=()
for directory in containers containers/containers.conf.d cni cni/net.d; do
  [[ -d $work/root/etc/$directory ]] || { mkdir "$work/root/etc/$directory"; made=("$work/root/etc/$directory" "${made[@]}"); }
done
printf '[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = [\n  "/usr/lib/swiftlet", # ours\n]\n' \
  >"$work/root/etc/containers/containers.conf.d/90-swiftlet-test.conf"
printf '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "swiftlet"}]}' >"$work/root/etc/cni/net.d/90-swiftlet-test.conflist"
expect "it goes" remove --remove swiftlet
expect "whoever has podman look there is told" grep -q \
  '90-swiftlet-test.conf has its runtime look for network plugins in /usr/lib/swiftlet, where no bridge is' "$work/log"
expect "whoever has a network of it is told" grep -q '90-swiftlet-test.conflist names the plugin swiftlet, which is gone' "$work/log"
rm "$work/root/etc/containers/containers.conf.d/90-swiftlet-test.conf" "$work/root/etc/cni/net.d/90-swiftlet-test.conflist"
[[ ${#made[@]} -eq 0 ]] || rmdir "${made[@]}"
expect "it installs again" install "/tmp/${plugin[0]}"
expect "it goes" remove --remove swiftlet
expect_not "nobody is told what does not matter to them" grep -q 90-swiftlet-test "$work/log"
expect "it is purged" remove --purge swiftlet swiftlet-drop-in
expect "nothing is left" diff "$work/before" <(files)
expect "no diversion is left" test -z "$(inside dpkg-divert --list '*cni*')"
