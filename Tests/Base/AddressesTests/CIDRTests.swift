import Addresses
import Testing
import TestSupport

/// A piece of the address space that is small enough to count by hand: 64 addresses, one bit of a UInt64 for each.
private struct SmallAddressSpace {
    let base: IPAddress
    var addresses: [IPAddress] { (0..<64).map { base.advanced(by: $0)! } }
    /// The prefix lengths that lie within it.
    var lengths: ClosedRange<Int> { base.family.bitWidth - 6...base.family.bitWidth }

    /// The addresses whose leading bits are those of `cidr`, found by comparing them as text.
    func members(_ cidr: CIDR) -> UInt64 {
        let prefix = bits(cidr.address).prefix(cidr.prefixLength)
        return set { bits($0).hasPrefix(prefix) }
    }

    func set(_ test: (IPAddress) -> Bool) -> UInt64 {
        addresses.enumerated().reduce(0) { test($1.element) ? $0 | 1 << UInt64($1.offset) : $0 }
    }
}

@Suite struct CIDRTests {
    @Test(arguments: ["10.255.3.64", "fd00::ff:0"])
    func everySmallPrefixHasTheMembersThatItsBitsSay(_ base: String) {
        let space = SmallAddressSpace(base: IPAddress(base)!)
        var all: [(CIDR, UInt64)] = []
        for address in space.addresses {
            for length in space.lengths {
                let cidr = CIDR(address, length)
                let members = space.members(cidr)
                let first = space.addresses[members.trailingZeroBitCount]
                let last = space.addresses[63 - members.leadingZeroBitCount]
                #expect(cidr.first == first && cidr.last == last)
                #expect(cidr.range == AddressRange(first, last))
                #expect(cidr.range.count == UInt128(members.nonzeroBitCount))
                #expect(cidr.network == CIDR(first, length))
                #expect(cidr.isNetwork == (address == first))
                #expect(cidr.hostBits == address.family.bitWidth - length)
                #expect(space.set(cidr.contains) == members)
                all.append((cidr, members))
            }
        }
        for (one, itsMembers) in all {
            for (other, theirMembers) in all where one.overlaps(other) != (itsMembers & theirMembers != 0) {
                Issue.record("\(one) and \(other)")
            }
        }
    }

    @Test(arguments: IPFamily.allCases)
    func everyPrefixLengthHasItsMaskAndItsEnds(_ family: IPFamily) {
        var random = SplitMix64(seed: 5)
        for length in 0...family.bitWidth {
            let cidr = CIDR(IPAddress(family, random.value128() & family.maximum), length)
            let head = String(bits(cidr.address).prefix(length))
            let rest = family.bitWidth - length
            #expect(bits(cidr.mask) == String(repeating: "1", count: length) + String(repeating: "0", count: rest))
            #expect(bits(cidr.first) == head + String(repeating: "0", count: rest))
            #expect(bits(cidr.last) == head + String(repeating: "1", count: rest))
            #expect(cidr.contains(cidr.address) && cidr.contains(cidr.first) && cidr.contains(cidr.last))
            #expect(cidr.network.isNetwork)
            if let after = cidr.last.advanced(by: 1) { #expect(!cidr.contains(after)) }
            #expect(CIDR(cidr.description) == cidr)
        }
        #expect(CIDR("10.1.2.3/16")?.mask.description == "255.255.0.0")
        #expect(CIDR("10.1.2.3/16")?.last.description == "10.1.255.255")
    }

    @Test func familiesNeverMix() {
        let v4 = CIDR("0.0.0.0/0")!
        let v6 = CIDR("::/0")!
        #expect(!v4.overlaps(v6) && !v6.overlaps(v4))
        #expect(!v4.contains(IPAddress("::1")!) && !v6.contains(IPAddress("10.0.0.1")!))
        #expect(v6.range.count == .max)
        #expect(v4.range.count == 1 << 32)
    }

    @Test func theLengthIsADecimalNumberThatFitsTheFamily() {
        for length in -1...1000 {
            #expect((CIDR("10.0.0.0/\(length)") != nil) == (0...32).contains(length))
            #expect((CIDR("fd00::/\(length)") != nil) == (0...128).contains(length))
        }
    }

    @Test(arguments: [
        "", "/", "10.0.0.0", "10.0.0.0/", "/8", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0 /8",
        "10.0.0.0/8 ",
        "10.0.0.0/8/", "10.0.0.0//8", "10.0.0.0/8/8", "10.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.0/0x8",
        "fd00::/64%eth0",
        "fd00::%eth0/64", "10.0.0.0/9999999999999999999999",
    ])
    func aTextThatIsNoPrefixIsRefused(_ text: String) {
        #expect(CIDR(text) == nil)
    }

    @Test func hostBitsAreKeptAsWritten() {
        #expect(CIDR("10.1.0.5/16")?.description == "10.1.0.5/16")
        #expect(CIDR("FD00:0::05/064") == nil)
        #expect(CIDR("FD00:0::05/64")?.description == "fd00::5/64")
    }
}

@Suite struct AddressRangeTests {
    @Test func allRangesOfASmallSpaceOverlapAndContainAsSetsDo() {
        for base in [IPAddress("0.0.0.0")!, IPAddress("255.255.255.240")!, IPAddress(.v6, .max - 15)] {
            let addresses = (0..<16).map { base.advanced(by: $0)! }
            var ranges: [(AddressRange, ClosedRange<Int>)] = []
            for low in 0..<16 {
                for high in low..<16 { ranges.append((AddressRange(addresses[low], addresses[high]), low...high)) }
            }
            for (range, positions) in ranges {
                #expect(range.count == UInt128(positions.count))
                for (position, address) in addresses.enumerated() {
                    #expect(range.contains(address) == positions.contains(position))
                }
                for (other, theirs) in ranges where range.overlaps(other) != positions.overlaps(theirs) {
                    Issue.record("\(range) and \(other)")
                }
            }
        }
    }

    @Test func aRangeReadsAsFirstAndLast() {
        #expect(AddressRange(IPAddress("10.0.0.1")!, IPAddress("10.0.0.9")!).description == "10.0.0.1-10.0.0.9")
    }
}
