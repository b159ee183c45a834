/// firewalld refused something, or could not be asked: what was attempted, and why it failed.
public struct FirewalldError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Such as `add source 10.1.0.5/32 to zone "trusted"`.
    public let attempt: String
    public let cause: BusError

    /// firewalld's own word for what is wrong, such as `INVALID_ZONE`; nil when it was not firewalld that said no.
    public var code: String? {
        guard case .refused(Firewalld.exceptionName, let text) = cause else { return nil }
        return String(text.prefix { $0 != ":" })
    }

    public var description: String {
        guard case .refused(Firewalld.exceptionName, let text) = cause else { return "\(attempt): \(cause)" }
        return "\(attempt): firewalld: \(text)"
    }
}

/// A running firewalld, asked over the system bus to treat sources of packets as a zone says.
///
/// A source is an address with a prefix length, such as `10.1.0.5/32` or `fd00::5/128`. firewalld compares it as text:
/// `10.1.0.5` is another one, and so is `fd00:0::5/128`. What is added here lasts until firewalld is reloaded or
/// stopped; a `firewall-cmd --reload` loses it.
public struct Firewalld: ~Copyable {
    private var bus: BusConnection
    /// The connection's unique name: nobody else is asked should the service be started again meanwhile.
    private let owner: String

    static let serviceName = "org.fedoraproject.FirewallD1"
    static let exceptionName = "org.fedoraproject.FirewallD1.Exception"

    /// What an addition has found.
    public enum Addition: Sendable, Hashable {
        case added
        /// It was in this zone already.
        case present
        /// It was in another zone, and is in this one now.
        case moved
    }

    /// Connects to the firewalld that is running. None is started.
    ///
    /// - Parameter address: of the system bus, as the D-Bus Specification writes it.
    /// - Parameter milliseconds: how long everything may take from here on. firewalld answers within a few, but may
    ///   have a name on the bus seconds before it does, while it starts.
    /// - Returns: nil when there is none, or no bus.
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

    /// Puts a source into a zone; takes it out of the one that it is in.
    ///
    /// - Throws: with code `INVALID_ZONE` when there is no such zone, `INVALID_ADDR` when that is no source.
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

    /// Takes a source out of a zone. One that is in no zone, or in another, is left as it is; so is what is in a zone
    /// that does not exist any more.
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

    /// The zone that a source is in; nil: none of its own.
    public mutating func zone(ofSource source: String) throws(FirewalldError) -> String? {
        let attempt = "ask for the zone of source \(source)"
        guard case .string(let zone) = try call("getZoneOfSource", source, attempt: attempt) else {
            throw FirewalldError(attempt: attempt, cause: .malformed("an answer that is not a string"))
        }
        return zone.isEmpty ? nil : zone
    }

    /// Whether a source is in a zone.
    ///
    /// - Throws: with code `INVALID_ZONE` when there is no such zone.
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
