import Foundation
import Synchronization
import Testing

@testable import CNI

// begin: test
/// Runs a call with everything made up.
func run(_ plugin: any Plugin, _ environment: [String], _ input: String) -> (status: Int32, output: String) {
    let output = Mutex("")
    let status = Dispatcher([PluginEntry("address-file", plugin)]).run(
        as: "address-file", Environment(environment),
        Dispatcher.Streams(
            read: { Array(input.utf8) },
            write: { text in output.withLock { $0 += String(decoding: text, as: UTF8.self) } },
            log: { _ in }))
    return (status, output.withLock { $0 })
}

@Test func addressesAreInTheFileUntilDel() throws {
    let directory = NSTemporaryDirectory() + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let pod = ["CNI_CONTAINERID=pod-1", "CNI_NETNS=/run/netns/pod-1", "CNI_IFNAME=eth0"]
    let input = """
        {"cniVersion": "1.1.0", "name": "net", "type": "address-file", "directory": "\(directory)",
         "prevResult": {"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.5/16"}]}}
        """
    let added = run(AddressFile(), ["CNI_COMMAND=ADD"] + pod, input)
    #expect(added.status == 0)
    #expect(added.output.contains("10.1.0.5/16"))
    #expect(try String(contentsOfFile: "\(directory)/net/pod-1:eth0", encoding: .utf8) == "10.1.0.5/16\n")

    #expect(run(AddressFile(), ["CNI_COMMAND=CHECK"] + pod, input).status == 0)
    #expect(run(AddressFile(), ["CNI_COMMAND=DEL"] + pod, input) == (0, ""))
    #expect(run(AddressFile(), ["CNI_COMMAND=DEL"] + pod, input) == (0, ""))
    #expect(run(AddressFile(), ["CNI_COMMAND=CHECK"] + pod, input).output.contains("\"code\": 104"))
}
// end: test

@Suite struct ExamplePluginTests {
    private let pod = [
        "CNI_CONTAINERID=pod-1", "CNI_NETNS=/run/netns/pod-1", "CNI_IFNAME=eth0", "CNI_PATH=/nonexistent",
    ]

    private func input(_ directory: String, _ more: String = "") -> String {
        #"{"cniVersion":"1.1.0","name":"net","type":"address-file","directory":"\#(directory)"\#(more)}"#
    }

    @Test func theExampleCollectsItsGarbageAndKeepsTheRest() throws {
        let scripts = try Scripts()
        let folder = scripts.directory + "/net"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for name in ["pod-1:eth0", "pod-2:eth0", "pod-1:net1"] {
            try Data().write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
        let valid = #","cni.dev/valid-attachments":[{"containerID":"pod-1","ifname":"eth0"}]"#
        #expect(run(AddressFile(), ["CNI_COMMAND=GC"] + pod, input(scripts.directory, valid)) == (0, ""))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["pod-1:eth0"])
        #expect(run(AddressFile(), ["CNI_COMMAND=GC"] + pod, input("/nonexistent", valid)).status == 0)
        #expect(run(AddressFile(), ["CNI_COMMAND=GC"] + pod, input(scripts.directory)).status == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["pod-1:eth0"])
    }

    @Test func theExampleReportsWhatIsWrong() throws {
        let scripts = try Scripts()
        #expect(run(AddressFile(), ["CNI_COMMAND=STATUS"], input(scripts.directory)).status == 0)
        #expect(run(AddressFile(), ["CNI_COMMAND=STATUS"], input("/nonexistent")).output.contains("\"code\": 50"))
        #expect(run(AddressFile(), ["CNI_COMMAND=ADD"] + pod, input(scripts.directory)).output.contains("\"code\": 7"))
        let previous = #","prevResult":{"ips":[{"address":"10.1.0.5/16"}]}"#
        let failed = run(AddressFile(), ["CNI_COMMAND=ADD"] + pod, input("/proc/nowhere", previous))
        #expect(failed.output.contains("\"code\": 101"))
    }

    @Test func theDelegatingExampleAddsItsServerAndUndoesWhatItCannotFinish() throws {
        let scripts = try Scripts([
            "inner": """
            echo $CNI_COMMAND >>"$HERE/calls"
            cat >/dev/null
            [ $CNI_COMMAND != ADD ] || echo '{"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/16"}]}'
            """
        ])
        let path = ["CNI_PATH": scripts.directory]
        let ipam = #","ipam":{"type":"inner"}"#
        let added = call(NameServer(), "ADD", path, configuration(.latest, ipam))
        #expect(added["dns"] == ["nameservers": ["10.0.0.53"]])
        let failed = call(NameServer(), "ADD", path, configuration(.latest, ipam + #","server":7"#))
        #expect(failed.error?.code == .decodingFailure)
        for command in ["DEL", "CHECK", "GC", "STATUS"] {
            #expect(call(NameServer(), command, path, configuration(.latest, ipam)).status == 0)
        }
        #expect(scripts.file("calls") == "ADD\nADD\nDEL\nDEL\nCHECK\nGC\nSTATUS\n")
    }
}
