import Posix
import Testing

@testable import DBus

@Suite struct AddressTests {
    @Test(
        arguments: [
            ("unix:path=/run/dbus/system_bus_socket", [.path("/run/dbus/system_bus_socket")]),
            ("unix:abstract=a,guid=12", [.abstract("a")]),
            ("unix:guid=12,path=/a;unix:path=/b", [.path("/a"), .path("/b")]),
            ("unix:path=/a%20b%2c%C3%A9", [.path("/a b,é")]), ("tcp:host=localhost,port=1;unix:path=/a", [.path("/a")]),
            ("unix:path=/a;", [.path("/a")]), ("unix:path=/a=b", [.path("/a=b")]),
        ] as [(String, [UnixSocketAddress])])
    func goodOnesAreRead(_ text: String, _ expected: [UnixSocketAddress]) throws {
        #expect(try BusAddress.parse(text) == expected)
    }

    @Test(arguments: [
        "", ";", "unix", "/run/dbus/system_bus_socket", "unix:", "unix:path", "unix:path=", "unix:path=/a%",
        "unix:path=%2",
        "unix:path=%zz", "unix:path=%00", "unix:path=%ff", "unix:path=%é0", "unix:tmpdir=/tmp", "tcp:host=a",
        "unix:path=/a;nothing",
    ])
    func badOnesAreRefused(_ text: String) {
        #expect(throws: BusError.unusableAddress(text)) { try BusAddress.parse(text) }
    }
}

@Suite struct HandshakeTests {
    @Test func theUserIsSpelledOutInHexadecimal() {
        #expect(Handshake.request(user: 0) == Array("\0AUTH EXTERNAL 30\r\n".utf8))
        #expect(Handshake.request(user: 1000) == Array("\0AUTH EXTERNAL 31303030\r\n".utf8))
    }

    @Test func linesAreTakenWhenTheyAreWhole() throws {
        var received = Array("OK a".utf8)
        #expect(try Handshake.takeLine(&received) == nil)
        received += Array("b\r\nrest".utf8)
        #expect(try Handshake.takeLine(&received) == Array("OK ab".utf8))
        #expect(received == Array("rest".utf8))
        for bad in ["\n", "OK\n", String(repeating: "x", count: Handshake.lineLimit)] {
            var received = Array(bad.utf8)
            #expect(throws: BusError.self) { try Handshake.takeLine(&received) }
        }
    }

    @Test func onlyOKLetsUsIn() throws {
        try Handshake.check(answer: Array("OK 1234".utf8))
        #expect(throws: BusError.rejected("REJECTED KERBEROS")) {
            try Handshake.check(answer: Array("REJECTED KERBEROS".utf8))
        }
        #expect(throws: BusError.rejected("ERROR")) { try Handshake.check(answer: Array("ERROR".utf8)) }
        for bad in [[], Array("OKAY".utf8), Array("DATA".utf8), [0xff, 0xfe]] as [[UInt8]] {
            #expect(throws: BusError.self) { try Handshake.check(answer: bad) }
        }
    }
}
