public import Posix

extension Failure {
    /// The runtime's error code: a kind of cause, which has a number in the protocol.
    public typealias Code = Kind

    public var code: Code { kind }

    /// The same error with another code for the runtime.
    public func coded(_ code: Code) -> Failure {
        var copy = self
        copy.kind = code
        return copy
    }
}

/// Codes: those of the CNI spec 1.1.0 (section "Error", 1...99), libcni's (8 and 999) and swiftlet's own (100...104).
extension Failure.Kind {
    /// 1: the configuration's cniVersion is not supported.
    public static var incompatibleVersion: Self { .numbered(1) }
    /// 2: a field of the configuration is not supported; the message names key and value.
    public static var unsupportedField: Self { .numbered(2) }
    /// 3: the container is unknown or gone; the runtime need not clean up.
    public static var unknownContainer: Self { .numbered(3) }
    /// 4: an environment variable is missing or malformed; the message names it.
    public static var invalidEnvironment: Self { .numbered(4) }
    /// 8: the network namespace cannot be used.
    public static var invalidNamespace: Self { .numbered(8) }
    /// 50: the plugin is not available: it cannot serve ADD.
    public static var notAvailable: Self { .numbered(50) }
    /// 51: the plugin is not available, and existing containers may have limited connectivity.
    public static var limitedConnectivity: Self { .numbered(51) }

    /// Numbers of the kinds that the lower layers use: `inputOutput` is for streams and other programs, `decodingFailure` for a
    /// configuration or a delegate's result, `checkFailed` for CHECK.
    private static var numbers: [(kind: Self, number: Int64)] {
        [
            (.inputOutput, 5), (.decodingFailure, 6), (.invalidConfiguration, 7), (.tryAgainLater, 11), (.kernel, 100),
            (.storage, 101), (.addressNotAvailable, 102), (.conflict, 103), (.checkFailed, 104), (.internal, 999),
        ]
    }

    /// The code of a number, including unknown ones: a plugin's own codes should be 100 or more.
    public init(rawValue: Int64) {
        self = Self.numbers.first { $0.number == rawValue }?.kind ?? .numbered(rawValue)
    }

    /// The number in the error object.
    public var rawValue: Int64 {
        switch self {
        case .numbered(let number): number
        default: Self.numbers.first { $0.kind == self }!.number
        }
    }
}
