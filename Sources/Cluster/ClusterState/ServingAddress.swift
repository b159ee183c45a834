public import Addresses

extension IPAddress {
    /// Whether clients on other machines could connect to it.
    public var canServe: Bool { !isUnspecified && !isLoopback && !isLinkLocal && !isMulticast }
}
