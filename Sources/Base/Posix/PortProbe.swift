internal import CKernel

/// Ports of this network namespace that some program has.
public enum PortProbe {
    /// Whether a socket already has the port, so that binding to it fails; false if that cannot be found out. Nothing is sent.
    ///
    /// - Parameter address: 16 octets: `::` for all addresses of both families, an IPv4 address as `::ffff:a.b.c.d`.
    public static func isTaken(_ port: UInt16, ofUDP isUDP: Bool, at address: [UInt8]) -> Bool {
        guard address.count == 16 else { return false }
        return unsafe ck_port_is_taken(isUDP ? 1 : 0, address, port) == 1
    }
}
