internal import CNI
internal import Net
internal import Netfilter

extension BridgeNetwork {
    /// What the pod needs of nf_tables.
    func rules(_ result: CNIResult, _ veth: VethPair) throws -> PodRules {
        let addresses = result.ips.map(\.address)
        var rules = PodRules()
        var subnets: [CIDR] = []
        for address in addresses where !subnets.contains(address.network) { subnets.append(address.network) }
        if settings.masquerades, !subnets.isEmpty {
            rules.masquerade = Masquerade(sources: subnets, exceptions: settings.unmasqueraded)
        }
        if settings.guardsMAC || settings.guardsAddresses {
            rules.spoofGuard = SpoofGuard(
                port: veth.owner.hostName, mac: veth.mac,
                addresses: settings.guardsAddresses ? addresses.map(\.address) : nil)
        }
        rules.ports = try ports?.ports(
            addresses: addresses, localRoute: settings.gatewayInterfaceName, hairpinPort: nil)
        if let isolation {
            rules.isolation = isolation.isolation(settings.bridge)
            rules.passage = Passage(subnets: subnets)
        }
        return rules
    }
}
