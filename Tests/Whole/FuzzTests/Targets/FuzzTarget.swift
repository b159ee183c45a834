/// A place where octets that others have made come in, and what must hold whatever they are.
///
/// libFuzzer and ordinary tests run the same targets.
struct FuzzTarget: Sendable {
    /// Also that of its folder in Corpora.
    let name: String
    /// Longer input is not made, in octets.
    var maximumLength = 4096
    /// - Throws: when a promise is broken. That it does not trap goes without saying.
    let run: @Sendable ([UInt8]) throws -> Void

    static let all: [FuzzTarget] = [
        .configuration, .environment, .result, .netlink, .reservation, .store, .record, .conditions, .addresses,
        .resolvConf, .dbus, .dhcp, .rpc,
    ]
}

/// A promise that was not kept.
struct FuzzFailure: Error, CustomStringConvertible {
    let description: String
}

func require(_ condition: Bool, _ expectation: @autoclosure () -> String) throws(FuzzFailure) {
    guard condition else { throw FuzzFailure(description: expectation()) }
}
