internal import Addresses
internal import Attachments
internal import CNI
internal import JSON
internal import NetlinkCodec
internal import Posix

/// The settings of a bridge network: the keys of `bridge`, which `swiftlet` also accepts, with other defaults.
struct BridgeSettings {
    var bridge: String
    var isGateway: Bool
    var isDefaultGateway: Bool
    var forceAddress: Bool
    var keepsOtherGateways: Bool
    /// Octets; nil leaves it to the kernel (1500).
    var mtu: UInt32?
    /// The pods' limits, and the minimum for the node towards them; nil leaves them to the kernel.
    var gso: GSOLimits?
    var hairpin: Bool
    var promiscuous: Bool
    /// 1...4094; nil for none.
    var vlan: UInt16?
    var trunk: [PortVLAN]
    var preservesDefaultVLAN: Bool
    var detectsDuplicates: Bool
    var disablesContainerInterface: Bool
    var isolatesPort: Bool
    /// The requested MAC; nil for the one derived from address or owner.
    var mac: MACAddress?
    /// Replaces what IPAM returns; nil leaves it.
    var dns: CNIResult.DNS?
    /// Whether traffic that leaves the network gets the node's address.
    var masquerades: Bool
    /// Destinations outside the network that still see pods' own addresses.
    var unmasqueraded: [CIDR]
    /// Whether pods are restricted to their MAC.
    var guardsMAC: Bool
    /// Whether they are restricted to MAC and addresses.
    var guardsAddresses: Bool

    /// The node's interface with the gateway addresses; nil if it has none.
    var gatewayInterfaceName: String? { isGateway ? nodeInterfaceName : nil }

    /// The interface by which the node sends to the pods, if it does.
    var nodeInterfaceName: String { vlan.map { "\(bridge).\($0)" } ?? bridge }

    /// Whether the bridge must filter VLANs.
    var usesVLANs: Bool { vlan != nil || !trunk.isEmpty }

    enum Keys {
        static func bridge(default name: String) -> ConfigurationKey<String> {
            .text("bridge", default: name, "Name of the bridge; made when it is missing.")
        }
        static func isGateway(default flag: Bool) -> ConfigurationKey<Bool> {
            .flag("isGateway", default: flag, "Give the bridge the pods' gateway address, and forward.")
        }
        static func isDefaultGateway(default flag: Bool) -> ConfigurationKey<Bool> {
            .flag("isDefaultGateway", default: flag, "Also give pods a default route; implies `isGateway`.")
        }
        static let forceAddress = ConfigurationKey<Bool>.flag(
            "forceAddress", "Replace another address that the bridge has in the gateway's subnet.")
        static let mtu = ConfigurationKey.mtu(
            "MTU of bridge and veth in octets, 68 to 65535; 0 leaves it to the kernel.")
        static func hairpinMode(default flag: Bool) -> ConfigurationKey<Bool> {
            .flag(
                "hairpinMode", default: flag,
                "Let a pod reach itself by an address that leads through the bridge, such as its Service's; not with `promiscMode`."
            )
        }
        static let promiscMode = ConfigurationKey<Bool>.flag("promiscMode", "Set the bridge promiscuous.")
        static let vlan = ConfigurationKey<Int>.number(
            "vlan", default: 0, in: -1 << 31...1 << 31, "VLAN of the pods, 1 to 4094; 0 for none.")
        static let preserveDefaultVlan = ConfigurationKey<Bool>.flag(
            "preserveDefaultVlan", "Keep VLAN 1 on the pod's bridge port.")
        static let macspoofchk = ConfigurationKey<Bool>.flag(
            "macspoofchk", "Hold pods to their MAC: frames sent with another one are dropped.")
        static let ipMasq = ConfigurationKey<Bool>.flag(
            "ipMasq", "Masquerade: packets that leave the network carry the node's address.")
        static let ipMasqBackend = Backend.key(
            "ipMasqBackend", ["nftables", "iptables"], unknown: "unknown ipmasq backend")
        static let enabledad = ConfigurationKey<Bool>.flag("enabledad", "Detect duplicate IPv6 addresses in the pod.")
        static let disableContainerInterface = ConfigurationKey<Bool>.flag(
            "disableContainerInterface", "Leave the pod's interface down; without IPAM only.")
        static let portIsolation = ConfigurationKey<Bool>.flag(
            "portIsolation", "Keep the bridge's pods from each other; they reach only the gateway.")

