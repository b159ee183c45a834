public import CNI
public import DBus
public import IPAM
public import Kernel
public import Netfilter

extension KernelError: CNIErrorConvertible {
    public var cniError: CNIError {
        let permission = errno == .notPermitted ? "the plugin needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)" : ""
        return CNIError(.kernel, summary, details: advice.isEmpty ? permission : advice)
    }
}

extension RangeError: CNIErrorConvertible {
    public var cniError: CNIError { CNIError(.invalidConfiguration, description) }
}

extension StoreError: CNIErrorConvertible {
    public var cniError: CNIError {
        switch kind {
        case .exhausted: CNIError(.addressNotAvailable, message, details: "GC frees what belongs to no attachment")
        case .busy: CNIError(.tryAgainLater, message)
        case .duplicate: CNIError(.conflict, message, details: "DEL it first")
        case .unavailable: CNIError(.addressNotAvailable, message)
        case .invalid: CNIError(.invalidConfiguration, message)
        case .storage: CNIError(.storage, message)
        }
    }
}

extension RulesError: CNIErrorConvertible {
    public var cniError: CNIError {
        let code: CNIError.Code =
            switch kind {
            case .invalid: .invalidConfiguration
            case .conflict: .conflict
            case .deviation: .checkFailed
            case .storage: .storage
            }
        return CNIError(code, message, details: advice)
    }
}

extension FirewalldError: CNIErrorConvertible {
    public var cniError: CNIError {
        let code: CNIError.Code =
            switch (cause, self.code) {
            // It may own its name before it answers, while it starts.
            case (.timedOut, _): .tryAgainLater
            case (_, "INVALID_ZONE"): .invalidConfiguration
            default: .inputOutput
            }
        return CNIError(code, "\(self)", details: "firewalldZone says which zone; firewall-cmd --get-zones lists them")
    }
}
