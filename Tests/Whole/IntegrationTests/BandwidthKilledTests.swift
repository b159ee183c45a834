import ContainerRuntime
import Foundation
import Testing

/// ADD and DEL of a limited pod may be killed anywhere: the next DEL or GC leaves no ifb.
@Suite(.realKernel) struct BandwidthKilledTests {
    @Test(arguments: [LimitedBy.chain, .alone], [Command.add, .del])
    func nothingIsLeft(_ way: LimitedBy, _ command: Command) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try way.network(node, limits(megabits: 50))
        let (runtime, strace, last) = (node.runtime(), Strace(node), list.plugins[list.plugins.count - 1])
        var result: JSONValue?
        func prepare() throws {
            if command == .del {
                _ = try runtime.add(list, pod.attachment)
            } else {
                result = nil
                for plugin in list.plugins.dropLast() {
                    result = try runtime.run(.add, plugin, in: list, pod.attachment, prevResult: result).outcome.json
                }
            }
        }
        func perform(_ wrapper: [String]) throws {
            _ = try node.runtime(wrapper: wrapper).run(command, last, in: list, pod.attachment, prevResult: result)
        }
        func clean(byGC: Bool) throws {
            if byGC { return _ = try runtime.gc(list, valid: []) }
            for plugin in list.plugins.reversed() {
                _ = try runtime.run(.del, plugin, in: list, pod.with(netns: .some("")))
            }
        }
        try prepare()
        try perform(strace.tracing("sendto"))
        let count = try strace.count("sendto")
        try clean(byGC: false)
        try #require(count > 1)
        var killed = 0
        for number in 1...count {
            try prepare()
            do { try perform(strace.killing(at: "sendto", number)) } catch let error as PluginError {
                #expect(error.code == nil, "not killed, but: \(error)")
                killed += 1
            }
            let byGC = number % 2 == 0
            try clean(byGC: byGC)
            #expect(
                try node.shaping() + node.veths() == [], "sendto \(number) of \(count), then \(byGC ? "GC" : "DEL")")
        }
        #expect(killed > 1)
    }
}
