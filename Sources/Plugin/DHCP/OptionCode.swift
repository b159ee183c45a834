/// The number of a DHCP option (RFC 2132 and IANA's registry).
public struct OptionCode: Sendable, Hashable, Comparable {
    public let rawValue: UInt8

    public init(_ rawValue: UInt8) { self.rawValue = rawValue }

    public static let pad = OptionCode(0)
    public static let subnetMask = OptionCode(1)
    public static let routers = OptionCode(3)
    public static let nameServers = OptionCode(6)
    public static let hostName = OptionCode(12)
    public static let domainName = OptionCode(15)
    /// Destinations by class, without masks (RFC 2132, section 5.8).
    public static let staticRoutes = OptionCode(33)
    public static let requestedAddress = OptionCode(50)
    public static let leaseTime = OptionCode(51)
    public static let overload = OptionCode(52)
    public static let messageType = OptionCode(53)
    public static let serverIdentifier = OptionCode(54)
    public static let parameterRequestList = OptionCode(55)
    public static let serverMessage = OptionCode(56)
    public static let maximumMessageSize = OptionCode(57)
    public static let renewalTime = OptionCode(58)
    public static let rebindingTime = OptionCode(59)
    public static let vendorClass = OptionCode(60)
    public static let clientIdentifier = OptionCode(61)
    public static let userClass = OptionCode(77)
    /// RFC 3442.
    public static let classlessRoutes = OptionCode(121)
    /// The same under the number used before it had its own.
    public static let microsoftClasslessRoutes = OptionCode(249)
    public static let end = OptionCode(255)

    public static func < (a: OptionCode, b: OptionCode) -> Bool { a.rawValue < b.rawValue }

    /// The names that configurations may use, those of dhcp-options(5).
    public static let names: KeyValuePairs<String, OptionCode> = [
        "dhcp-client-identifier": .clientIdentifier, "subnet-mask": .subnetMask, "routers": .routers,
        "host-name": .hostName, "user-class": .userClass, "vendor-class-identifier": .vendorClass,
    ]

    /// A name of ``names`` or a number from 1 to 254.
    public init?(name: String) {
        if let known = OptionCode.names.first(where: { $0.key == name })?.value {
            self = known
        } else {
            guard let number = UInt8(name), (1...254).contains(number) else { return nil }
            self.init(number)
        }
    }
}
