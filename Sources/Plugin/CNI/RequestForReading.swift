public import Posix

extension Request {
    /// A request that nobody has made, so that a plugin's reading of a configuration can be tried without a pod. It must
    /// not be run: its container ID and namespace are made up.
    ///
    /// - Parameters:
    ///   - command: what the plugin would be asked for.
    ///   - log: gets what the plugin has to say to the operator.
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
