#!/usr/bin/env bash
# Writes a container image of nothing but Debian's static busybox, as a docker-archive, which `ctr images import` and
# `podman load` both take: the tests need a container, and no registry.
# usage: Tests/Clients/busybox-image.sh NAME[:TAG] OUT.tar        (without a command of its own, it sleeps)
set -euo pipefail

[[ $# -eq 2 ]] || { echo "usage: $0 NAME[:TAG] OUT.tar" >&2; exit 2; }
image=$1
out=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work"/root/{bin,dev,etc,proc,sys,tmp}
cp "$(command -v busybox)" "$work/root/bin/busybox"
for applet in sh cat echo httpd ip nc ping printf sleep timeout touch; do
  ln -s busybox "$work/root/bin/$applet"
done
tar -C "$work/root" --numeric-owner --owner=0 --group=0 -cf "$work/layer.tar" .
digest=$(sha256sum "$work/layer.tar")

cat >"$work/config.json" <<JSON
{"architecture": "$(dpkg --print-architecture)", "os": "linux",
 "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sleep", "86400"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:${digest%% *}"]}}
JSON
cat >"$work/manifest.json" <<JSON
[{"Config": "config.json", "RepoTags": ["$image"], "Layers": ["layer.tar"]}]
JSON
tar -C "$work" -cf "$out" manifest.json config.json layer.tar
