import ContainerRuntime
import Foundation
import Testing

/// Files and paths that are not what they should be are refused, quickly and with nothing changed.
@Suite(.realKernel) struct HostileSurroundingsTests {
    /// Files in place of a namespace, and how the shell makes them. Some would make an open or a read wait for ever.
    static let notNamespaces: [(String, String)] = [
        ("a file", "echo x >$0"), ("a FIFO", "mkfifo $0"), ("a directory", "mkdir $0"),
        ("a symbolic link to itself", "ln -s $0 $0"), ("a symbolic link to nothing", "ln -s /no/such $0"),
        ("endless zeros", "ln -s /dev/zero $0"), ("a mount namespace", "ln -s /proc/1/ns/mnt $0"),
        ("a user namespace", "ln -s /proc/1/ns/user $0"), ("another file of /proc", "ln -s /proc/1/status $0"),
    ]

    @Test(arguments: notNamespaces) func whatIsNoNetworkNamespaceIsNamed(_ what: String, _ script: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let path = node.directory + "/netns"
        try run("sh", "-c", script, path)
        let before = try Snapshot(node, [pod])
        let list = try node.network(node.swiftlet())
        let error = try failure { _ = try node.runtime().add(list, pod.with(netns: path)) }
        #expect(error.code == 4 && error.msg.contains(path) && error.msg.contains("CNI_NETNS"), "\(error)")
        expectSame(try Snapshot(node, [pod]), as: before)
        // For DEL it is a namespace that is gone.
        try node.runtime().del(list, pod.with(netns: path))
        expectSame(try Snapshot(node, [pod]), as: before)
    }

    /// The path leads to one pod, to another, to the node, and back, all the time. Whoever is served is served wholly.
    @Test(arguments: ["swiftlet", "ptp"]) func aPathThatIsSwappedMeanwhileIsOpenedOnce(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let path = node.directory + "/netns"
        let list = try node.network(
            type == "ptp"
                ? node.plugin("ptp", ipam: Node.dualStack)
                : node.swiftlet(Node.dualStack.merging(["antiSpoof": true]) { $1 }))
        // So that the bridge is there already.
        let first = try node.pod()
        _ = try node.runtime().add(list, first.attachment)
        let before = try Snapshot(node, pods).withoutStore
        let running = node.directory + "/swapping"
        try run("touch", running)
        let targets = pods.map(\.path) + [node.path]
        let results = inParallel(2) { number -> Int in
            if number == 0 {
                var swaps = 0
                while access(running, F_OK) == 0 {
                    let new = path + ".new"
                    guard symlink(targets[swaps % targets.count], new) == 0, rename(new, path) == 0 else {
                        throw CommandError.system("swap \(path)")
                    }
                    swaps += 1
                }
                return swaps
            }
            defer { unlink(running) }
            try eventually("the path is there") { access(path, F_OK) == 0 }
            var served = 0
            for round in 0..<24 {
                let attachment = PodAttachment(containerID: "swapped-\(round)", netns: path, ifname: "eth0")
                do {
                    let addresses = try node.runtime().add(list, attachment).result.addresses
                    served += 1
                    let found = try pods.map { try $0.addresses("eth0") }
                    #expect(found.contains(addresses) && found.contains([]), "\(found)")
                    let routes = try pods.map { try $0.routes().contains { $0["dev"] == "eth0" } }
                    #expect(routes == found.map { !$0.isEmpty })
                } catch let error as PluginError {
                    // The node's own, or a chain's later plugin that looks for itself.
                    #expect([4, 8].contains(error.code), "\(error)")
                }
                try node.runtime().del(list, attachment)
                expectSame(try Snapshot(node, pods).withoutStore, as: before)
            }
            return served
        }
        #expect(try results.allSatisfy { try $0.get() > 3 }, "\(results)")
    }

    /// What stands where an IPAM plugin should be: passed over, or an error at once.
    static let notPlugins: [(String, String, String)] = [
        ("a directory", "mkdir $0", "failed to find plugin"), ("a FIFO", "mkfifo $0", "failed to find plugin"),
        ("a device", "ln -s /dev/zero $0", "failed to find plugin"),
        ("a symbolic link to itself", "ln -s $0 $0", "failed to find plugin"),
        ("a file that cannot be executed", "echo x >$0", "Permission denied"),
        ("a file that is no program", "head -c 100 /dev/zero >$0; chmod 755 $0", "Exec format error"),
    ]

