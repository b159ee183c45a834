internal import CNI
internal import Files
internal import Posix

/// Reads the parts of resolv.conf(5) that CNI's `dns` can represent.
enum ResolvConf {
    /// Larger files are refused, in octets.
    static let maximumSize = 65536

    /// - Parameter path: empty for none.
    static func read(_ path: String) throws(Failure) -> CNIResult.DNS {
        guard !path.isEmpty else { return CNIResult.DNS() }
        do throws(Errno) {
            return parse(try File.content(path, limit: maximumSize))
        } catch { throw Failure(.invalidConfiguration, "read resolvConf \(path): \(error)") }
    }

    static func parse(_ text: [UInt8]) -> CNIResult.DNS {
        var dns = CNIResult.DNS()
        for line in String(decoding: text, as: UTF8.self).split(whereSeparator: { $0.isNewline }) {
            guard let first = line.first, first != "#", first != ";" else { continue }
            // The C library ignores everything after a NUL in a line, and no reader of the result accepts one.
            let fields = line.prefix { $0 != "\0" }.split { $0.isWhitespace }.map(String.init)
            guard let keyword = fields.first, fields.count > 1 else { continue }
            switch keyword {
            case "nameserver": dns.nameservers.append(fields[1])
            case "domain": dns.domain = fields[1]
            // Each occurrence appends, as in the reference.
            case "search": dns.search += fields.dropFirst()
            case "options": dns.options += fields.dropFirst()
            default: continue
            }
        }
        return dns
    }
}
