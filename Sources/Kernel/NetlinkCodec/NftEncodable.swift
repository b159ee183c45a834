/// An expression that the plugin's rules do not use, as a separate type, so that it is linked only into programs that use it.
public protocol NftEncodable: Sendable, Hashable {
    /// The kernel's name of the expression; several types may share one.
    static var name: String { get }

    /// Reads what the kernel lists; nil if this type cannot represent it.
    init?(_ attributes: Attributes)

    func encode(_ builder: inout MessageBuilder)
}

extension NftExpression {
    /// As a part of a rule.
    public static func of<Expression: NftEncodable>(_ expression: Expression) -> NftExpression {
        var builder = MessageBuilder()
        expression.encode(&builder)
        return .encoded(Expression.name, builder.bytes)
    }
}

extension NftListedRule {
    /// The rule's expressions of one type, in order.
    public func expressions<Expression: NftEncodable>(_ type: Expression.Type) -> [Expression] {
        listed.compactMap { expression in
            guard expression[NFTA.expressionName]?.text == Expression.name else { return nil }
            return Expression(expression.nested(NFTA.expressionData))
        }
    }
}

extension NftRegister {
    /// Reads a register's number; the kernel lists registers at 16-octet boundaries by their older number.
    init?(_ attribute: Attribute?) {
        guard let number = attribute?.bigEndian32 else { return nil }
        rawValue = number
    }
}

extension MessageBuilder {
    mutating func attribute(_ type: UInt16, _ register: NftRegister) {
        attribute(type, bigEndian: register.rawValue)
    }
}
