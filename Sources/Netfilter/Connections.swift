internal import Kernel
internal import Net
internal import Posix
internal import Wire

extension NodeRules {
    /// Makes the kernel forget UDP flows to the ports: they would go on leading where they led before.
    mutating func forgetConnections(to ports: PublishedPorts) throws {}
}