    @Test(arguments: notPlugins) func whatIsNoPluginIsNotRun(_ what: String, _ script: String, _ text: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let path = try node.pluginDirectory()
        try run("sh", "-c", script, "\(path)/my-ipam")
        let list = try node.network(["type": "bridge", "isGateway": true, "ipam": ["type": "my-ipam"]])
        let before = try Snapshot(node, [pod])
        // Nor are directories that are none, or not to be read.
        let places = ["", "/no/such", "/dev/null", "/proc/1/mem", path, String(repeating: "x", count: 5000)]
        let runtime = node.runtime(path: [Requirements.bin] + places)
        let error = try failure { _ = try runtime.add(list, pod.attachment) }
        #expect(error.msg.contains("my-ipam") && error.msg.contains(text), "\(error)")
        expectSame(try Snapshot(node, [pod]).without("cni0", "forward"), as: before.without("cni0", "forward"))
    }

    @Test(arguments: ["../../../bin/sh", "/bin/sh", "a/../sh", ".", "..", "sh;id", "-c"])
    func aTypeThatLeavesItsDirectoryIsRefused(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "bridge", "ipam": ["type": .string(type)]])
        let before = try Snapshot(node, [pod])
        let error = try failure { _ = try node.runtime().add(list, pod.attachment) }
        #expect(error.code == 7 && error.msg.contains("invalid plugin name"), "\(error)")
        expectSame(try Snapshot(node, [pod]).without("cni0", "forward"), as: before.without("cni0", "forward"))
    }

    /// A plugin that never stops talking is not listened to for ever, nor kept in memory.
    @Test func aDelegateThatPrintsAGigabyteCostsLittle() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "my-ipam", "cat >/dev/null; [ $CNI_COMMAND = ADD ] || exit 0; exec head -c 1000000000 /dev/zero")
        let document: JSONValue = [
            "cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": ["type": "my-ipam"],
        ]
        var environment = pod.environment("ADD")
        environment["CNI_PATH"] = plugins
        let outcome = try node.call(
            environment, stdin: String(decoding: document.bytes, as: UTF8.self), plugin: "bridge",
            wrapper: ["sh", "-c", #"ulimit -v 200000; exec "$@""#, "sh"])
        #expect(outcome.code == 5 && outcome.message.contains("my-ipam"), "\(outcome.text)")
        #expect(try isUntouched(pod))
    }

    /// Links that somebody has put where the store keeps its files lead nowhere.
    @Test func linksInTheDataDirectoryAreNotFollowed() throws {
        let node = try Node()
        let pod = try node.pod()
        let victim = node.directory + "/victim"
        try node.write("victim", "precious")
        try FileManager.default.createDirectory(atPath: node.data + "/net", withIntermediateDirectories: true)
        for name in ["10.44.0.2", "last_reserved_ip.0", "10.44.0.3"] {
            try FileManager.default.createSymbolicLink(atPath: "\(node.data)/net/\(name)", withDestinationPath: victim)
        }
        let list = try node.network(node.swiftlet())
        // What cannot be a reservation is taken for all that anybody knows.
        let outcome = Result { try node.runtime().add(list, pod.attachment).result.addresses }
        if case .success(let addresses) = outcome { #expect(addresses == ["10.44.0.4/24"]) }
        try node.runtime().del(list, pod.attachment)
        _ = try node.runtime().gc(list, valid: [])
        #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
        #expect(try isUntouched(pod))
        // The directory of a network that leads elsewhere.
        try FileManager.default.removeItem(atPath: node.data + "/net")
        try FileManager.default.createSymbolicLink(atPath: node.data + "/net", withDestinationPath: "/etc")
        let error = try failure { _ = try node.runtime().add(list, pod.attachment) }
        #expect(error.code == 101 && error.msg.contains(node.data + "/net"), "\(error)")
        #expect(try isUntouched(pod))
    }
}