        static let antiSpoof = ConfigurationKey<Bool>.flag(
            "antiSpoof", "Hold pods to their MAC and their addresses: IPv4, ARP, IPv6 and neighbour discovery.")
        static let nonMasqueradeCIDRs = ConfigurationKey<[CIDR]>(
            "nonMasqueradeCIDRs", default: [],
            "Destinations that `ipMasq` does not masquerade, such as the cluster's pod network."
        ) { reader throws(Failure) in
            let list = try reader.elements()
            guard list.count <= 1024 else { throw reader.tooLong(limit: 1024) }
            return try list.map { element throws(Failure) in
                let cidr = try element.cidr()
                guard cidr.isNetwork else { throw element.wrong("a network address, \(cidr.network)") }
                return cidr
            }
        }
        static let suspended = ConfigurationKey<String>.text(
            "suspended", default: "",
            "Why no pod may be attached at the moment: ADD fails with 11, STATUS with 50 and this text; written by swiftlet-agent."
        )
        static let keepOtherGateways = ConfigurationKey<Bool>.flag(
            "keepOtherGateways",
            "Leave the gateway of another subnet on the bridge, for a node whose subnet has changed while pods run.")
        /// Keys that only `swiftlet` accepts.
        @KeyList static var ownOnly: [KeyDescription] {
            antiSpoof
            nonMasqueradeCIDRs
            suspended
            keepOtherGateways
        }

        static let vlanTrunk = ConfigurationKey<[PortVLAN]>(
            "vlanTrunk", default: [],
            "VLANs that reach the pod tagged: a list of `{\"minID\", \"maxID\"}` and `{\"id\"}`, each 1 to 4094."
        ) { reader throws(Failure) in try VLANTrunk.read(reader) }

        /// Keys that hold lists.
        @KeyList static var lists: [KeyDescription] {
            vlanTrunk
        }

        /// All other keys with the defaults of `bridge` or of `swiftlet`, for documentation and validation.
        @KeyList static func all(_ defaults: BridgeDefaults) -> [KeyDescription] {
            bridge(default: defaults.bridge)
            isGateway(default: defaults.isGateway)
            isDefaultGateway(default: defaults.isGateway)
            forceAddress
            mtu
            hairpinMode(default: defaults.hairpin)
            promiscMode
            vlan
            preserveDefaultVlan
            macspoofchk
            ipMasq
            ipMasqBackend
            enabledad
            disableContainerInterface
            portIsolation
            BigTCP.Keys.everything
        }
    }

    /// - Throws: code 2, 6 or 7, naming key and value.
    init(_ request: Request, _ defaults: BridgeDefaults) throws(Failure) {
        let configuration = request.configuration
        bridge = try configuration[Keys.bridge(default: defaults.bridge)]
        isDefaultGateway = try configuration[Keys.isDefaultGateway(default: defaults.isGateway)]
        isGateway = try configuration[Keys.isGateway(default: defaults.isGateway)] || isDefaultGateway
        forceAddress = try configuration[Keys.forceAddress]
        let mtu = try configuration[Keys.mtu]
        self.mtu = mtu == 0 ? nil : UInt32(mtu)
        gso = try BigTCP.limits(configuration)
        promiscuous = try configuration[Keys.promiscMode]
        hairpin = try configuration[Keys.hairpinMode(default: defaults.hairpin && !promiscuous)]
        preservesDefaultVLAN = try configuration[Keys.preserveDefaultVlan]
        detectsDuplicates = try configuration[Keys.enabledad]
        disablesContainerInterface = try configuration[Keys.disableContainerInterface]
        isolatesPort = try configuration[Keys.portIsolation]
        dns = try configuration.dnsOverride()
        mac = try request.requestedMAC()
        let vlan = try configuration[Keys.vlan]
        guard (0...4094).contains(vlan) else {
            throw Failure(
                .invalidConfiguration, "vlan: invalid VLAN ID \(vlan) (must be between 0 and 4094)")
        }
        self.vlan = vlan == 0 ? nil : UInt16(vlan)
        trunk = try configuration[Keys.vlanTrunk]
        masquerades = try configuration[Keys.ipMasq]
        guardsMAC = try configuration[Keys.macspoofchk]
        // `bridge` does not know these keys and ignores unknown ones.
        unmasqueraded = defaults.takesOwnKeys ? try configuration[Keys.nonMasqueradeCIDRs] : []
        guardsAddresses = defaults.takesOwnKeys ? try configuration[Keys.antiSpoof] : false
        keepsOtherGateways = defaults.takesOwnKeys ? try configuration[Keys.keepOtherGateways] : false
        try Backend.note(Keys.ipMasqBackend, request)
        try refuseContradictions(request)
    }

    /// The bridge's name, for commands that must continue if the configured one is unusable.
    static func bridgeName(_ request: Request, _ defaults: BridgeDefaults) -> String {
        (try? request.configuration[Keys.bridge(default: defaults.bridge)]) ?? defaults.bridge
    }

    private func refuseContradictions(_ request: Request) throws(Failure) {
        guard !hairpin || !promiscuous else {
            throw Failure(
                .invalidConfiguration, "cannot set hairpin mode and promiscuous mode at the same time",
                details: "hairpinMode and promiscMode are both true")
        }
        guard Attachment.isInterfaceName(bridge) else {
            throw Failure(
                .invalidConfiguration, "bridge \"\(bridge)\" is not an interface name",
                details: "at most 15 octets, without /, :, % and blanks")
        }
        guard !guardsAddresses || trunk.isEmpty else {
            throw Failure(
                .invalidConfiguration, "antiSpoof and vlanTrunk are both set",
                details: "tagged frames cannot be checked for their addresses")
        }
    }
}
