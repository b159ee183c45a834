import Addresses
public import ArgumentParser
import FoundationEssentials
import Inventory
public import PacketRules
import Posix
import Trace

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Walk a packet through this node, hop by hop.",
        discussion: """
            FROM and TO are pods (container ID or the beginning of one, namespace's name, NETWORK/ID/IFNAME), addresses, \
            node, or internet, which stands for everything outside. TO may have :PORT behind it. Every step is what the \
            kernel answers now: its routes, neighbours, bridges, rules. Nothing is sent unless --live is given.

            Where rules leave a decision to chance, as kube-proxy does among the endpoints of a Service, every way is walked.

            Exit codes: 0 it arrives, and so does its answer, or it leaves this machine and an answer would come back in; 1 it \
            stops, by one way at least; 2 it arrives as far as seen, but something on this machine was not looked at; 64 \
            wrong usage. With --live, what was sent outweighs what was walked.

            Examples:
              swiftletctl trace web internet
              swiftletctl trace internet node:8080
              swiftletctl trace web 10.44.0.7:80 --protocol udp
              swiftletctl trace web db -6 --json
              swiftletctl trace web node:8080 --live
            """)

    @Argument(help: "Sender of the packet.") var from: String
    @Argument(help: "Receiver of the packet.") var to: String
    @Option(help: "Destination port, like :PORT after TO.") var port: UInt16?
    @Option(help: "tcp, udp or icmp; by default tcp with a port, icmp without.")
    var `protocol`: Packet.Transport?
    @Flag(name: .customShort("4"), help: "IPv4 only.") var isIPv4 = false
    @Flag(name: .customShort("6"), help: "IPv6 only.") var isIPv6 = false
    @Flag(
        help:
            "Send one real packet; show what the node's rules do with it, what interfaces count, and whether an answer comes."
    )
    var live = false
    @Option(help: "Directory of network configurations.") var confDir = "/etc/cni/net.d"
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard !isIPv4 || !isIPv6 else { throw ValidationError("-4 and -6 exclude each other") }
        guard port != 0 else { throw ValidationError("--port is 1 to 65535") }
    }

    func run() throws {
        guard ProcessEnvironment.effectiveUser == 0 else {
            throw ValidationError("looking into pods needs root: run it with sudo")
        }
        let places = Snapshot.Places(configurations: confDir)
        let seen = try Observations.read(places)
        let snapshot = Snapshot(seen)
        let world = KernelWorld(seen, snapshot)
        let names = EndpointNames(snapshot, world)
        let question: Question
        do throws(Failure) {
            let start = try names.endpoint(from)
            guard start.port == 0 else { throw Failure(.invalidConfiguration, "\(from): only TO has a port") }
            var end = try names.endpoint(to, askedBy: start)
            if let port {
                end = Endpoint(end.kind, name: end.name, place: end.place, addresses: end.addresses, port: port)
            }
            question = Question(
                from: start, to: end, family: isIPv4 ? .v4 : isIPv6 ? .v6 : nil,
                transport: `protocol` ?? (end.port == 0 ? .icmp : .tcp))
            guard question.transport != .icmp || end.port == 0 else {
                throw Failure(.invalidConfiguration, "icmp has no ports: leave \(end.port) out, or use tcp or udp")
            }
        } catch {
            guard error.code == .invalidConfiguration else { throw error }
            throw ValidationError("\(error)")
        }
        var report = try Report(question, in: world)
        if live {
            guard let place = question.from.place else {
                throw ValidationError("--live sends from a pod, the node, or another namespace of this machine")
            }
            let before = KernelWorld(try Observations.read(places), snapshot)
            var sent = try LiveProbe.send(report.packet, from: place, in: world)
            sent.compare(report.hops, report.answer, before, KernelWorld(try Observations.read(places), snapshot))
            report.live = sent
        }
        try output.print(report, text: report.text(Terminal.style))
        switch report.conclusion {
        case .arrives: break
        case .arrivesAsFarAsSeen: throw ExitCode(2)
        case .stops: throw ExitCode.failure
        }
    }
}

extension Packet.Transport: ExpressibleByArgument {}
