import ContainerRuntime
import Testing

/// Plugins that do what they must not.
@Suite struct MisbehaviourTests {
    func add(_ script: String, timeout: Duration = .seconds(20)) throws -> AddResult {
        let scripts = try Scripts(["p": script])
        return try scripts.runtime(timeout: timeout).add(network(["p"]), pod)
    }

    @Test func missing() throws {
        let error = #expect(throws: RuntimeError.self) { _ = try Scripts([:]).runtime().add(network(["p"]), pod) }
        guard case .pluginNotFound("p", _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(arguments: ["../p", "", "/bin/sh"]) func aTypeIsNoPath(_ type: String) throws {
        var list = try network(["p"])
        list.plugins[0] = ["type": .string(type)]
        #expect(throws: RuntimeError.self) { _ = try Scripts(["p": "exit 0"]).runtime().add(list, pod) }
    }

    @Test(arguments: ["echo garbage", "true", "echo '[]'", "echo '{}{}'"]) func garbageAfterSuccess(_ script: String)
        throws
    {
        let error = #expect(throws: RuntimeError.self) { _ = try add(script) }
        guard case .undecodableOutput(let run) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(run.outcome.exit == .code(0))
    }

    @Test func garbageAfterFailure() throws {
        let error = #expect(throws: PluginError.self) { _ = try add("echo oh; echo dear >&2; exit 3") }
        #expect(error?.code == nil && error?.details == "oh")
        #expect(error?.run.outcome.exit == .code(3))
        #expect(error?.run.outcome.stderr == Array("dear\n".utf8))
    }

    @Test func silentFailure() throws {
        let error = #expect(throws: PluginError.self) { _ = try add("echo why >&2; exit 3") }
        #expect(error?.description == "p ADD: exit code 3, and nothing on stdout: why")
    }

    @Test func killed() throws {
        let error = #expect(throws: PluginError.self) { _ = try add("kill -9 $$") }
        #expect(error?.run.outcome.exit == .signal(9))
        #expect(error?.msg == "killed by signal 9 (Killed), and nothing on stdout")
    }

    @Test func notExecutable() throws {
        let scripts = try Scripts(["p": "exit 0"])
        #expect(chmodFile(scripts.directory + "/p", 0o644) == 0)
        #expect(throws: RuntimeError.self) { _ = try scripts.runtime().add(network(["p"]), pod) }
    }

    @Test func neverEnding() throws {
        let error = #expect(throws: RuntimeError.self) { _ = try add("exec sleep 60", timeout: .milliseconds(200)) }
        guard case .timedOut = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func muchInMuchOut() throws {
        let scripts = try Scripts([
            // Reads nothing at all, and fills both pipes beyond their size.
            "deaf":
                #"head -c 300000 /dev/zero | tr '\0' x >&2; printf '{"a":"'; head -c 300000 /dev/zero | tr '\0' y; printf '"}'"#,
            "echo": #"printf '{"bytes":%s}' $(wc -c)"#,
        ])
        var list = try network(["deaf", "echo"])
        list.plugins[1] = ["type": "echo", "padding": .string(String(repeating: "z", count: 500_000))]
        let added = try scripts.runtime().add(list, pod)
        #expect(added.runs[0].outcome.stderr.count == 300000)
        #expect(added.result["bytes"]?.integer == Int64(scripts.runs[1].stdin.count))
    }

    @Test func whatItCostIsMeasured() throws {
        let added = try add(#"i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.1; echo '{}'"#)
        let outcome = added.runs[0].outcome
        #expect(outcome.wall >= .milliseconds(100))
        #expect(outcome.user + outcome.system > .zero && outcome.user + outcome.system < outcome.wall)
        #expect(outcome.maxResidentKiB > 0)
    }

    @Test func theLauncherComesFirst() throws {
        let scripts = try Scripts(["p": #"echo "{\"by\":\"$WHO\"}""#])
        var runtime = scripts.runtime()
        runtime.launcher.prefix = ["env", "WHO=launcher"]
        #expect(try runtime.add(network(["p"]), pod).result["by"] == "launcher")
    }
}
