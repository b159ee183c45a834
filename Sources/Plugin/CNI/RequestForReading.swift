public import Posix

extension Request {
    /// A made-up request for checking how a plugin reads a configuration, without a pod. It must not be run: its container ID and
    /// namespace are made up.
    ///
    /// - Parameters:
    ///   - command: the command for the plugin.
    ///   - log: receives the plugin's messages to the operator.
    public init(
        reading configuration: Configuration, for command: Command, log: @escaping @Sendable (String) -> Void
    ) throws(Failure) {
        let environment = Environment([
            "CNI_COMMAND=\(command.rawValue)", "CNI_CONTAINERID=none", "CNI_NETNS=/none", "CNI_IFNAME=eth0",
            "CNI_PATH=/none",
        ])
        self.init(try Invocation(environment), configuration, Delegation(builtIn: [], log: log))
    }
}
