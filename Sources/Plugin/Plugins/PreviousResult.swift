internal import Addresses
internal import CNI
internal import Posix

extension Request {
    /// The result of ADD, which is required for CHECK.
    func requiredPreviousResult() throws(Failure) -> CNIResult {
        guard let result = try configuration.previousResult() else {
            throw Failure(
                .invalidConfiguration, "Required prevResult missing",
                details: "the runtime must hand CHECK the result of ADD as prevResult")
        }
        return result
    }

    /// The result of the plugins before this one in the chain.
    ///
    /// - Parameter complaint: the message that users know this error by.
    /// - Throws: code 7 if there is none.
    func chainedResult(_ complaint: String = "must be called as chained plugin") throws(Failure) -> CNIResult {
        guard let result = try configuration.previousResult() else {
            throw Failure(
                .invalidConfiguration, complaint,
                details:
                    "\(configuration.type) changes what an earlier plugin in \"plugins\" has attached; prevResult is missing"
            )
        }
        return result
    }
}

extension CNIResult {
    /// The addresses of the pod's interface of that name, including those not assigned to another interface.
    func addresses(of ifname: String) -> [CIDR] { ips(of: ifname).map { $0.address } }

    /// The same with their gateways.
    func ips(of ifname: String) -> [IP] {
        ips.filter { ip in
            guard let index = ip.interface, interfaces.indices.contains(index) else { return true }
            return interfaces[index].name == ifname && interfaces[index].sandbox != nil
        }
    }
}
