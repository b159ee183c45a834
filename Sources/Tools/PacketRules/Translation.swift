internal import Addresses
internal import NetlinkCodec

/// Expressions that rewrite addresses and ports.
extension NftMachine {
    mutating func translate(
        _ translation: NftListedTranslation, _ registers: Registers, _ table: NftTable, _ chain: String
    ) -> Step {
        let address = translation.address.flatMap { registers.load($0, packet.family.byteWidth) }
        guard let octets = address ?? (translation.address == nil ? [] : nil) else {
            return .anything("it rewrites to something that is not known here")
        }
        let own = translation.isDestination ? packet.destination : packet.source
        let new = IPAddress(bytes: octets) ?? own
        let port = port(translation.port, registers)
        return translation.isDestination
            ? rewrite(destination: new, port: port, table, chain) : rewrite(source: new, port: port, table, chain)
    }

    mutating func masquerade(_ table: NftTable, _ chain: String) -> Step {
        guard let source = context.masqueradeSource else { return .anything("no address to masquerade with") }
        return rewrite(source: source, table, chain)
    }

    mutating func redirect(to port: NftRegister?, _ registers: Registers, _ table: NftTable, _ chain: String) -> Step {
        let own =
            context.point == .output
            ? IPAddress(packet.family, packet.family == .v4 ? 0x7f00_0001 : 1)
            : context.input?.addresses.first { $0.family == packet.family }?.address
        guard let own else { return .anything("no address to redirect to") }
        return rewrite(destination: own, port: self.port(port, registers), table, chain)
    }

    private func port(_ register: NftRegister?, _ registers: Registers) -> UInt16? {
        register.flatMap { registers.load($0, 2) }.map { UInt16($0[0]) << 8 | UInt16($0[1]) }
    }
}
