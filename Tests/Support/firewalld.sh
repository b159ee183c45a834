#!/bin/bash
# Starts a firewalld with its own system bus for a test, in the caller's network namespace and in a mount namespace
# where /run, firewalld's configuration and /var/log are in memory. Programs that enter the mount namespace find that
# bus at its usual place, and the machine's network namespaces in /run/netns, including later ones.
#   firewalld.sh firewalld      the bus and firewalld
#   firewalld.sh bus            only the bus
# Prints "ready" when they answer. For each line "stop" that it reads, it ends firewalld and prints "stopped". Ends with
# all its processes when its standard input does. `nsenter --mount=/proc/PID/ns/mnt` enters; PID is this script's as
# started.
set -euo pipefail

if [[ ${FIREWALLD_NODE:-} != inside ]]; then
    for command in unshare ip dbus-daemon firewalld firewall-cmd; do
        command -v "$command" >/dev/null || { echo "firewalld.sh: $command is missing: run scripts/setup" >&2; exit 2; }
    done
    # With the first namespace, iproute2 makes this directory a mount point from which namespace mounts propagate.
    if ! mountpoint -q /run/netns; then ip netns add "swt-$$-first" && ip netns del "swt-$$-first"; fi
    # When the first process of a PID namespace ends, the kernel ends all others. /proc remains the machine's, so that
    # processes that enter only the mount namespace find themselves in it. New mounts in /run/netns still propagate here.
    FIREWALLD_NODE=inside exec unshare --mount --propagation slave --pid --fork --kill-child -- "$0" "$@"
fi
unset FIREWALLD_NODE DBUS_SYSTEM_BUS_ADDRESS

# One file system in memory, mounted in three places; no directory is created on the machine for it.
mount -t tmpfs -o mode=755 tmpfs /var/log
mkdir -p /var/log/{run,firewalld.d}
mkdir /var/log/run/{dbus,lock,netns}
cp /etc/firewalld/firewalld.conf /var/log/firewalld.d/
mount --rbind /run/netns /var/log/run/netns
mount --bind /var/log/firewalld.d /etc/firewalld
mount --rbind /var/log/run /run

fail() {
    echo "firewalld.sh: $1" >&2
    tail -n 50 /var/log/*.out >&2
    exit 1
}

# The machine's rules for a system bus, as far as they matter here, and the rules that come with firewalld.
cat >/run/dbus/system.conf <<'END'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>/usr/share/dbus-1/system.d/FirewallD.conf</include>
</busconfig>
END
dbus-daemon --config-file=/run/dbus/system.conf --nofork --nopidfile --nosyslog </dev/null >/var/log/dbus.out 2>&1 &
for ((tries = 0; ; tries++)); do
    if [[ -S /run/dbus/system_bus_socket ]]; then break; fi
    ((tries < 1000)) || fail "the bus does not start"
    sleep 0.01
done

firewalld=
if [[ $1 == firewalld ]]; then
    firewalld --nofork --nopid </dev/null >/var/log/firewalld.out 2>&1 &
    firewalld=$!
    for ((tries = 0; ; tries++)); do
        # Until it has loaded its rules, its name has no owner, or the call waits.
        if state=$(firewall-cmd --state 2>&1) && [[ $state == running ]]; then break; fi
        ((tries < 100)) || fail "firewalld does not start: $state"
        sleep 0.1
    done
fi

echo ready
while read -r command; do
    [[ $command == stop && -n $firewalld ]] || fail "what is $command?"
    kill -TERM "$firewalld"
    wait "$firewalld" || true
    firewalld=
    echo stopped
done
