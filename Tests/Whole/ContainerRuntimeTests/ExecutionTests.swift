import ContainerRuntime
import Testing

@Suite struct ExecutionTests {
    @Test func addHandsEachResultToTheNextPlugin() throws {
        let scripts = try Scripts(["a": wellBehaved("a"), "b": wellBehaved("b")])
        let added = try scripts.runtime().add(network(["a", "b"]), pod)
        #expect(added.result["by"] == "b")
        #expect(added.runs.count == 2)
        #expect(try scripts.stdin(0)["prevResult"] == nil)
        #expect(try scripts.stdin(1)["prevResult"]?["by"] == "a")
    }

    @Test func theRequestIsDerivedAsTheSpecSays() throws {
        let scripts = try Scripts(["a": wellBehaved("a")])
        _ = try scripts.runtime().add(network(["a"]), pod)
        #expect(
            try scripts.stdin(0) == [
                "cniVersion": "1.1.0", "name": "net", "type": "a", "key": "a",
                "runtimeConfig": ["mac": "02:00:00:00:00:01"],  // declared true; the rest is not
            ])
        var environment = scripts.runs[0].environment
        environment["PATH"] = nil
        #expect(
            environment == [
                "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "pod-1", "CNI_NETNS": "/run/netns/pod-1", "CNI_IFNAME": "eth0",
                "CNI_ARGS": "A=1;B=2", "CNI_PATH": "/nonexistent:\(scripts.directory)",
            ])
    }

    @Test func delGoesBackwardsWithTheFinalResultAndForgetsIt() throws {
        let scripts = try Scripts(["a": wellBehaved("a"), "b": wellBehaved("b")])
        let runtime = scripts.runtime()
        let list = try network(["a", "b"])
        _ = try runtime.add(list, pod)
        try runtime.del(list, pod)
        #expect(scripts.calls == ["ADD a", "ADD b", "DEL b", "DEL a"])
        #expect(try scripts.stdin(2)["prevResult"]?["by"] == "b")
        #expect(try scripts.stdin(3)["prevResult"]?["by"] == "b")
        try runtime.del(list, pod)
        #expect(try scripts.stdin(4)["prevResult"] == nil)
    }

    @Test func aFailedDelKeepsTheResult() throws {
        let scripts = try Scripts(["a": failing("DEL")])
        let runtime = scripts.runtime()
        let list = try network(["a"])
        _ = try runtime.add(list, pod)
        #expect(throws: PluginError.self) { try runtime.del(list, pod) }
        try runtime.check(list, pod)
    }

    @Test func aFailedAddStopsAndUndoesNothing() throws {
        let scripts = try Scripts(["a": wellBehaved("a"), "b": failing("ADD"), "c": wellBehaved("c")])
        let runtime = scripts.runtime()
        let list = try network(["a", "b", "c"])
        let error = #expect(throws: PluginError.self) { _ = try runtime.add(list, pod) }
        #expect(error?.plugin == "b" && error?.code == 11 && error?.msg == "later" && error?.details == "busy")
        #expect(error?.cniVersion == "1.1.0")
        #expect(scripts.calls == ["ADD a", "ADD b"])
    }

    @Test func addOrUndoRunsDelOfTheWholeList() throws {
        let scripts = try Scripts(["a": wellBehaved("a"), "b": failing("ADD"), "c": wellBehaved("c")])
        #expect(throws: PluginError.self) { _ = try scripts.runtime().addOrUndo(network(["a", "b", "c"]), pod) }
        #expect(scripts.calls == ["ADD a", "ADD b", "DEL c", "DEL b", "DEL a"])
    }

    @Test func checkNeedsAResultUnlessItIsDisabled() throws {
        let scripts = try Scripts(["a": wellBehaved("a")])
        let runtime = scripts.runtime()
        #expect(throws: RuntimeError.self) { try runtime.check(network(["a"]), pod) }
        try runtime.check(network(["a"], #","disableCheck":true"#), pod)
        #expect(scripts.calls == [])
        try runtime.check(network(["a"]), pod, prevResult: ["by": "hand"])
        #expect(try scripts.stdin(0)["prevResult"]?["by"] == "hand")
    }

    @Test func gcTellsEveryPluginAndGoesOnPastErrors() throws {
        let scripts = try Scripts(["a": failing("GC"), "b": failing("GC"), "c": wellBehaved("c")])
        let runtime = scripts.runtime()
        let error = #expect(throws: RuntimeError.self) {
            try runtime.gc(network(["a", "b", "c"]), valid: [ValidAttachment(containerID: "x", ifname: "eth0")])
        }
        guard case .several(let errors) = error else {
            Issue.record("not all errors: \(String(describing: error))")
            return
        }
        #expect(errors.count == 2)
        #expect(scripts.calls == ["GC a", "GC b", "GC c"])
        for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
            #expect(try scripts.stdin(2)[key] == [["containerID": "x", "ifname": "eth0"]])
        }
        #expect(scripts.runs[2].environment["CNI_CONTAINERID"] == nil)
    }

    @Test func gcAndStatusAreLeftOutWhereTheyDoNotExist() throws {
        let scripts = try Scripts(["a": wellBehaved("a")])
        let runtime = scripts.runtime()
        try runtime.gc(network(["a"], #","disableGC":true"#), valid: [])
        var old = try network(["a"])
        old.version = "1.0.0"
        try runtime.gc(old, valid: [])
        try runtime.status(old)
        #expect(scripts.calls == [])
        try runtime.gc(network(["a"]), valid: [])
        #expect(try scripts.stdin(0)["cni.dev/valid-attachments"] == [])
    }

    @Test func statusStopsAtTheFirstThatIsNotReady() throws {
        let scripts = try Scripts(["a": wellBehaved("a"), "b": failing("STATUS"), "c": wellBehaved("c")])
        #expect(throws: PluginError.self) { try scripts.runtime().status(network(["a", "b", "c"])) }
        #expect(scripts.calls == ["STATUS a", "STATUS b"])
    }

    @Test func versionsAreNegotiated() throws {
        let scripts = try Scripts([
            "a": wellBehaved("a"), "old": #"echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}'"#,
        ])
        let runtime = scripts.runtime()
        let list = try network(["a", "old"], #","cniVersions":["0.4.0","1.0.0"]"#)
        #expect(try runtime.negotiate(list).version == "1.0.0")
        #expect(throws: RuntimeError.self) { _ = try runtime.negotiate(network(["a", "old"])) }
    }
}
