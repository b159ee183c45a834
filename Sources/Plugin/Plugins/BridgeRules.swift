internal import Addresses
internal import CNI
internal import Netfilter
internal import Posix

extension BridgeNetwork {
    /// What the pod needs from nf_tables.
    func rules(_ result: CNIResult, _ veth: VethPair) throws(Failure) -> PodRules {
        let addresses = result.ips.map { $0.address }
        var rules = PodRules()
        if settings.masquerades, !addresses.isEmpty {
            rules.masquerade = Masquerade(sources: addresses.networks, exceptions: settings.unmasqueraded)
        }
        if settings.guardsMAC || settings.guardsAddresses {
            rules.spoofGuard = SpoofGuard(
                port: veth.owner.hostName, mac: veth.mac,
                addresses: settings.guardsAddresses ? addresses.map { $0.address } : nil)
        }
        rules.ports = try ports?.ports(
            addresses: addresses, localRoute: settings.gatewayInterfaceName, hairpinPort: nil)
        if let isolation {
            // The interface that carries traffic for other bridges.
            rules.isolation = isolation.isolation(settings.nodeInterfaceName)
            rules.passage = isolation.passage(addresses)
        }
        return rules
    }
}
