internal import CNI
internal import IPAM
internal import JSON
internal import EventLog
internal import Posix

/// The source of the addresses of a network's pods.
enum Addressing {
    /// Layer 2 only.
    case none
    /// The store built into this plugin.
    case store(AddressStore)
    /// An IPAM plugin of this type: run in this process if it is ours, otherwise as another program.
    case plugin(String)

    /// What the configuration's `ipam` object asks for.
    init(ipamOf request: Request) throws(Failure) {
        self = try request.configuration.ipamType().map { .plugin($0) } ?? .none
    }

    /// Whether the addresses come through the pod's interface, as with DHCP, so that it must exist first.
    var needsInterface: Bool {
        guard case .plugin(let type) = self else { return false }
        return PluginTraits.needsInterface(type)
    }

    /// - Throws: code 7 if the store is known to hand out whole blocks, which no pod can have as its address.
    func refuseBlocks(_ request: Request) throws(Failure) {
        let handsOutBlocks =
            switch self {
            case .store(let store): store.handsOutBlocks
            case .plugin(let type) where PluginTraits.of(type)?.addresses == .store:
                try request.configuration.decoding { (reader) throws(Failure) in
                    try HostLocalSettings.handsOutBlocks(reader.required("ipam"))
                }
            case .plugin, .none: false
            }
        guard !handsOutBlocks else {
            throw Failure(
                .invalidConfiguration, "blockLength: a block is a subnet, not the address of a pod",
                details: "call host-local directly for a range with blockLength")
        }
    }

    /// The range sets that addresses come from; none if another program hands them out, or one at a time.
    func rangeSets(_ request: Request) throws(Failure) -> [RangeSet] {
        switch self {
        case .store(let store): store.sets
        case .plugin(let type) where PluginTraits.of(type)?.addresses == .store:
            try request.configuration.decoding { (_) throws(Failure) in try HostLocalSettings.sets(request.ipam()) }
        case .plugin, .none: []
        }
    }

    /// - Throws: also if the IPAM plugin returns no address; its reservation is then undone.
    func reserve(_ request: Request) throws(Failure) -> CNIResult {
        switch self {
        case .none: return CNIResult()
        case .store(let store): return try store.reserve()
        case .plugin(let type):
            let result = try request.delegate(to: type) ?? CNIResult()
            guard !result.ips.isEmpty else {
                surviving { () throws(Failure) in try request.undoDelegate(type) }
                throw Failure(
                    .invalidConfiguration, "IPAM plugin returned missing IP config", details: "ipam.type is \(type)")
            }
            return result
        }
    }

    /// The same for an ADD that may still fail.
    func reserve(_ request: Request, _ undo: inout UndoStack) throws(Failure) -> CNIResult {
        let result = try reserve(request)
        undo.push { (_) throws(Failure) in try release(request) }
        return result
    }

    /// Frees what ADD reserved, on DEL and after a failed ADD.
    func release(_ request: Request) throws(Failure) {
        switch self {
        case .none: break
        case .store(let store): try store.release()
        case .plugin(let type): try request.undoDelegate(type)
        }
    }

    func check(_ request: Request) throws(Failure) {
        switch self {
        case .none: break
        case .store(let store): try store.check()
        case .plugin(let type): try request.delegate(to: type)
        }
    }

    func collectGarbage(_ request: Request) throws(Failure) {
        switch self {
        case .none: break
        case .store(let store): try store.collectGarbage()
        case .plugin(let type): try request.delegate(to: type)
        }
    }

    func requireReady(_ request: Request) throws(Failure) {
        switch self {
        case .none: break
        case .store(let store): try store.requireReady()
        case .plugin(let type): try request.delegate(to: type)
        }
    }
}

extension Request {
    /// The `ipam` object, which holds an IPAM plugin's keys.
    func ipam() throws(Failure) -> JSONReader {
        let ipam = try configuration.decoding { (reader) throws(Failure) in try reader.member("ipam") }
        guard let ipam else { throw Failure(.invalidConfiguration, "IPAM config missing 'ipam' key") }
        return ipam
    }
}
