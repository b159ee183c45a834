import ContainerRuntime
import Foundation
import Testing

/// What `make` builds: one file that runs anywhere, and one for distributions.
@Suite(.realKernel) struct ExecutableTests {
    /// The libraries that the loader has to find, and whether there is a loader.
    func needs(_ executable: String) throws -> (libraries: Set<String>, loader: Bool) {
        let dynamic = try run("readelf", "--wide", "--dynamic", executable)
        let libraries = dynamic.matches(of: /\(NEEDED\).*\[(.*)\]/).map { String($0.1) }
        return (Set(libraries), try run("readelf", "--wide", "--program-headers", executable).contains("INTERP"))
    }

    func requireSystemBuild() throws {
        try #require(
            Requirements.isExecutable(Requirements.systemBin + "/swiftlet"),
            "\(Requirements.systemBin)/swiftlet is missing: run make LINK=system first")
    }

    @Test func thePortableOneNeedsNoLibraryAndNoLoader() throws {
        let (libraries, loader) = try needs(Requirements.bin + "/swiftlet")
        #expect(libraries == [])
        #expect(!loader)
    }

    @Test func theSystemOneNeedsNothingButLibcLibmLibmnlAndJansson() throws {
        try requireSystemBuild()
        // The loader is a part of libc.
        let libraries = try needs(Requirements.systemBin + "/swiftlet").libraries.filter { !$0.hasPrefix("ld-linux") }
        #expect(libraries.isSubset(of: ["libc.so.6", "libm.so.6", "libmnl.so.0", "libjansson.so.4"]), "\(libraries)")
        #expect(libraries.contains("libmnl.so.0") && libraries.contains("libjansson.so.4"))
    }

    @Test func itHasLessThanFiveMegabytes() throws {
        let attributes = try FileManager.default.attributesOfItem(atPath: Requirements.bin + "/swiftlet")
        #expect(try #require(attributes[.size] as? Int) < 5_000_000)
    }

    @Test(arguments: [Requirements.bin, Requirements.systemBin]) func theOtherNamesAreTheSameFile(_ directory: String)
        throws
    {
        if directory == Requirements.systemBin { try requireSystemBuild() }
        func inode(_ name: String) throws -> String {
            try run("stat", "--dereference", "--format=%d %i", "\(directory)/\(name)")
        }
        for name in ["bridge", "host-local", "loopback"] { #expect(try inode(name) == inode("swiftlet")) }
    }

    @Test func theSystemOneAttachesAPod() throws {
        try requireSystemBuild()
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(node.bridge(["isDefaultGateway": true], ipam: Node.dualStack), ["type": "loopback"])
        let runtime = node.runtime(path: [Requirements.systemBin])
        try runtime.status(list)
        let results = try pods.map { try runtime.add(list, $0.attachment).result }
        try expectConnected(pods[0], results[0].hosts[0], pods[1], results[1].hosts[0])
        try expectConnected(pods[0], results[0].hosts[1], pods[1], results[1].hosts[1])
        for pod in pods {
            try runtime.check(list, pod.attachment)
            try runtime.del(list, pod.attachment)
        }
        try runtime.gc(list, valid: [])
        #expect(try node.veths() == [] && node.reservations() == [])
    }

    @Test func thePortableOneRunsInAnEmptyRoot() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let root = node.directory + "/root"
        for directory in ["proc", "run"] { try run("mkdir", "-p", "\(root)/\(directory)") }
        try run("cp", "\(Requirements.bin)/swiftlet", "\(root)/swiftlet")
        #expect(try run("ls", root).split(separator: "\n") == ["proc", "run", "swiftlet"])
        let script = #"mount --rbind /proc "$0/proc" && mount --rbind /run "$0/run" && exec chroot "$0" /swiftlet"#
        func call(_ command: String, _ pod: Pod, prevResult: String? = nil) throws -> ProcessOutcome {
            let previous = prevResult.map { #","prevResult":\#($0)"# } ?? ""
            return try Launcher(prefix: [
                "nsenter", "--net=\(node.path)", "unshare", "--mount", "sh", "-c", script, root,
            ]).run(
                "/swiftlet",
                environment: pod.environment(command).merging(["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]) { $1 },
                stdin: Array(
                    #"{"cniVersion":"1.1.0","name":"net","type":"swiftlet","subnet":"10.44.0.0/24"\#(previous)}"#.utf8))
        }
        let added = try pods.map { try call("ADD", $0) }
        #expect(
            added.map { $0.json?["ips"]?[0]?["address"] } == ["10.44.0.2/24", "10.44.0.3/24"], "\(added.map(\.text))")
        try expectConnected(pods[0], "10.44.0.2", pods[1], "10.44.0.3")
        #expect(FileManager.default.fileExists(atPath: root + "/var/lib/cni/networks/net/10.44.0.2"))
        let checked = try call("CHECK", pods[0], prevResult: added[0].text)
        #expect(checked.exit.isSuccess, "\(checked.text)")
        for pod in pods {
            let deleted = try call("DEL", pod)
            #expect(deleted.exit.isSuccess && deleted.text == "" && deleted.errorText == "", "\(deleted.text)")
        }
        #expect(try node.veths() == [])
        #expect(!FileManager.default.fileExists(atPath: root + "/var/lib/cni/networks/net/10.44.0.2"))
    }

    @Test(arguments: [Requirements.bin, Requirements.systemBin]) func itNeedsLessThanSixMegabytes(_ directory: String)
        throws
    {
        if directory == Requirements.systemBin { try requireSystemBuild() }
        let node = try Node()
        let pod = try node.pod()
        // As the kernel counts the memory that exec replaces, something small has to start the plugin.
        let peak = node.directory + "/peak"
        try run("gcc", "-O2", "-static", "-o", peak, Requirements.packageRoot + "/Benchmarks/peak.c")
        let report = node.directory + "/peak.txt"
        let runtime = node.runtime(path: [directory], wrapper: [peak, report])
        func kibibytes() throws -> Int {
            let text = try String(contentsOfFile: report, encoding: .utf8)
            return text.split(separator: "\n").last.flatMap { Int($0) } ?? .max
        }
        // Shared libraries count too.
        let limit = directory == Requirements.systemBin ? 5_850 : 4_000
        let list = try node.network(node.swiftlet(Node.dualStack))
        _ = try runtime.add(list, pod.attachment)
        #expect(try kibibytes() < limit)
        try runtime.check(list, pod.attachment)
        #expect(try kibibytes() < limit)
        try runtime.gc(list, valid: [pod.valid])
        #expect(try kibibytes() < limit)
        try runtime.del(list, pod.attachment)
        #expect(try kibibytes() < limit)
    }

    @Test func itOpensNoFirewallLibraryAndRunsNoOtherProgram() throws {
        let node = try Node()
        let pod = try node.pod()
        let strace = Strace(node)
        let list = try node.network(node.swiftlet())
        let path =
            Requirements.isExecutable(Requirements.systemBin + "/swiftlet") ? Requirements.systemBin : Requirements.bin
        _ = try node.runtime(path: [path], wrapper: strace.tracing("openat,execve")).add(list, pod.attachment)
        let lines = try strace.lines()
        #expect(lines.filter { $0.contains("execve(") }.count == 1)
        #expect(!lines.contains { $0.contains("nftables") || $0.contains("iptables") || $0.contains("xtables") })
    }
}
