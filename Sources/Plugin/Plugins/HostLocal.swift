internal import CNI
internal import Posix

/// Hands out addresses from a store on this node. Drop-in for the reference's `host-local`.
struct HostLocal: BuiltInPlugin {
    static let traits = PluginTraits("host-local", .addresses, addresses: .store)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Keys of the `ipam` object; `swiftlet` takes them beside `type`.",
            HostLocalSettings.Keys.everything, parts: [.ranges, .routes], capabilities: ["ips", "ipRanges"]
        ) { request throws(Failure) in _ = try AddressStore(ipamOf: request) }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult { try AddressStore(ipamOf: request).reserve() }
    func del(_ request: Request) throws(Failure) { try AddressStore(ipamOf: request).release() }
    func check(_ request: Request) throws(Failure) { try AddressStore(ipamOf: request).check() }
    func gc(_ request: Request) throws(Failure) { try AddressStore(ipamOf: request).collectGarbage() }
    func status(_ request: Request) throws(Failure) { try AddressStore(ipamOf: request).requireReady() }
}
