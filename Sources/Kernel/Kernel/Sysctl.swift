internal import Files
internal import EventLog
public import Posix

/// A kernel parameter below /proc/sys/net, in the calling thread's network namespace.
public struct Sysctl: Sendable, CustomStringConvertible {
    private let name: String

    /// - Parameter name: with slashes, such as `ipv6/conf/eth0/accept_ra`; interface names may contain dots.
    public init(_ name: String) { self.name = name }

    private var path: String { "/proc/sys/net/\(name)" }

    public var description: String { path }

    /// The value, or nil if the kernel has no such parameter.
    public func read() throws(Failure) -> String? {
        do throws(Errno) {
            guard let standIn = KernelStandIn.current else { return try readFile() }
            return try standIn.readSysctl(name, readFile)
        } catch {
            guard error != .noSuchFile else { return nil }
            throw Failure("read \(path)", error)
        }
    }

    private func readFile() throws(Errno) -> String {
        let text = try File.content(path, limit: 4096, .noFollow)
        return String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    private func writeFile(_ value: String) throws(Errno) {
        // Nothing at all would not be a write(2).
        try FileDescriptor.open(path, [.writeOnly, .noFollow]).writeAll((value.isEmpty ? "\n" : value).utf8)
    }

    /// Sets the value.
    ///
    /// - Returns: false if the kernel has no such parameter, for example without IPv6.
    @discardableResult
    public func write(_ value: String) throws(Failure) -> Bool {
        do throws(Errno) {
            if let standIn = KernelStandIn.current {
                try standIn.writeSysctl(value, name) { () throws(Errno) in try writeFile(value) }
            } else {
                try writeFile(value)
            }
            Log.note(.info, "changed", [("what", "write \(value) to \(path)")])
            return true
        } catch {
            guard error != .noSuchFile else { return false }
            throw Failure(
                "write \(value) to \(path)", error,
                details: error == .readOnlyFileSystem ? "/proc/sys must be writable" : "")
        }
    }

    /// Checks whether the parameter can be written, without changing it.
    ///
    /// - Throws: `ENOENT` if the kernel has no such parameter.
    public func requireWritable() throws(Failure) {
        try attempting("open \(path)", details: "is there such a sysctl? sysctl(8) lists them") { () throws(Errno) in
            _ = try FileDescriptor.open(path, [.writeOnly, .noFollow])
        }
    }

    /// Sets the value only if it differs, so that most calls only read.
    public func ensure(_ value: String) throws(Failure) {
        guard try read() != value else { return }
        try write(value)
    }
}
