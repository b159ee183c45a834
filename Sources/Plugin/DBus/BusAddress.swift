internal import Posix

/// Addresses of a bus in the format of the D-Bus Specification: `unix:path=/run/dbus/system_bus_socket`; several are separated by
/// semicolons and tried in order.
enum BusAddress {
    /// The unix sockets among the addresses. Other transports (`tcp:`, `unixexec:`) are left out.
    ///
    /// - Throws: `unusableAddress` if one cannot be read, or if none is left.
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
                default: break  // Such as guid, for clients that share connections.
                }
            }
            if entry[..<colon] == "unix", let socket { sockets.append(socket) }
        }
        guard !sockets.isEmpty else { throw .unusableAddress(text) }
        return sockets
    }

    /// Values may contain any octet as `%` and two hexadecimal digits.
    ///
    /// - Returns: nil for an incomplete escape, a NUL, octets that are not UTF-8, or an empty value.
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
