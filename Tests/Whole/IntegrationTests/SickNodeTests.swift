import ContainerRuntime
import Foundation
import Testing

/// Whatever an operator meets on a node: `swiftletctl doctor` names its cause, its advice mends it when it is typed as it stands, and
/// `swiftletctl check` does not call a pod right that is cut off.
@Suite(.realKernel) struct SickNodeTests {
    @Test(arguments: SickNode.all) func theCauseIsNamedAndTheAdviceMends(_ fault: SickNode) throws {
        let scene = try DoctorScene(pods: fault.pods, fault.configuration, hostPorts: fault.hostPorts)
        let pod = scene.pods[fault.victim]
        try fault.harm(scene)
        let wrapper = try fault.wrapper?(scene) ?? []
        let answer = try scene.examine("--skip", "configuration-shadowed", wrapper: wrapper)
        let found = answer.names(atLeast: ["note", "warning", "problem"])
        #expect(found.contains(fault.named), "\(answer.findings)")
        #expect(found.subtracting(fault.besides) == [fault.named], "\(answer.findings)")
        let texts = answer.findings.filter { $0["name"]?.string == fault.named }.compactMap { $0["text"]?.string }
        #expect(texts.contains { $0.contains(fault.says) }, "\(answer.findings)")
        // Notes are nobody's fault.
        let isNote = answer.findings.allSatisfy { $0["severity"] == "note" }
        #expect(answer.exit == .code(isNote ? 0 : 1), "\(answer.exit)")
        if fault.cutsOff {
            let check = try scene.check(pod)
            #expect(check.exit == .code(1) && !check.text.contains("all is right"), "\(check.text)\(check.errorText)")
        }
        guard fault.wrapper == nil else { return try scene.expectHealthy("mended") }
        if let mend = fault.mend {
            // A command that is given mends its part, and is no error.
            try scene.type(answer.commands)
            try mend(scene)
        } else {
            #expect(!answer.commands.isEmpty, "\(answer.findings)")
            try scene.type(answer.commands)
        }
        try scene.expectHealthy("mended")
        let check = try scene.check(scene.pods[fault.victim])
        #expect(fault.endsPod || check.exit.isSuccess, "\(check.text)\(check.errorText)")
    }

    /// Everything that the table's nodes have before they fall sick.
    @Test func nothingIsSaidOfAHealthyNode() throws {
        let scene = try DoctorScene(pods: 3, SickNode.everything, hostPorts: true)
        let answer = try scene.examine()
        #expect(answer.findings == [] && answer.exit == .code(0), "\(answer.findings) \(answer.errors)")
        for pod in scene.pods {
            let check = try scene.check(pod)
            #expect(check.exit.isSuccess && check.text.hasSuffix("all is right\n"), "\(check.text)\(check.errorText)")
        }
        let all = try scene.ctl("check", "--all")
        #expect(all.exit.isSuccess && all.text == "all is right\n", "\(all.text)\(all.errorText)")
    }

    /// As often as one looks. A permanent neighbour stays permanent, and nobody learns one.
    @Test func lookingChangesNothing() throws {
        let scene = try DoctorScene(pods: 2, SickNode.everything, hostPorts: true)
        let pod = scene.pods[0]
        try pod.set("neigh", "replace", "10.44.0.1", "lladdr", "02:00:00:00:00:77", "dev", "eth0", "nud", "permanent")
        func state() throws -> String {
            try pod.exec("sh", "-c", "ip -4 neigh; ip route; ip -6 route show default; ip addr")
                + scene.node.exec("sh", "-c", "ip -4 neigh show dev cbr0; ip route; ip -6 route; nft -s list ruleset")
        }
        let before = try state()
        for command in [["check", pod.id], ["check", "--all"], ["status"], ["graph"], ["doctor"]] {
            _ = try scene.ctl(command[0], Array(command.dropFirst()))
            #expect(try state() == before, "\(command)")
        }
    }

    @Test func oneCauseIsOneFinding() throws {
        let scene = try DoctorScene(pods: 6, SickNode.everything, hostPorts: true)
        try scene.node.exec("nft", "flush", "ruleset")
        let answer = try scene.expect(["rules-damaged"])
        #expect(answer.findings.count == 1, "\(answer.findings)")
        #expect(answer.findings.first?["text"]?.string?.contains("those of 6 pods") == true, "\(answer.findings)")
        let fixed = try scene.examine("--fix", "--yes")
        #expect(fixed.errors.contains("done: put back the packet rules"), "\(fixed.errors)")
        #expect(fixed.errors.contains("looked again: nothing is left"), "\(fixed.errors)")
        try scene.expectHealthy()
    }

    @Test func whatIsLostIsNotShownAsIfItWorked() throws {
        let scene = try DoctorScene(pods: 1, SickNode.everything, hostPorts: true)
        let before = try scene.ctl("status").text
        #expect(
            before.contains("8080→80/tcp") && before.contains("masquerade") && !before.contains("lost"), "\(before)")
        #expect(before.contains("same-bridge") && !before.contains("isolated"), "\(before)")
        try scene.node.exec("nft", "flush", "ruleset")
        try scene.node.set("link", "set", "cbr0", "down")
        let after = try scene.ctl("status").text
        #expect(after.contains("8080→80/tcp") && after.contains("(lost)"), "\(after)")
        #expect(after.contains("masquerade (lost)") && after.contains("bridge cbr0 (down)"), "\(after)")
        let graph = try scene.ctl("graph", ["--format", "dot"]).text
        #expect(graph.contains("bridge cbr0, down") && graph.contains("(lost)"), "\(graph)")
    }

    /// In a /run/netns of its own: whatever else is on the machine is nobody's business here.
    @Test func whatAKilledEngineHasLeftIsToldAndRemovedOnlyOnRequest() throws {
        let scene = try DoctorScene(pods: 0)
        let script = """
            set -e
            mount -t tmpfs none /run/netns
            ctl() { \(Requirements.bin)/swiftletctl "$@" --conf-dir "$0/conf" --data-dir "$0/networks"; }
            ip netns add cni-0a1b2c3d-1111-2222-3333-444455556666
            ip netns add netns-0a1b2c3d-1111-2222-3333-444455556666
            ip netns add 0a1b2c3d-1111-2222-3333-444455556666
            ip netns add web
            ip netns add cni-0a1b2c3d-1111-2222-3333-444455557777
            ip -n cni-0a1b2c3d-1111-2222-3333-444455557777 link add name a type bridge
            ctl doctor --only empty-namespaces --older-than 0; ctl status; ctl gc --older-than 0; ls /run/netns | wc -l
            ctl gc --empty-namespaces --older-than 3600; ls /run/netns | wc -l
            ctl gc --empty-namespaces --older-than 0; ls /run/netns
            for name in $(ls /run/netns); do ip netns del $name; done
            """
        let text = try scene.node.exec("unshare", "--mount", "sh", "-c", script, scene.node.directory)
        for runtime in ["CRI-O", "containerd", "podman"] {
            #expect(text.contains("note    empty-namespaces: \(runtime)\n        1 network namespace"), "\(text)")
            #expect(text.contains("1 empty network namespace with names that \(runtime) gives"), "\(text)")
        }
        #expect(text.contains("nothing to free\n5\nnothing to free\n5\n"), "\(text)")
        #expect(text.hasSuffix("empty network namespaces\ncni-0a1b2c3d-1111-2222-3333-444455557777\nweb\n"), "\(text)")
    }
}
