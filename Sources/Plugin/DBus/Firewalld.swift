/// firewalld refused a request or could not be reached: what was attempted, and why it failed.
public struct FirewalldError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Such as `add source 10.1.0.5/32 to zone "trusted"`.
    public let attempt: String
    public let cause: BusError

    /// firewalld's own error code, such as `INVALID_ZONE`; nil if the error did not come from firewalld.
    public var code: String? {
        guard case .refused(Firewalld.exceptionName, let text) = cause else { return nil }
        return String(text.prefix { $0 != ":" })
    }

    public var description: String {
        guard case .refused(Firewalld.exceptionName, let text) = cause else { return "\(attempt): \(cause)" }
        return "\(attempt): firewalld: \(text)"
    }
}

/// A running firewalld, controlled over the system bus, which assigns sources of packets to zones.
///
/// A source is an address with a prefix length, such as `10.1.0.5/32` or `fd00::5/128`. firewalld compares it as text: `10.1.0.5`
/// is a different source, and so is `fd00:0::5/128`. Additions last until firewalld is reloaded or stopped; `firewall-cmd
/// --reload` loses them.
public struct Firewalld: ~Copyable {
    private var bus: BusConnection
    /// The connection's unique name, so that no other process is called if the service restarts meanwhile.
    private let owner: String

    static let serviceName = "org.fedoraproject.FirewallD1"
    static let exceptionName = "org.fedoraproject.FirewallD1.Exception"

    /// The state found by an addition.
    public enum Addition: Sendable, Hashable {
        case added
        /// The source was in this zone already.
        case present
        /// The source was in another zone and is now in this one.
        case moved
    }

    /// Connects to the running firewalld. Does not start one.
    ///
    /// - Parameter address: of the system bus, in the format of the D-Bus Specification.
    /// - Parameter milliseconds: the time limit for everything from here on. firewalld answers within a few milliseconds, but
    ///   while it starts it may have its name on the bus seconds before it answers.
    /// - Returns: nil if firewalld or the bus is not running.
    public static func connect(
        to address: String = BusConnection.systemBus, milliseconds: Int = BusConnection.defaultLimit
    ) throws(FirewalldError) -> Firewalld? {
        do throws(BusError) {
            guard var bus = try BusConnection.open(address, milliseconds: milliseconds),
                let owner = try bus.owner(of: serviceName)
            else { return nil }
            return Firewalld(bus: bus, owner: owner)
        } catch { throw FirewalldError(attempt: "look for firewalld on the system bus", cause: error) }
    }

    /// Adds a source to a zone, and removes it from its previous zone.
    ///
    /// - Throws: with code `INVALID_ZONE` if the zone does not exist, `INVALID_ADDR` if the source is invalid.
    @discardableResult
    public mutating func add(source: String, zone: String) throws(FirewalldError) -> Addition {
        let attempt = "add source \(source) to zone \"\(zone)\""
        do throws(FirewalldError) {
            _ = try call("addSource", zone, source, attempt: attempt)
            return .added
        } catch {
            switch error.code {
            case "ZONE_ALREADY_SET", "ALREADY_ENABLED": return .present
            case "ZONE_CONFLICT":
                _ = try call("changeZoneOfSource", zone, source, attempt: attempt)
                return .moved
            default: throw error
            }
        }
    }

    /// Removes a source from a zone. Changes nothing if the source is in no zone or in another, or if the zone no longer exists.
    ///
    /// - Returns: whether it was there.
    @discardableResult
    public mutating func remove(source: String, zone: String) throws(FirewalldError) -> Bool {
        do throws(FirewalldError) {
            _ = try call("removeSource", zone, source, attempt: "remove source \(source) from zone \"\(zone)\"")
            return true
        } catch {
            switch error.code {
            case "UNKNOWN_SOURCE", "NOT_ENABLED", "ZONE_CONFLICT", "INVALID_ZONE": return false
            default: throw error
            }
        }
    }

    /// The zone of a source; nil if it has none of its own.
    public mutating func zone(ofSource source: String) throws(FirewalldError) -> String? {
        let attempt = "ask for the zone of source \(source)"
        guard case .string(let zone) = try call("getZoneOfSource", source, attempt: attempt) else {
            throw FirewalldError(attempt: attempt, cause: .malformed("an answer that is not a string"))
        }
        return zone.isEmpty ? nil : zone
    }

    /// Whether a source is in a zone.
    ///
    /// - Throws: with code `INVALID_ZONE` if the zone does not exist.
    public mutating func holds(source: String, zone: String) throws(FirewalldError) -> Bool {
        let attempt = "ask whether source \(source) is in zone \"\(zone)\""
        guard case .boolean(let answer) = try call("querySource", zone, source, attempt: attempt) else {
            throw FirewalldError(attempt: attempt, cause: .malformed("an answer that is not a boolean"))
        }
        return answer
    }

    private mutating func call(
        _ member: String, _ arguments: String..., attempt: String
    ) throws(FirewalldError) -> Answer {
        let call = MethodCall(
            member, arguments, destination: owner, path: "/org/fedoraproject/FirewallD1",
            interface: "org.fedoraproject.FirewallD1.zone")
        do throws(BusError) { return try bus.call(call) } catch {
            throw FirewalldError(attempt: attempt, cause: error)
        }
    }
}
