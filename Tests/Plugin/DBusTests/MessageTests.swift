import TestSupport
import Testing

@testable import DBus

private func answer(_ octets: [UInt8]) throws -> Answer { try IncomingMessage(octets).answer() }

private func call(_ arguments: String...) -> MethodCall {
    MethodCall("m", arguments, destination: "a.b", path: "/c", interface: "d.e")
}

@Suite struct MessageTests {
    @Test func aCallIsWrittenAsTheSpecificationSays() throws {
        let expected = hex(
            """
            6c010201 12000000 09000000 48000000     // little-endian, call, no auto-start, version 1; body, serial, fields
            01016f00 02000000 2f630000 00000000     // path, "/c"
            02017300 03000000 642e6500 00000000     // interface, "d.e"
            03017300 01000000 6d000000 00000000     // member, "m"
            06017300 03000000 612e6200 00000000     // destination, "a.b"
            08016700 02737300                       // signature, "ss"
            05000000 7a6f6e65 73000000              // "zones"
            01000000 7800                           // "x"
            """)
        #expect(try call("zones", "x").encoded(serial: 9) == expected)
    }

    @Test func aCallWithoutArgumentsHasNeitherBodyNorSignature() throws {
        let expected = hex(
            """
            6c010201 00000000 09000000 3c000000     // the padding behind the last field is not counted
            01016f00 02000000 2f630000 00000000
            02017300 03000000 642e6500 00000000
            03017300 01000000 6d000000 00000000
            06017300 03000000 612e6200 00000000
            """)
        #expect(try call().encoded(serial: 9) == expected)
    }

    @Test func everyPartOfACallIsAligned() throws {
        for length in 0...16 {
            let text = String(repeating: "x", count: length)
            let octets = try MethodCall(text, [text, text], destination: text, path: text, interface: text)
                .encoded(serial: 1)
            #expect(try IncomingMessage.size(of: octets) == octets.count)
            let message = try IncomingMessage(octets)
            #expect(message.type == .methodCall && message.signature == "ss")
        }
    }

    @Test func whatCannotBeSentIsRefusedBefore() throws {
        #expect(throws: BusError.unsendable("a\0b")) { try call("x", "a\0b").encoded(serial: 1) }
        let long = String(repeating: "x", count: IncomingMessage.sizeLimit)
        #expect(throws: BusError.self) { try call(long).encoded(serial: 1) }
        let many = MethodCall(
            "m", Array(repeating: "", count: 256), destination: "a.b", path: "/c", interface: "d.e")
        #expect(throws: BusError.self) { try many.encoded(serial: 1) }
    }

    @Test func realAnswersAreRead() throws {
        let hello = try IncomingMessage(Captured.hello)
        #expect(hello.type == .methodReturn && hello.replySerial == 1 && hello.sender == "org.freedesktop.DBus")
        #expect(try hello.answer() == .string(":1.3"))
        let signal = try IncomingMessage(Captured.nameAcquired)
        #expect(signal.type == .signal && signal.replySerial == nil)
        let noOwner = try IncomingMessage(Captured.noOwner)
        #expect(noOwner.type == .error && noOwner.replySerial == 3)
        #expect(noOwner.errorName == "org.freedesktop.DBus.Error.NameHasNoOwner")
        #expect(try noOwner.errorText() == "Could not get owner of name 'no.such': no such name")
        #expect(try answer(Captured.added) == .string("trusted"))
        let noZone = try IncomingMessage(Captured.noZone)
        #expect(noZone.errorName == "org.fedoraproject.FirewallD1.Exception" && noZone.sender == ":1.1")
        #expect(try noZone.errorText() == "INVALID_ZONE: nosuch")
        #expect(try answer(Captured.isThere) == .boolean(true))
    }

    @Test(arguments: [false, true])
    func answersOfBothByteOrdersAreRead(_ isBigEndian: Bool) throws {
        func octets(_ signature: String, _ body: Outgoing.Value...) -> [UInt8] {
            var message = Outgoing(answering: 0x0102_0304, signature)
            message.isBigEndian = isBigEndian
            message.body = body
            return message.octets
        }
        #expect(try answer(octets("s", .string("größer"))) == .string("größer"))
        #expect(try answer(octets("s", .string(""))) == .string(""))
        #expect(try answer(octets("b", .number(0))) == .boolean(false))
        #expect(try answer(octets("b", .number(1))) == .boolean(true))
        #expect(try answer(octets("")) == .nothing)
        #expect(try IncomingMessage(octets("")).replySerial == 0x0102_0304)
    }

    @Test func anErrorsTextIsItsFirstString() throws {
        var message = Outgoing(answering: 1, "su", .string("words"), .number(7))
        message.type = 3
        message.fields.append((4, "s", .string("an.Error")))
        #expect(try IncomingMessage(message.octets).errorText() == "words")
        message.fields[2].value = .signature("u")
        message.body = [.number(7)]
        #expect(try IncomingMessage(message.octets).errorText() == "")
        message.fields.remove(at: 2)
        message.body = []
        #expect(try IncomingMessage(message.octets).errorText() == "")
    }

    /// Fields, types and flags of later versions are to be ignored.
    @Test func whatIsNotKnownIsPassedOver() throws {
        // Signature, boundary, and octets of a value.
        let values: [(String, Int, [UInt8])] = [
            ("y", 1, [1]), ("n", 2, [1, 0]), ("u", 4, [1, 0, 0, 0]), ("t", 8, [1, 2, 3, 4, 5, 6, 7, 8]),
            ("s", 4, [1, 0, 0, 0, 0x61, 0]), ("g", 1, [1, 0x75, 0]), ("as", 4, [4, 0, 0, 0, 9, 9, 9, 9]),
            ("v", 1, [1, 0x79, 0, 7]), ("(yy)", 8, [1, 2]), ("a{sv}", 4, [0, 0, 0, 0, 0, 0, 0, 0]),
            ("ax", 4, [8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]), ("h", 4, [0, 0, 0, 0]),
            ("(y(yv))", 8, [1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0x79, 0, 3]), ("o", 4, [1, 0, 0, 0, 0x2f, 0]),
        ]
        for (signature, boundary, value) in values {
            var message = Outgoing(answering: 5, "s", .string("text"))
            // A field begins at a multiple of 8; its code and signature come before the value.
            let before = 1 + 1 + signature.utf8.count + 1
            let padding = [UInt8](repeating: 0, count: (boundary - before % boundary) % boundary)
            message.fields.insert((200, signature, .octets(padding + value)), at: 1)
            #expect(try answer(message.octets) == .string("text"), "\(signature)")
        }
        var message = Outgoing(answering: 5, "")
        message.type = 9
        #expect(try IncomingMessage(message.octets).type == nil)
    }
}
