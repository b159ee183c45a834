import NetlinkCodec

@testable import Trace

/// Rules as the kernel lists them, made of expressions with the numbers of linux/netfilter/nf_tables.h.
struct ListedRules {
    /// One expression of a rule.
    struct Expression: Sendable {
        let name: String
        var attributes: @Sendable (inout MessageBuilder) -> Void = { _ in }

        func encode(_ builder: inout MessageBuilder) {
            builder.attribute(1, text: name)
            builder.nested(2, attributes)
        }

        static let drop = verdict(0)
        static let notrack = Expression(name: "notrack")
        static let masquerade = Expression(name: "masq")

        static func verdict(_ code: UInt32) -> Expression {
            Expression(name: "immediate") { $0.nested(2) { $0.nested(2) { $0.attribute(1, bigEndian: code) } } }
        }
        static func value(_ octets: [UInt8], _ register: UInt32 = 1) -> Expression {
            Expression(name: "immediate") {
                $0.attribute(1, bigEndian: register)
                $0.nested(2) { $0.attribute(1, octets) }
            }
        }
        /// Loads what `meta` or `ct` knows under a key.
        static func load(_ name: String, _ key: UInt32) -> Expression {
            Expression(name: name) {
                $0.attribute(1, bigEndian: UInt32(1))
                $0.attribute(2, bigEndian: key)
            }
        }
        /// Sets the mark: of the packet (`meta`), or of its connection (`ct`).
        static func setMark(_ name: String) -> Expression {
            Expression(name: name) {
                $0.attribute(2, bigEndian: UInt32(3))
                $0.attribute(name == "meta" ? 3 : 4, bigEndian: UInt32(1))
            }
        }
        static func equal(_ octets: [UInt8]) -> Expression {
            Expression(name: "cmp") {
                $0.attribute(1, bigEndian: UInt32(1))
                $0.attribute(2, bigEndian: UInt32(0))
                $0.nested(3) { $0.attribute(1, octets) }
            }
        }
        /// Loads octets of the network header.
        static func header(_ offset: UInt32, _ length: UInt32) -> Expression {
            Expression(name: "payload") { builder in
                for (type, number) in [(1, UInt32(1)), (2, 1), (3, offset), (4, length)] {
                    builder.attribute(UInt16(type), bigEndian: number)
                }
            }
        }
        static func limit(over: Bool) -> Expression {
            Expression(name: "limit") { $0.attribute(5, bigEndian: UInt32(over ? 1 : 0)) }
        }
        static func connections(over count: UInt32) -> Expression {
            Expression(name: "connlimit") {
                $0.attribute(1, bigEndian: count)
                $0.attribute(2, bigEndian: UInt32(1))
            }
        }
        static func quota(over octets: UInt64, used: UInt64) -> Expression {
            Expression(name: "quota") {
                $0.attribute(1, bigEndian: octets)
                $0.attribute(2, bigEndian: UInt32(1))
                $0.attribute(4, bigEndian: used)
            }
        }
        /// Adds an element to a set, with an expression of its own.
        static func update(_ set: String, _ expression: Expression) -> Expression {
            Expression(name: "dynset") {
                $0.attribute(1, text: set)
                $0.nested(7) { expression.encode(&$0) }
            }
        }
        /// Rewrites the destination to the address of register 1.
        static let destinationNAT = Expression(name: "nat") {
            $0.attribute(1, bigEndian: UInt32(1))
            $0.attribute(3, bigEndian: UInt32(1))
        }
        static func lookup(_ set: String) -> Expression {
            Expression(name: "lookup") {
                $0.attribute(1, text: set)
                $0.attribute(2, bigEndian: UInt32(1))
                $0.attribute(3, bigEndian: UInt32(0))
            }
        }
    }

    static let table = NftTable(.inet, "theirs")
    private(set) var ruleset = Ruleset()

    /// Appends a base chain with one rule.
    func chain(
        _ point: NftChain.Point, type: String = "filter", priority: Int32 = 0, _ rule: Expression...
    ) -> ListedRules {
        var copy = self
        let name = "chain\(ruleset.chains.count)"
        let chain = ListedRules.message {
            $0.attribute(1, text: ListedRules.table.name)
            $0.attribute(3, text: name)
            $0.nested(4) {
                $0.attribute(1, bigEndian: point.rawValue)
                $0.attribute(2, bigEndian: priority)
            }
            $0.attribute(5, bigEndian: UInt32(1))
            $0.attribute(7, text: type)
        }
        let listed = ListedRules.message {
            $0.attribute(2, text: name)
            $0.attribute(3, bigEndian: UInt64(ruleset.chains.count + 1))
            $0.nested(4) { builder in for expression in rule { builder.nested(1) { expression.encode(&$0) } } }
        }
        copy.ruleset.chains.append(NftListedChain(chain)!)
        copy.ruleset.rules[Ruleset.Place(table: ListedRules.table, name: name)] = [NftListedRule(listed)!]
        return copy
    }

    /// Adds a set that has nothing yet.
    func emptySet(_ name: String) -> ListedRules {
        var copy = self
        copy.ruleset.sets[Ruleset.Place(table: ListedRules.table, name: name)] = ElementSet([], isInterval: false)
        return copy
    }

    /// Adds a map that has one verdict for all keys.
    func map(_ name: String, forAll verdict: UInt32) -> ListedRules {
        let message = ListedRules.message {
            $0.nested(3) {
                $0.nested(1) {
                    $0.attribute(3, bigEndian: UInt32(2))
                    $0.nested(2) { $0.nested(2) { $0.attribute(1, bigEndian: verdict) } }
                }
            }
        }
        var copy = self
        copy.ruleset.sets[Ruleset.Place(table: ListedRules.table, name: name)] =
            ElementSet(NftListedElement.list(message), isInterval: false)
        return copy
    }

    private static func message(_ body: (inout MessageBuilder) -> Void) -> Message {
        var builder = MessageBuilder()
        builder.message(0, flags: 0) {
            // struct nfgenmsg.
            for octet in [table.family.rawValue, 0, 0, 0] { $0.append(octet) }
            body(&$0)
        }
        return Message.parse(builder.bytes[...])![0]
    }
}
