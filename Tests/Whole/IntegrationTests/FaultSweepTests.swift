import ContainerRuntime
import Foundation
import Testing

/// A harness that finds nothing says something only if it finds what is there.
@Suite(.realKernel) struct FaultSweepTests {
    /// What a sweep finds of a plugin that is `swiftlet` with something wrong about it.
    func findings(_ script: String, _ operation: FaultScene.Operation, _ fault: Fault, every step: Int) throws -> String
    {
        let home = try Node()
        let plugins = try home.script(
            "swiftlet", "input=$(cat); real() { printf %s \"$input\" | \(Requirements.bin)/swiftlet; }\n" + script)
        var sweep = FaultSweep(
            setting: .bridge(.alone), plugin: 0, name: "script", operation: operation, fault: fault, remedy: .del)
        sweep.plugins = [plugins]
        return try sweep.run(every: step).joined(separator: "\n")
    }

    @Test func aLinkIsLeftByAPluginThatRemovesItOnlyWhenItKnowsTheResult() throws {
        let script = """
            case $CNI_COMMAND in
            ADD) ip link add leak type veth peer name leaked ;;
            DEL) case $input in *prevResult*) ip link del leak ;; esac ;;
            esac
            real
            """
        #expect(
            try findings(script, .add, .kill, every: 97).contains(/killed at [0-9]+ .*: left .*node link [0-9]+: leak@/)
        )
    }

    @Test func aTemporaryFileAnElementAndARuleAreLeftByAPluginThatTidiesUpAfterSuccessOnly() throws {
        let script = """
            case $CNI_COMMAND in ADD) ;; *) real; exit ;; esac
            data=$(printf %s "$input" | sed -n 's/.*"dataDir":"\\([^"]*\\)".*/\\1/p')
            mkdir -p "$data" && touch "$data/.temporary" && ip rule add priority 77 lookup 77
            nft "add table ip leak; add set ip leak s { type inet_service; elements = { 80 }; }"
            real && rm "$data/.temporary" && ip rule del priority 77 && nft delete table ip leak
            """
        let found = try findings(script, .add, .error(.EIO), every: 61)
        for line in ["file .temporary", "rule", "elements = { 80 }"] {
            #expect(found.contains(line), "\(line) in \(found)")
        }
    }

    @Test func aSuccessThatIsNoneIsFound() throws {
        let script = """
            [ "$CNI_COMMAND" = ADD ] || { real; exit; }
            real || { echo '{"cniVersion":"1.1.0","ips":[]}'; exit 0; }
            """
        #expect(try findings(script, .add, .error(.EIO), every: 31).contains("a result without 2 addresses"))
    }

    @Test func anErrorThatIsNoneIsFound() throws {
        let script = #"out=$(real) || { echo oops; exit 1; }; printf %s "$out""#
        #expect(try findings(script, .add, .error(.EIO), every: 13).contains("it said: oops"))
    }

    @Test func aPluginThatHangsIsEndedAndNamed() throws {
        let node = try Node()
        var injector = FaultInjector(node)
        injector.limitSeconds = 1
        let outcome = try Launcher(prefix: injector.watching).run(
            "/bin/sh", arguments: ["-c", "read line; sleep 60"], environment: ["PATH": "/usr/bin:/bin"])
        #expect(outcome.exit == FaultInjector.hangs)
        #expect(try injector.calls().last?.name == "clock_nanosleep")
    }
}
