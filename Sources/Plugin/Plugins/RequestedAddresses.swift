internal import Addresses
internal import CNI
internal import JSON
internal import Posix

/// Addresses requested by the runtime, as text.
struct RequestedAddresses {
    /// A text and its location, for messages.
    typealias Entry = (place: String, text: String)

    /// Longer lists are refused.
    private static let maximumCount = 1024

    /// `CNI_ARGS` IP.
    let arguments: [Entry]
    /// `args.cni.ips`.
    let conventional: [Entry]
    /// The capability `ips`.
    let capability: [Entry]

    /// - Throws: code 4 for `CNI_ARGS` that no plugin here knows, 6 for a value that should be a list.
    init(_ request: Request) throws(Failure) {
        try request.invocation.arguments.requireKnown(["IP", "MAC", "GATEWAY"])
        arguments = RequestedAddresses.items(of: request.invocation.arguments["IP"] ?? "").map { ("CNI_ARGS IP", $0) }
        let lists = (
            try request.configuration.conventionalArgument("ips"), try request.configuration.runtimeConfiguration("ips")
        )
        conventional = try RequestedAddresses.entries(lists.0)
        capability = try RequestedAddresses.entries(lists.1)
    }

    private static func entries(_ list: JSONReader?) throws(Failure) -> [Entry] {
        guard let list else { return [] }
        let elements = try list.elements()
        guard elements.count <= maximumCount else { throw list.tooLong(limit: maximumCount) }
        return try elements.map { element throws(Failure) in (element.path, try element.string()) }
    }

    /// The elements of a comma-separated list, without surrounding blanks.
    static func items(of list: String) -> [String] {
        list.split(separator: ",").map { item in
            var item = item.drop { $0 == " " }
            while item.last == " " { item.removeLast() }
            return String(item)
        }
    }
}

extension SpecVersion {
    /// - Throws: code 7, because versions before 0.3.0 have room for only one address per family.
    func requireOneAddressPerFamily(_ families: [IPFamily]) throws(Failure) {
        guard self < .v0_3_0, Set(families).count < families.count else { return }
        throw Failure(
            .invalidConfiguration, "CNI version \(rawValue) does not support more than 1 address per family",
            details: "use cniVersion 0.3.0 or newer, or one address of each family")
    }
}
