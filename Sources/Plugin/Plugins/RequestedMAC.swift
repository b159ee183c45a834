internal import Addresses
internal import CNI
internal import JSON
internal import Posix

extension Request {
    /// The requested MAC: `CNI_ARGS` MAC, overridden by `args.cni.mac`, overridden by the capability `mac`; nil for none.
    ///
    /// - Parameter configured: the MAC in the configuration, which all of these override.
    /// - Throws: code 7 unless it is a unicast address.
    func requestedMAC(configured: String = "") throws(Failure) -> MACAddress? {
        try invocation.arguments.requireKnown(["IP", "MAC", "GATEWAY"])
        var text = configured
        if let argument = invocation.arguments["MAC"], !argument.isEmpty { text = argument }
        for source in [try configuration.conventionalArgument("mac"), try configuration.runtimeConfiguration("mac")] {
            guard let value = try source?.string(), !value.isEmpty else { continue }
            text = value
        }
        return text.isEmpty ? nil : try MACAddress(requested: text)
    }
}

extension MACAddress {
    /// An interface's MAC as requested by configuration or runtime.
    ///
    /// - Throws: code 7 unless it is a unicast address.
    init(requested text: String) throws(Failure) {
        guard let mac = MACAddress(text), !mac.isMulticast, !mac.isZero else {
            throw Failure(
                .invalidConfiguration, "mac \"\(text)\" is not a unicast Ethernet address",
                details: "like 02:42:ac:11:00:02"
            ).showingLogs(only: "mac is not a unicast Ethernet address")
        }
        self = mac
    }
}
