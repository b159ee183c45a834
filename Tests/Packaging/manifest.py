#!/usr/bin/env python3
"""Reads packaging/kubernetes/swiftlet.yaml as a server would, refuses what it would, and says how to run its container.

    manifest.py FILE check VERSION       complains about what is wrong with it
    manifest.py FILE settings OUT_DIR    writes what the ConfigMap's volume holds
    manifest.py FILE podman HOST         podman run's options for the container, a line each, with HOST as the node's root
"""
import json
import pathlib
import sys

import yaml

# The fields of the API (core/v1, apps/v1) that may stand in each object here: strict decoding refuses others.
FIELDS = {
    "ConfigMap": "apiVersion kind metadata data binaryData immutable",
    "DaemonSet": "apiVersion kind metadata spec",
    "metadata": "name namespace labels annotations",
    "spec": "selector template updateStrategy minReadySeconds revisionHistoryLimit",
    "template": "metadata spec",
    "pod": "hostNetwork dnsPolicy priorityClassName tolerations nodeSelector affinity automountServiceAccountToken"
    " terminationGracePeriodSeconds initContainers containers volumes securityContext serviceAccountName",
    "container": "name image imagePullPolicy command args env resources securityContext volumeMounts readinessProbe"
    " livenessProbe startupProbe lifecycle",
    "securityContext": "runAsUser runAsGroup runAsNonRoot privileged allowPrivilegeEscalation readOnlyRootFilesystem"
    " capabilities seccompProfile seLinuxOptions",
    "volume": "name hostPath configMap emptyDir",
    "mount": "name mountPath subPath readOnly",
    "toleration": "key operator value effect tolerationSeconds",
    "probe": "exec httpGet tcpSocket periodSeconds timeoutSeconds initialDelaySeconds failureThreshold",
}
REQUIRED = {"metadata": "name namespace", "spec": "selector template", "pod": "containers", "container": "name image",
            "volume": "name", "mount": "name mountPath"}
complaints = []


def complain(what):
    complaints.append(what)


def fields(kind, thing, where):
    for key in thing.keys() - set(FIELDS[kind].split()):
        complain(f"{where}: no field is called {key}")
    for key in set(REQUIRED.get(kind, "").split()) - thing.keys():
        complain(f"{where}: {key} is missing")


def strings(thing, where):
    for key, value in thing.items():
        if not isinstance(value, str):
            complain(f"{where}.{key} is {value!r}, and must be a string")


def check(config, daemons, version):
    for thing in (config, daemons):
        fields(thing["kind"], thing, thing["kind"])
        fields("metadata", thing["metadata"], f"{thing['kind']}.metadata")
        strings(thing["metadata"].get("labels", {}), "labels")
    if (config["apiVersion"], daemons["apiVersion"]) != ("v1", "apps/v1"):
        complain("apiVersion")
    strings(config["data"], "data")
    spec = daemons["spec"]
    fields("spec", spec, "spec")
    fields("template", spec["template"], "template")
    if not spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items():
        complain("the selector does not match the template's labels")
    pod = spec["template"]["spec"]
    fields("pod", pod, "pod")
    for toleration in pod["tolerations"]:
        fields("toleration", toleration, "toleration")
    if {"operator": "Exists"} not in pod["tolerations"]:
        complain("a node with a taint gets no network")
    if not pod["hostNetwork"] or pod["priorityClassName"] != "system-node-critical":
        complain("it must run before there is a pod network, and not be evicted")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for volume in pod["volumes"]:
        fields("volume", volume, "volume")
        if len(volume) != 2:
            complain(f"volume {volume['name']} needs one source")
        if volume.get("configMap", config["metadata"]) != {"name": config["metadata"]["name"]} and "configMap" in volume:
            complain("the ConfigMap is called otherwise")
    for container in pod["containers"]:
        fields("container", container, "container")
        fields("securityContext", container["securityContext"], "securityContext")
        fields("probe", container["readinessProbe"], "readinessProbe")
        for mount in container["volumeMounts"]:
            fields("mount", mount, "mount")
            if mount["name"] not in volumes:
                complain(f"mount {mount['name']} has no volume")
        if {mount["name"] for mount in container["volumeMounts"]} != volumes.keys():
            complain("a volume is not mounted")
        for variable in container["env"]:
            if "value" in variable:
                strings({variable["name"]: variable["value"]}, "env")
        if container["image"].rpartition(":")[2] != version:
            complain(f"the image is {container['image']}, and this is version {version}")
        context = container["securityContext"]
        if context["privileged"] or context["allowPrivilegeEscalation"] or context["capabilities"] != {"drop": ["ALL"]}:
            complain("the container has privileges that it does not need")
        if not {"cpu", "memory"} <= container["resources"]["requests"].keys():
            complain("resources are not requested")
    conflists = [name for name in config["data"] if name.endswith(".conflist")]
    for name in conflists:
        if not json.loads(config["data"][name])["plugins"]:
            complain(f"{name} has no plugins")
    if not conflists:
        complain("there is no configuration")


def podman(pod, host):
    container, = pod["containers"]
    options = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=host"]
    for variable in container["env"]:
        value = variable.get("value", "node-1")
        options.append(f"--env={variable['name']}={value}")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "emptyDir" in volume:
            options.append(f"--tmpfs={mount['mountPath']}")
            continue
        path = host + "/settings" if "configMap" in volume else host + volume["hostPath"]["path"]
        options.append(f"--volume={path}:{mount['mountPath']}" + (":ro" if mount.get("readOnly") else ""))
    return options


path, action, argument = sys.argv[1:]
config, daemons = yaml.safe_load_all(pathlib.Path(path).read_text())
if action == "check":
    check(config, daemons, argument)
    print("\n".join(complaints))
    sys.exit(1 if complaints else 0)
elif action == "settings":
    for name, text in config["data"].items():
        pathlib.Path(argument, name).write_text(text)
elif action == "podman":
    print("\n".join(podman(daemons["spec"]["template"]["spec"], argument)))
