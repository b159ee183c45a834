/// One container's interface on one network (CNI spec 1.1.0, section 3, Attachment Parameters).
public struct Attachment: Sendable {
    public var containerID: String
    /// Path of the network namespace. Nil leaves CNI_NETNS out; "" sets it empty, as some runtimes do for DEL.
    public var netns: String?
    public var ifname: String
    /// Generic arguments: CNI_ARGS, in this order.
    public var args: [(String, String)]
    /// Passed to the plugins whose configuration declares the capability.
    public var capabilityArgs: [String: JSONValue]

    public init(
        containerID: String, netns: String?, ifname: String = "eth0", args: [(String, String)] = [],
        capabilityArgs: [String: JSONValue] = [:]
    ) {
        self.containerID = containerID
        self.netns = netns
        self.ifname = ifname
        self.args = args
        self.capabilityArgs = capabilityArgs
    }

    var environment: [String: String] {
        var variables = ["CNI_CONTAINERID": containerID, "CNI_IFNAME": ifname]
        variables["CNI_NETNS"] = netns
        if !args.isEmpty { variables["CNI_ARGS"] = args.map { "\($0.0)=\($0.1)" }.joined(separator: ";") }
        return variables
    }
}

/// How GC identifies an attachment that is still in use.
public struct ValidAttachment: Sendable, Hashable {
    public var containerID: String
    public var ifname: String

    public init(containerID: String, ifname: String) {
        self.containerID = containerID
        self.ifname = ifname
    }

    var json: JSONValue { ["containerID": .string(containerID), "ifname": .string(ifname)] }
}
