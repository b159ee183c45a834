import Addresses
import Testing
import TestSupport

@Suite struct MACAddressTests {
    @Test func everyOctetInEveryPlaceIsPrintedAndReadBack() {
        for position in 0..<6 {
            for octet in UInt8.min...UInt8.max {
                var octets: [UInt8] = [0x02, 0x42, 0xac, 0x11, 0x00, 0xff]
                octets[position] = octet
                let mac = MACAddress(bytes: octets)!
                let digits = octets.map { String(UInt32($0) + 0x100, radix: 16).suffix(2) }
                #expect(mac.description == digits.joined(separator: ":"))
                #expect(MACAddress(mac.description) == mac)
                #expect(MACAddress(mac.description.uppercased()) == mac)
                #expect(MACAddress(digits.joined(separator: "-")) == mac)
                #expect(mac.isMulticast == (octets[0] % 2 == 1))
            }
        }
    }

    @Test func everyCharacterInEveryPlaceIsTakenOrRefused() {
        let good = Array("02:42:ac:11:00:ff".utf8)
        let digits = Set("0123456789abcdefABCDEF".utf8)
        for position in good.indices {
            for character in UInt8(1)...127 {
                var text = good
                text[position] = character
                let fits = position % 3 == 2 ? character == UInt8(ascii: ":") : digits.contains(character)
                #expect((MACAddress(String(decoding: text, as: UTF8.self)) != nil) == fits)
            }
        }
    }

    @Test(arguments: [
        "", "02", "02:42:ac:11:00", "02:42:ac:11:00:f", "02:42:ac:11:00:ff:", "02:42:ac:11:00:ff:00", "0242.ac11.00ff",
        "0242ac1100ff", "02-42:ac-11:00-ff", "2:42:ac:11:00:0ff", "02:42:ac:11:00:f\u{301}",
        "02:42:ac:11:00:ff:02:42",
    ])
    func aTextThatIsNoMACIsRefused(_ text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test func onlySixOctetsMakeAMAC() {
        for count in 0...20 {
            #expect((MACAddress(bytes: [UInt8](repeating: 7, count: count)) != nil) == (count == 6))
        }
    }

    @Test func aMadeUpMACIsLocalAndUnicastAndKeepsTheRestOfItsSeed() {
        var random = SplitMix64(seed: 6)
        for _ in 0..<1000 {
            let seed = random.next()
            let mac = MACAddress(locallyAdministered: seed)
            #expect(mac.bytes[0] & 0x03 == 0x02)
            #expect(!mac.isMulticast && !mac.isZero)
            #expect(mac.bytes[0] >> 2 == UInt8(truncatingIfNeeded: seed >> 42) & 0x3f)
            let rest: [UInt8] = (1..<6).map { UInt8(truncatingIfNeeded: seed >> UInt64(40 - 8 * $0)) }
            #expect(Array(mac.bytes.dropFirst()) == rest)
        }
    }

    @Test func zeroIsOnlyTheZeroMAC() {
        #expect(MACAddress("00:00:00:00:00:00")!.isZero)
        #expect(!MACAddress("00:00:00:00:00:01")!.isZero)
    }
}
