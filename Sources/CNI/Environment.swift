/// The process environment, handed in so that a test can make one up.
public struct Environment: Sendable {
    /// `NAME=value`, in the order given: what a delegate gets, too.
    public let variables: [String]

    public init(_ variables: [String]) { self.variables = variables }

    /// The value of the first variable of that name; an empty one counts as unset.
    public subscript(name: String) -> String? {
        let prefix = "\(name)="
        guard let entry = variables.first(where: { $0.hasPrefix(prefix) }) else { return nil }
        let value = entry.dropFirst(prefix.count)
        return value.isEmpty ? nil : String(value)
    }

    /// The same environment with one variable changed.
    public func setting(_ name: String, to value: String) -> Environment {
        Environment(variables.filter { !$0.hasPrefix("\(name)=") } + ["\(name)=\(value)"])
    }
}

/// One container's place in one network: what a plugin's resources belong to.
public struct Attachment: Sendable, Hashable {
    /// `CNI_CONTAINERID`.
    public let containerID: String
    /// `CNI_IFNAME`: the interface's name in the container.
    public let ifname: String

    public init(containerID: String, ifname: String) {
        self.containerID = containerID
        self.ifname = ifname
    }
}

/// What the runtime says by environment variables, checked.
public struct Invocation: Sendable {
    public let command: Command
    /// Empty where the command has none (GC, STATUS, VERSION).
    public let attachment: Attachment
    /// Path of the pod's network namespace; nil where it was not given, as DEL may do.
    public let netns: String?
    /// `CNI_ARGS`; none where the command has no attachment.
    public let arguments: Arguments
    /// Where delegates are looked for, from `CNI_PATH`.
    public let path: [String]
    /// Whether the namespace may be the plugin's own (`CNI_NETNS_OVERRIDE`).
    public let mayUseOwnNamespace: Bool
    /// All variables, as they came.
    public let environment: Environment

    /// - Throws: code 4, naming every variable that is missing, or the one that is malformed.
    public init(_ environment: Environment) throws(CNIError) {
        let name = environment["CNI_COMMAND"] ?? ""
        guard let command = Command(rawValue: name) else {
            throw CNIError(
                .invalidEnvironment, "unknown CNI_COMMAND: \(name)",
                details: "it must be one of \(Command.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let missing = command.requiredVariables.filter { environment[$0] == nil }
        guard missing.isEmpty else {
            throw CNIError(
                .invalidEnvironment, "required env variables [\(missing.joined(separator: ","))] missing",
                details: "for CNI_COMMAND=\(name)")
        }
        self.command = command
        self.environment = environment
        netns = environment["CNI_NETNS"]
        path = (environment["CNI_PATH"] ?? "").split(separator: ":").map(String.init)
        let override = environment["CNI_NETNS_OVERRIDE"] ?? ""
        mayUseOwnNamespace = override == "1" || override.lowercased() == "true"
        switch command {
        case .add, .check, .del:
            attachment = Attachment(
                containerID: environment["CNI_CONTAINERID"]!, ifname: environment["CNI_IFNAME"]!)
            try Invocation.validate(attachment)
            arguments = try Arguments(environment["CNI_ARGS"] ?? "")
        case .gc, .status, .version:
            attachment = Attachment(containerID: "", ifname: "")
            arguments = Arguments.none
        }
    }

    private init(_ other: Invocation, command: Command, netns: String?) {
        self.command = command
        self.netns = netns
        attachment = other.attachment
        arguments = other.arguments
        path = other.path
        mayUseOwnNamespace = other.mayUseOwnNamespace
        environment = other.environment.setting("CNI_COMMAND", to: command.rawValue)
    }

    /// The same call with another command: DEL after a failed ADD.
    func replacing(_ command: Command) -> Invocation { Invocation(self, command: command, netns: netns) }

    /// The same call, with the namespace gone.
    var withoutNamespace: Invocation { Invocation(self, command: command, netns: nil) }

    /// Longest container ID: it has to fit into a link's alias, beside the names of network and interface.
    public static let maximumContainerIDLength = 128

    /// Longest interface name: IFNAMSIZ without its NUL, linux/if.h.
    public static let maximumIfnameLength = 15

    static func validate(_ attachment: Attachment) throws(CNIError) {
        let id = attachment.containerID
        guard isIdentifier(id), id.utf8.count <= maximumContainerIDLength else {
            throw CNIError(
                .invalidEnvironment, "invalid characters in CNI_CONTAINERID \"\(id)\"",
                details: "it must match [a-zA-Z0-9][a-zA-Z0-9_.-]* and be at most \(maximumContainerIDLength) long")
        }
        let name = attachment.ifname
        let forbidden = name.utf8.contains { $0 <= 0x20 || $0 == 0x7f || "/:%".utf8.contains($0) }
        // What was no UTF-8 would come out as another name.
        guard !forbidden, !name.unicodeScalars.contains("\u{fffd}"), name != ".", name != "..",
            name.utf8.count <= maximumIfnameLength
        else {
            throw CNIError(
                .invalidEnvironment, "invalid interface name in CNI_IFNAME \"\(name)\"",
                details: "it must be at most \(maximumIfnameLength) octets, not . or .., without / : % and blanks")
        }
    }

    /// `[a-zA-Z0-9][a-zA-Z0-9_.-]*`: the pattern of container IDs and network names. Never a path of its own.
    public static func isIdentifier(_ text: String) -> Bool {
        let isAlphanumeric = { (character: UInt8) in
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"):
                true
            default: false
            }
        }
        guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }
}

/// `CNI_ARGS`: `KEY=value` pairs separated by semicolons.
public struct Arguments: Sendable, Hashable {
    /// In the order given; a key may come again.
    public let pairs: [Pair]

    public struct Pair: Sendable, Hashable {
        public let key: String
        public let value: String
    }

    static let none = Arguments(pairs: [])

    private init(pairs: [Pair]) { self.pairs = pairs }

    /// - Throws: code 4 where a pair has no `=`.
    public init(_ text: String) throws(CNIError) {
        var pairs: [Pair] = []
        for field in text.split(separator: ";") {
            guard let equals = field.firstIndex(of: "="), equals != field.startIndex else {
                throw CNIError(
                    .invalidEnvironment, "CNI_ARGS: ARGS: invalid pair \"\(field)\"", details: "it must be KEY=value")
            }
            pairs.append(Pair(key: String(field[..<equals]), value: String(field[field.index(after: equals)...])))
        }
        self.pairs = pairs
    }

    /// The value of the last pair with that key.
    public subscript(key: String) -> String? { pairs.last { $0.key == key }?.value }

    /// Refuses keys that nobody here understands, unless `IgnoreUnknown` is true, as runtimes expect.
    ///
    /// - Throws: code 4.
    public func requireKnown(_ known: [String]) throws(CNIError) {
        if let ignore = self["IgnoreUnknown"], ["1", "t", "true"].contains(ignore.lowercased()) { return }
        let known = known + ["IgnoreUnknown"]
        let unknown = pairs.filter { !known.contains($0.key) }.map(\.key)
        guard unknown.isEmpty else {
            throw CNIError(
                .invalidEnvironment, "CNI_ARGS: ARGS: unknown args [\(unknown.joined(separator: " "))]",
                details: "known are \(known.joined(separator: ", ")); IgnoreUnknown=1 lets others pass")
        }
    }
}
