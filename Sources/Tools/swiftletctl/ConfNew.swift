import Addresses
import ArgumentParser
import Attachments
import CNI
import ConfigurationFiles
import Kernel
import Posix

struct ConfNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Make a network configuration.",
        discussion: """
            Without options, on a terminal, it asks a few questions, each with an answer to start from. With any option it asks \
            nothing. What it writes has been checked as by swiftletctl conf validate. It refuses subnets that the node has \
            a route into already, and files that are there; --force overrides both. The bridge is one that no other network \
            uses, unless --bridge names one.

            Examples:
              swiftletctl conf new
              swiftletctl conf new --subnet 10.44.0.0/24 --output /etc/cni/net.d/10-pods.conflist
              swiftletctl conf new --name db --subnet 10.45.0.0/24 --subnet fd00:45::/64 --isolation isolated
              swiftletctl conf new --subnet 10.44.3.0/24 --non-masquerade 10.44.0.0/16 --anti-spoof
              swiftletctl conf new --plugin chain --bandwidth --no-masquerade
            """)

    @Option(help: "The network's name. (default: pods)")
    var name: String?

    @Option(help: "Subnet of the pods; give it twice for two families. By default a free one.", transform: Self.subnet)
    var subnet: [CIDR] = []

    @Option(
        help:
            "swiftlet: all in one; chain or bridge: the reference's names; ptp: without a bridge. (default: swiftlet)",
        completion: .list(["swiftlet", "chain", "ptp"]), transform: Self.kind)
    var plugin: NewNetwork.Kind?

    @Flag(inversion: .prefixedNo, help: "Masquerade what pods send out of the node. (default: yes)")
    var masquerade: Bool?

    @Option(
        help: ArgumentHelp(
            "Destination that is not masqueraded, such as the pods of all nodes; repeatable.",
            valueName: "cidr"), transform: Self.destination)
    var nonMasquerade: [CIDR] = []

    @Option(help: "The bridge. By default one that no other network uses: cbr0, cbr1, ...")
    var bridge: String?

    @Flag(help: "Hold pods to their addresses.")
    var antiSpoof = false

    @Flag(inversion: .prefixedNo, help: "Let a pod reach itself by its Service or host port. (default: yes)")
    var hairpin: Bool?

    @Flag(inversion: .prefixedNo, help: "Let pods have ports of the node. (default: yes)")
    var ports: Bool?

    @Flag(inversion: .prefixedNo, help: "Let runtimes limit pods' bandwidth. (default: no)")
    var bandwidth: Bool?

    @Option(
        help: "Who may connect to the pods: open, same-bridge, isolated. (default: open)",
        completion: .list(NewNetwork.Isolation.allCases.map { $0.rawValue }), transform: Self.isolation)
    var isolation: NewNetwork.Isolation?

    @Option(help: "File to write; standard output by default.", completion: .file(extensions: ["conflist"]))
    var output: String?

    @Flag(help: "Replace an existing file, and accept a subnet that overlaps a route.")
    var force = false

    func run() throws {
        let taken = try Self.routes()
        var network = NewNetwork()
        if let name { network.name = name }
        if let plugin { network.kind = plugin }
        network.subnets =
            subnet.isEmpty ? [NewNetwork.freeSubnet(besides: taken.map { $0.subnet })].compactMap { $0 } : subnet
        if let masquerade { network.masquerades = masquerade }
        if let ports { network.hasPorts = ports }
        if let bandwidth { network.hasBandwidth = bandwidth }
        if let isolation { network.isolation = isolation }
        network.unmasqueraded = nonMasquerade
        network.guardsAddresses = antiSpoof
        network.hairpin = hairpin
        var file = output
        if asksQuestions {
            try ask(&network, besides: taken)
            let proposal = "\(Conf.directory)/10-\(network.name).conflist"
            file = try Prompt("File to write, - for standard output").ask(proposal) { $0 }
            if file == "-" { file = nil }
        }
        try requireFree(network.subnets, besides: taken)
        network.bridge = try bridge ?? freeBridge(for: network, in: file)
        if let contradiction = network.contradiction { throw ValidationError("\(contradiction)") }
        let text = network.json.serialized() + [UInt8(ascii: "\n")]
        let validator = Validator(binDirectory: nil)
        let wrong = validator.check(text, file: file ?? "network.conflist").findings.filter { $0.severity == .error }
        guard wrong.isEmpty else {
            let lines = wrong.map { $0.message + ($0.hint.isEmpty ? "" : " (\($0.hint))") }
            throw Failure(.invalidConfiguration, lines.joined(separator: "\n"))
        }
        guard let file else { return try StandardStream.output.writeAll(text) }
        try NewFile(path: file).write(text, replacing: force)
        try say("wrote \(file): network \(network.name), \(network.subnets.map { "\($0)" }.joined(separator: " and "))")
        // Another file may take precedence over it.
        let directory = file.lastIndex(of: "/").map { String(file[..<$0]) } ?? "."
        let report = try? validator.check(directory: directory.isEmpty ? "/" : directory)
        for finding in report?.findings ?? [] where finding.file.hasSuffix(file.split(separator: "/").last ?? "") {
            try say("\(finding)")
        }
    }

    private static func subnet(_ text: String) throws -> CIDR {
        guard let subnet = CIDR(text) else { throw ValidationError("\(text) is not a subnet like 10.44.0.0/24.") }
        if let objection = NewNetwork.objection(to: subnet) { throw ValidationError("\(objection).") }
        return subnet
    }

    private static func destination(_ text: String) throws -> CIDR {
        guard let destination = CIDR(text), destination.isNetwork else {
            throw ValidationError("\(text) is not a network like 10.44.0.0/16.")
        }
        return destination
    }

    /// - Returns: nil if the plugin's usual bridge will do.
    private func freeBridge(for network: NewNetwork, in file: String?) throws -> String? {
        let report = try? Validator(binDirectory: nil).check(directory: Conf.directory)
        let others = report?.networks.filter { $0.name != network.name && $0.file != file } ?? []
        let taken = try Set(others.compactMap { $0.bridge }).union(Self.unsuitableLinks(for: network))
        guard let bridge = network.freeBridge(besides: taken) else { return nil }
        return bridge == network.defaultBridge ? nil : bridge
    }

    /// Links that cannot be the network's bridge: they are not bridges, or they are gateways of other subnets.
    private static func unsuitableLinks(for network: NewNetwork) throws -> [String] {
        var socket = try NetlinkSocket()
        return try socket.links().filter { link in
            guard link.kind == "bridge" else { return true }
            return try socket.addresses(of: link.index).contains { present in
                let address = present.address
                return address.family == .v4 && !network.subnets.contains { $0.contains(address.address) }
            }
        }.map { $0.name }
    }

    private static func kind(_ text: String) throws -> NewNetwork.Kind {
        guard let kind = NewNetwork.Kind(rawValue: text == "chain" ? "bridge" : text) else {
            throw ValidationError("\(text) is none of swiftlet, chain, bridge, ptp.")
        }
        return kind
    }

    private static func isolation(_ text: String) throws -> NewNetwork.Isolation {
        guard let isolation = NewNetwork.Isolation(rawValue: text) else {
            throw ValidationError("\(text) is none of open, same-bridge, isolated.")
        }
        return isolation
    }

    /// Whether a person can be asked and has not given any options.
    private var asksQuestions: Bool {
        name == nil && subnet.isEmpty && plugin == nil && masquerade == nil && ports == nil && bandwidth == nil
            && isolation == nil && nonMasquerade.isEmpty && bridge == nil && !antiSpoof && hairpin == nil
            && output == nil && StandardStream.input.isTerminal && StandardStream.error.isTerminal
    }

    private func ask(_ network: inout NewNetwork, besides taken: [(subnet: CIDR, interface: String)]) throws {
        network.name = try Prompt("Name of the network").ask(network.name) { name in
            AttachmentName.isNetwork(name) ? name : nil
        }
        network.kind = try Prompt("How pods are attached: swiftlet, bridge (a chain of plugins), ptp (no bridge)")
            .ask(network.kind.rawValue) { try? Self.kind($0) }
        network.subnets = try Prompt("Subnets of the pods, one of each family")
            .ask(network.subnets.map { "\($0)" }.joined(separator: " ")) { answer in
                let words = answer.split { $0 == " " || $0 == "," }
                let subnets = words.compactMap { CIDR(String($0)) }
                guard !subnets.isEmpty, subnets.count == words.count else { return nil }
                if let objection = subnets.lazy.compactMap(NewNetwork.objection).first {
                    throw Failure(.invalidConfiguration, objection)
                }
                try requireFree(subnets, besides: taken)
                return subnets
            }
        let yesOrNo = { (answer: String) -> Bool? in
            ["yes": true, "y": true, "no": false, "n": false][answer.lowercased()]
        }
        network.masquerades = try Prompt("Masquerade what pods send out of the node").ask("yes", yesOrNo)
        network.hasPorts = try Prompt("Let pods have ports of the node").ask("yes", yesOrNo)
        network.hasBandwidth = try Prompt("Let runtimes limit pods' bandwidth").ask("no", yesOrNo)
        guard network.kind != .ptp else { return }
        network.isolation = try Prompt("Who may connect to the pods: open, same-bridge, isolated")
            .ask(network.isolation.rawValue) { NewNetwork.Isolation(rawValue: $0) }
    }

    private func requireFree(_ subnets: [CIDR], besides taken: [(subnet: CIDR, interface: String)]) throws {
        guard !subnets.isEmpty else {
            throw Failure(.conflict, "none of the usual subnets is free", details: "choose one by --subnet")
        }
        for subnet in subnets {
            guard let route = taken.first(where: { $0.subnet.overlaps(subnet) }) else { continue }
            let problem = "subnet \(subnet) overlaps \(route.subnet), which this node reaches by \(route.interface)"
            guard force else { throw Failure(.conflict, problem, details: "choose another one, or --force") }
            try say("warning: \(problem)")
        }
    }

    /// The destinations that the node has routes to, except default routes and those that every link has.
    private static func routes() throws -> [(subnet: CIDR, interface: String)] {
        var socket = try NetlinkSocket()
        let links = try socket.links()
        let everywhere = [CIDR("fe80::/10")!, CIDR("ff00::/8")!]
        var routes: [(subnet: CIDR, interface: String)] = []
        for family in IPFamily.allCases {
            for route in try socket.routes(family) {
                guard route.destination.prefixLength > 0,
                    !everywhere.contains(where: { $0.overlaps(route.destination) })
                else { continue }
                let interface = links.first { $0.index == route.interface }?.name
                routes.append((route.destination, interface ?? "no interface"))
            }
        }
        return routes
    }
}
