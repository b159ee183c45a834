internal import Addresses
internal import CNI
internal import Posix

extension Request {
    /// The result of ADD, which CHECK must be given.
    func requiredPreviousResult() throws(Failure) -> CNIResult {
        guard let result = try configuration.previousResult() else {
            throw Failure(
                .invalidConfiguration, "Required prevResult missing",
                details: "the runtime must hand CHECK the result of ADD as prevResult")
        }
        return result
    }

    /// What the plugins before this one in the chain have returned.
    ///
    /// - Parameter complaint: what people know the error by.
    /// - Throws: code 7 when there are none.
    func chainedResult(_ complaint: String = "must be called as chained plugin") throws(Failure) -> CNIResult {
        guard let result = try configuration.previousResult() else {
            throw Failure(
                .invalidConfiguration, complaint,
                details:
                    "\(configuration.type) works on what an earlier plugin in \"plugins\" has attached; prevResult is missing"
            )
        }
        return result
    }
}

extension CNIResult {
    /// The addresses of the pod's interface of that name; of all interfaces that are not said to be another's.
    func addresses(of ifname: String) -> [CIDR] { ips(of: ifname).map { $0.address } }

    /// The same with their gateways.
    func ips(of ifname: String) -> [IP] {
        ips.filter { ip in
            guard let index = ip.interface, interfaces.indices.contains(index) else { return true }
            return interfaces[index].name == ifname && interfaces[index].sandbox != nil
        }
    }
}
