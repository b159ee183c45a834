internal import CKernel

/// The environment of this process.
public enum ProcessEnvironment {
    /// `NAME=value` for each variable.
    public static var variables: [String] {
        var result: [String] = []
        guard var entry = unsafe ck_environment() else { return [] }
        while let text = unsafe entry.pointee {
            unsafe result.append(String(cString: text))
            unsafe entry += 1
        }
        return result
    }

    /// Whether a variable is there, be it empty.
    public static func hasVariable(_ name: String) -> Bool { unsafe getenv(name) != nil }

    /// The command line, with the name that this process was started by in front; empty where there is no /proc.
    public static var arguments: [String] {
        let line = try? FileDescriptor.open("/proc/self/cmdline", .readOnly).readAll(limit: 1 << 20)
        return (line ?? []).split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// The last component of the name that this process was started by.
    ///
    /// libc has it in memory; for ``arguments`` the language reads /proc/self/cmdline, and crashes where it cannot.
    public static var invokedName: String { unsafe String(cString: ck_invoked_name()) }

    /// geteuid(2): the user in whose name this process acts.
    public static var effectiveUser: UInt32 { geteuid() }

    /// getpid(2).
    public static var processID: Int32 { getpid() }

    /// setrlimit(2): lets this process open as many files as it may allow itself (RLIMIT_NOFILE).
    public static func raiseFileLimit() throws(Errno) {
        try once { ck_raise_file_limit() }
    }

    /// A descriptor that becomes readable when SIGTERM or SIGINT comes; these end the process no more.
    ///
    /// - Parameter isOfTerminal: whether the same goes for what else a terminal ends a process by, SIGQUIT and SIGHUP.
    public static func termination(isOfTerminal: Bool = false) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try once { ck_termination(isOfTerminal ? 1 : 0) })
    }

    /// getcwd(2), as far as it is known: `/proc/self/cwd`.
    public static var workingDirectory: String {
        (try? FileDescriptor.open("/proc/self", .directory).readSymbolicLink("cwd")) ?? "/"
    }

    /// Ends the process at once.
    public static func exit(_ code: Int32) -> Never { CKernel.exit(code) }
}
