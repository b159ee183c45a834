internal import Posix

/// Addresses of a bus as the D-Bus Specification writes them: `unix:path=/run/dbus/system_bus_socket`, several with
/// semicolons between them, in the order in which they are tried.
enum BusAddress {
    /// Those that are unix sockets. Other transports (`tcp:`, `unixexec:`) are left out.
    ///
    /// - Throws: `unusableAddress` when one cannot be read, or when none is left.
    static func parse(_ text: String) throws(BusError) -> [UnixSocketAddress] {
        var sockets: [UnixSocketAddress] = []
        for entry in text.split(separator: ";") {
            guard let colon = entry.firstIndex(of: ":") else { throw .unusableAddress(text) }
            var socket: UnixSocketAddress?
            for pair in entry[entry.index(after: colon)...].split(separator: ",") {
                guard let equals = pair.firstIndex(of: "="),
                    let value = unescape(pair[pair.index(after: equals)...])
                else { throw .unusableAddress(text) }
                switch pair[..<equals] {
                case "path": socket = .path(value)
                case "abstract": socket = .abstract(value)
                default: break  // Such as guid, for those that share connections.
                }
            }
            if entry[..<colon] == "unix", let socket { sockets.append(socket) }
        }
        guard !sockets.isEmpty else { throw .unusableAddress(text) }
        return sockets
    }

    /// Values may hold any octet as `%` and two hexadecimal digits.
    ///
    /// - Returns: nil for half an escape, a NUL, octets that are not UTF-8, and nothing at all.
    private static func unescape(_ text: Substring) -> String? {
        var octets: [UInt8] = []
        var rest = text.utf8[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "%") else {
                octets.append(octet)
                continue
            }
            guard rest.count >= 2, let high = digit(rest.popFirst()), let low = digit(rest.popFirst()) else {
                return nil
            }
            octets.append(high << 4 | low)
        }
        guard !octets.isEmpty, !octets.contains(0) else { return nil }
        return String(validating: octets, as: UTF8.self)
    }

    private static func digit(_ octet: UInt8?) -> UInt8? {
        guard let octet else { return nil }
        return Character(Unicode.Scalar(octet)).hexDigitValue.map { UInt8($0) }
    }
}
