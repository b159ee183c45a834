# shellcheck shell=bash
# shellcheck disable=SC2154  # node.sh says where things are
# Sourced after node.sh, by those who use podman in a node of their own.

# configure_podman BIN_DIR : storage, state and locks of its own. crun refuses this machine's kind of control groups, and a
# root without CAP_SYS_RESOURCE cannot raise limits.
configure_podman() {
  mount -t tmpfs tmpfs /dev/shm
  cat >"$work/containers.conf" <<TOML
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "cni"
cni_plugin_dirs = ["$1"]
network_config_dir = "/etc/cni/net.d"
TOML
  cat >"$work/storage.conf" <<TOML
[storage]
driver = "vfs"
graphroot = "$work/storage"
runroot = "$work/runroot"
TOML
  export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
}

podman() { in_netns "$node" timeout -k 1 60 podman "$@" </dev/null; }
