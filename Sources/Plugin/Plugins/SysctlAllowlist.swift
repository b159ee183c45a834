internal import CNI
internal import Files
internal import Posix

/// The node's list of sysctls that configurations may set: one regular expression per line, matched against the key as
/// written. Without the file all are allowed.
///
/// The reference reads the lines as RE2, this as POSIX extended regular expressions. RE2 syntax that POSIX does not
/// know is refused, because it would compile with another meaning (`\d` is a `d`): a list must not allow by mistake.
struct SysctlAllowlist {
    static let path = "/etc/cni/tuning/allowlist.conf"
    /// Larger files are refused, in octets.
    private static let maximumSize = 65536

    private let lines: [String]

    /// Nil if there is no list.
    init?() throws(Failure) {
        do throws(Errno) {
            let text = try File.content(SysctlAllowlist.path, limit: SysctlAllowlist.maximumSize)
            lines = String(decoding: text, as: UTF8.self).split { $0.isNewline }
                .map { SysctlAllowlist.trimmed($0) }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
        } catch {
            guard error != .noSuchFile else { return nil }
            throw Failure(.inputOutput, "read \(SysctlAllowlist.path): \(error)")
        }
        for line in lines { _ = try SysctlAllowlist.expression(line) }
    }

    private static func trimmed(_ line: Substring) -> String {
        var line = line.drop { $0.isWhitespace }
        while line.last?.isWhitespace == true { line.removeLast() }
        return String(line)
    }

    /// - Throws: code 7 for a key that no line matches.
    func require(_ keys: [String]) throws(Failure) {
        var refused = keys
        for line in lines {
            let expression = try SysctlAllowlist.expression(line)
            refused.removeAll { expression.matches($0) }
        }
        guard let key = refused.first else { return }
        throw Failure(
            .invalidConfiguration,
            "Sysctl \(key) is not allowed. Only the following sysctls are allowed: [\(lines.joined(separator: " "))]",
            details: "\(SysctlAllowlist.path) says so")
    }

    private static func expression(_ line: String) throws(Failure) -> RegularExpression {
        let problem: String
        if let foreign = foreignPart(of: line) {
            problem = "\(foreign) is not in POSIX extended regular expressions; write [0-9] for \\d, \\. for [\\.]"
        } else {
            do throws(RegularExpression.SyntaxError) { return try RegularExpression(line) } catch {
                problem = "\(error)"
            }
        }
        throw Failure(.invalidConfiguration, "\(path): \"\(line)\": \(problem)")
    }

    /// Syntax that RE2 and POSIX understand differently: `(?`, a backslash in brackets, and before most letters and digits.
    private static func foreignPart(of line: String) -> String? {
        let characters = Array(line.unicodeScalars)
        var isInBrackets = false
        var position = 0
        while position < characters.count {
            let next = position + 1 < characters.count ? characters[position + 1] : " "
            switch characters[position] {
            case "\\":
                if isInBrackets { return "a backslash in brackets" }
                if next.properties.isAlphabetic || ("0"..."9").contains(next), !"bBsSwW".unicodeScalars.contains(next) {
                    return "\\\(next)"
                }
                position += 1
            case "(" where next == "?" && !isInBrackets: return "(?"
            case "[" where !isInBrackets:
                isInBrackets = true
                // A leading bracket stands for itself.
                if next == "^" { position += 1 }
                if position + 1 < characters.count, characters[position + 1] == "]" { position += 1 }
            case "]": isInBrackets = false
            default: break
            }
            position += 1
        }
        return nil
    }
}
