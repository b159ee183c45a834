import TestSupport
import Testing

@testable import DBus

/// Reads octets in every way that there is. Whatever they hold: nothing may trap.
@discardableResult
private func readEverything(_ octets: [UInt8]) -> IncomingMessage? {
    guard let size = try? IncomingMessage.size(of: octets), size <= octets.count,
        let message = try? IncomingMessage(Array(octets[..<size]))
    else { return nil }
    _ = try? message.answer()
    _ = try? message.errorText()
    return message
}

private func isRefused(_ message: Outgoing) -> Bool {
    do {
        let message = try IncomingMessage(message.octets)
        if message.type == .error { _ = try message.errorText() } else { _ = try message.answer() }
        return false
    } catch { return true }
}

@Suite struct RobustnessTests {
    @Test func everyTruncationIsRefused() {
        for octets in Captured.all {
            for length in 0..<octets.count {
                #expect(throws: BusError.self) { try IncomingMessage(Array(octets[..<length])) }
                #expect(readEverything(Array(octets[..<length])) == nil)
            }
            #expect(readEverything(octets) != nil)
            #expect(throws: BusError.self) { try IncomingMessage(octets + [0]) }
        }
    }

    @Test func everyValueOfEveryOctetIsReadWithoutTrapping() {
        for original in Captured.all {
            var octets = original
            for position in octets.indices {
                for value in UInt8.min...UInt8.max {
                    octets[position] = value
                    readEverything(octets)
                }
                octets[position] = original[position]
            }
        }
    }

    @Test func manyChangesAtOnceAreReadWithoutTrapping() {
        var random = SplitMix64(seed: 30)
        var readable = 0
        for round in 0..<30_000 {
            var octets = Captured.all[round % Captured.all.count]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                octets[Int.random(in: 0..<octets.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
            }
            if readEverything(octets) != nil { readable += 1 }
        }
        // Else the changes were all of the sort that is seen at once, and nothing was tested.
        #expect(readable > 1000)
    }

    @Test func randomFieldsBehindAGoodHeaderNeverTrap() {
        var random = SplitMix64(seed: 31)
        let alphabet = Array("ybnqiuxtdsoghva(){}z".utf8)
        for _ in 0..<30_000 {
            let count = Int.random(in: 0...12, using: &random)
            let signature = (0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
            var message = Outgoing(answering: 1, "")
            message.fields.append(
                (
                    UInt8(truncatingIfNeeded: random.next()), String(decoding: signature, as: UTF8.self),
                    .octets(random.bytes(Int.random(in: 0...40, using: &random)).map { $0 & 0x0f })
                ))
            readEverything(message.octets)
        }
    }

    @Test func sizesAreBounded() throws {
        #expect(try IncomingMessage.size(of: Array(Captured.hello[..<15])) == nil)
        #expect(try IncomingMessage.size(of: Array(Captured.hello[..<16])) == Captured.hello.count)
        for position in [4, 12] {
            for value: UInt8 in [0x02, 0x7f, 0xff] {
                var octets = Array(Captured.hello[..<16])
                octets[position + 2] = value
                octets[position + 3] = value
                #expect(throws: BusError.self) { try IncomingMessage.size(of: octets) }
            }
        }
    }

    @Test func brokenMessagesAreRefused() {
        let good = Outgoing(answering: 1, "s", .string("text"))
        #expect(!isRefused(good))
        func broken(_ why: Comment, _ change: (inout Outgoing) -> Void) {
            var message = good
            change(&message)
            #expect(isRefused(message), why)
        }
        broken("type 0") { $0.type = 0 }
        broken("serial 0") { $0.serial = 0 }
        broken("version 2") { $0.version = 2 }
        broken("no reply serial") { $0.fields.removeFirst() }
        broken("an error without a name") { $0.type = 3 }
        broken("a body without a signature") { $0.fields.removeLast() }
        broken("a field twice") { $0.fields.append($0.fields[1]) }
        broken("a field of another type") { $0.fields[0] = (5, "i", .number(1)) }
        broken("an answer of another type") { $0.fields[2].value = .signature("u") }
        broken("two values") { $0.fields[2].value = .signature("ss") }
        broken("more than the type says") { $0.body.append(.number(1)) }
        broken("no value") { $0.body = [] }
        broken("a string that leads outside") { $0.body = [.octets([5, 0, 0, 0, 0x61, 0])] }
        broken("a string that leads far outside") { $0.body = [.octets([255, 255, 255, 255, 0x61, 0])] }
        broken("a string without a NUL") { $0.body = [.octets([1, 0, 0, 0, 0x61, 0x61])] }
        broken("a string with a NUL inside") { $0.body = [.octets([2, 0, 0, 0, 0x61, 0, 0])] }
        broken("a string that is not UTF-8") { $0.body = [.octets([1, 0, 0, 0, 0xff, 0])] }
        broken("a boolean of 2") {
            $0.fields[2].value = .signature("b")
            $0.body = [.number(2)]
        }
    }

    /// Between two fields, and between the last one and the body.
    @Test(arguments: [29, 31, 77, 79])
    func paddingIsZero(_ position: Int) throws {
        var octets = Captured.hello
        #expect(octets[position] == 0)
        octets[position] = 1
        #expect(throws: BusError.malformed("padding that is not zero")) { try IncomingMessage(octets) }
    }

    @Test func signaturesThatAreNotOneTypeAreRefused() {
        for signature in ["", "a", "aa", "(", "()", "(y", "y)", "{", "{sv", "yy", "z", "a(", "(a)", "r", "\u{1}"] {
            var message = Outgoing(answering: 1, "")
            message.fields.append((200, signature, .octets([0, 0, 0, 0, 0, 0, 0, 0])))
            #expect(isRefused(message), "\(signature)")
        }
    }

    @Test func nestingIsBounded() {
        for count in [60, 100, 250] {
            for (opening, closing) in [("a", ""), ("(", ")"), ("a(", ")")] {
                let signature =
                    String(repeating: opening, count: count / opening.count / 2) + "y"
                    + String(repeating: closing, count: count / opening.count / 2)
                var message = Outgoing(answering: 1, "")
                message.fields.append((200, signature, .octets([UInt8](repeating: 0, count: 64))))
                readEverything(message.octets)
            }
        }
        // Variants in variants: each says that its value is another one.
        var message = Outgoing(answering: 1, "")
        let variants = (0..<5000).flatMap { _ in [1, 0x76, 0] as [UInt8] }
        message.fields.append((200, "v", .octets(variants + [1, 0x79, 0, 0])))
        #expect(isRefused(message))
    }
}
