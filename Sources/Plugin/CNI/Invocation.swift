public import Attachments
public import Posix

/// The runtime's parameters from environment variables, validated.
public struct Invocation: Sendable {
    public let command: Command
    /// Empty if the command has none (GC, STATUS, VERSION).
    public let attachment: Attachment
    /// Path of the pod's network namespace; nil if it was not given, as DEL allows.
    public let netns: String?
    /// `CNI_ARGS`; empty if the command has no attachment. Plugins that read them check whether they are well-formed
    /// (``Arguments/requireKnown(_:)``); DEL never fails because of them.
    public let arguments: Arguments
    /// Where to look for delegates, from `CNI_PATH`.
    public let path: [String]
    /// Whether the namespace may be the plugin's own (`CNI_NETNS_OVERRIDE`).
    public let mayUseOwnNamespace: Bool
    /// All variables, unchanged.
    public let environment: Environment

    /// - Throws: code 4, naming every missing variable, or the malformed one.
    public init(_ environment: Environment) throws(Failure) {
        let name = environment["CNI_COMMAND"] ?? ""
        guard let command = Command(rawValue: name) else {
            throw Failure(
                .invalidEnvironment, "unknown CNI_COMMAND: \(name)",
                details: "it must be one of \(Command.allCases.map { $0.rawValue }.joined(separator: ", "))")
        }
        let missing = command.requiredVariables.filter { environment[$0] == nil }
        guard missing.isEmpty else {
            throw Failure(
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
            arguments = Arguments(reading: environment["CNI_ARGS"] ?? "", forgiving: command == .del)
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

    /// The same call without the namespace.
    var withoutNamespace: Invocation { Invocation(self, command: command, netns: nil) }

    static func validate(_ attachment: Attachment) throws(Failure) {
        let id = attachment.containerID
        guard id.utf8.count <= Attachment.maximumContainerIDLength else {
            throw Failure(
                .invalidEnvironment, "CNI_CONTAINERID has \(id.utf8.count) octets",
                details: "at most \(Attachment.maximumContainerIDLength) fit in the alias of the pod's link")
        }
        guard Attachment.isIdentifier(id) else {
            throw Failure(
                .invalidEnvironment, "invalid characters in CNI_CONTAINERID \"\(id)\"",
                details: "it must match [a-zA-Z0-9][a-zA-Z0-9_.-]*")
        }
        let name = attachment.ifname
        guard Attachment.isInterfaceName(name) else {
            throw Failure(
                .invalidEnvironment, "invalid interface name in CNI_IFNAME \"\(name)\"",
                details:
                    "it must be at most \(Attachment.maximumInterfaceNameLength) octets, not . or .., without /, :, % and blanks"
            )
        }
    }
}
