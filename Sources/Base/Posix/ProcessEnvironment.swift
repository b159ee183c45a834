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

    /// Whether a variable is set, even to an empty value.
    public static func hasVariable(_ name: String) -> Bool { unsafe getenv(name) != nil }

    /// The command line, starting with the name by which this process was started; empty without /proc.
    public static var arguments: [String] {
        let line = try? FileDescriptor.open("/proc/self/cmdline", .readOnly).readAll(limit: 1 << 20)
        return (line ?? []).split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    /// The last component of the name by which this process was started.
    ///
    /// libc keeps it in memory. For ``arguments`` the language reads /proc/self/cmdline, and crashes if it cannot.
    public static var invokedName: String { unsafe String(cString: ck_invoked_name()) }

    /// geteuid(2): the effective user of this process.
    public static var effectiveUser: UInt32 { geteuid() }

    /// getpid(2).
    public static var processID: Int32 { getpid() }

    /// setrlimit(2): raises this process's limit of open files (RLIMIT_NOFILE) to its maximum.
    public static func raiseFileLimit() throws(Errno) {
        try once { ck_raise_file_limit() }
    }

    /// A descriptor that becomes readable when SIGTERM or SIGINT arrives; these no longer end the process.
    ///
    /// - Parameter isOfTerminal: whether to include the other signals by which a terminal ends a process, SIGQUIT and SIGHUP.
    public static func termination(isOfTerminal: Bool = false) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try once { ck_termination(isOfTerminal ? 1 : 0) })
    }

    /// The working directory (getcwd(2)), read from `/proc/self/cwd`; `/` if that fails.
    public static var workingDirectory: String {
        (try? FileDescriptor.open("/proc/self", .directory).readSymbolicLink("cwd")) ?? "/"
    }

    /// Ends the process at once.
    public static func exit(_ code: Int32) -> Never { CKernel.exit(code) }
}
