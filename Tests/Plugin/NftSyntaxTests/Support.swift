import Addresses
import CKernel
import Foundation
import Kernel
import NetlinkCodec
import NftSyntax
import Posix
import TestSupport

/// Not that of Posix.
typealias Failure = UnexpectedState

/// What a thread leaves; read after it has signalled.
private final class Box<Value>: @unchecked Sendable { var result: Result<Value, any Error>? }

/// Runs the body in a thread and a network namespace of its own, both of which end with it.
func inNewNamespace<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
    let (box, done) = (Box<Value>(), DispatchSemaphore(value: 0))
    Thread.detachNewThread {
        box.result = Result {
            guard ck_unshare(ck_clone_newnet) == 0 else { throw Failure("no namespace: these tests need root") }
            return try body()
        }
        done.signal()
    }
    done.wait()
    guard let result = box.result else { throw Failure("no result") }
    return try result.get()
}

/// Runs nft in the namespace of the calling thread.
func nft(_ arguments: [String], input: String? = nil) throws -> String {
    let file = NSTemporaryDirectory() + "swt-\(getpid())-\(UUID().uuidString).nft"
    if let input { try input.write(toFile: file, atomically: false, encoding: .utf8) }
    defer { try? FileManager.default.removeItem(atPath: file) }
    let command = (["/usr/sbin/nft"] + arguments + (input == nil ? [] : ["-f", file])).joined(separator: " ")
    return try output(of: command)
}

/// A ruleset as nft lists it: for people, and as instructions of the kernel's machine.
struct Listing: Sendable {
    let text: [String]
    let code: [String]

    init() throws {
        text = try nft(["list", "ruleset"]).split(separator: "\n").map(String.init)
        // Sets come with their elements in an order of the kernel's; the text has them sorted.
        code = try nft(["--debug=netlink", "list", "ruleset"]).split(separator: "\n")
            .map(String.init).filter { $0.hasPrefix("  [") || $0.hasPrefix("inet t c") || $0.hasPrefix("ip") }
    }

    /// The rules alone.
    var rules: [String] { Array(text.dropFirst(2).dropLast(2)) }
}

private let chain = NftChain("c")

/// Has nft make rules of the conditions, each of which it has to take.
func rulesOfNft(_ conditions: [String], _ family: NftFamily) throws -> Listing {
    try inNewNamespace {
        let head = "add table \(family) t\nadd chain \(family) t c\n"
        _ = try nft([], input: head + conditions.map { "add rule \(family) t c \($0)\n" }.joined())
        return try Listing()
    }
}

/// Has the kernel make rules of what is parsed here, and compares what it lists.
func ownRules(_ conditions: [String], _ version: IPFamily, _ family: NftFamily) throws -> Listing {
    try inNewNamespace {
        let table = NftTable(family, "t")
        var number: UInt32 = 1
        var batch = Changes.batch()
        var rules: [NftRule] = []
        batch.append("table") { $0.addTable(table) }
        batch.append("chain") { $0.addChain(chain, to: table) }
        for condition in conditions {
            let parsed = try NftConditions(parsing: condition, family: version, table: family, firstSetNumber: number)
            number += UInt32(parsed.anonymousSets.count)
            batch.append(parsed.anonymousSets, to: table)
            let rule = NftRule(parsed.expressions)
            batch.append(condition) { $0.addRule(rule, to: chain.name, of: table) }
            rules.append(rule)
        }
        var socket = try NetlinkSocket(.netfilter)
        try socket.execute(batch)
        // Each is found again as what it is.
        let listed = try socket.rules(of: chain.name, in: table)
        guard listed.count == rules.count else { throw Failure("\(listed.count) of \(rules.count) rules") }
        for (condition, (listed, rule)) in zip(conditions, zip(listed, rules)) where !listed.isSame(as: rule) {
            throw Failure("not the same when listed: \(condition)")
        }
        return try Listing()
    }
}
