internal import CKernel

extension FileDescriptor {
    /// write(2) once: with `append` and up to PIPE_BUF octets (4096) what several processes write does not mix.
    ///
    /// No signal comes of a closed pipe or of a limit for files (RLIMIT_FSIZE); what does not fit is not written.
    public func writeOnce(_ content: [UInt8]) throws(Errno) {
        let before = (ignoreBrokenPipes(), ck_ignore_signal(SIGXFSZ))
        defer {
            signal(SIGPIPE, before.0)
            signal(SIGXFSZ, before.1)
        }
        try retrying { unsafe CKernel.write(rawValue, content, content.count) }
    }
}

/// Makes a write to a closed pipe fail, where SIGPIPE's default would end this process; the disposition that it had.
func ignoreBrokenPipes() -> __sighandler_t? { ck_ignore_signal(SIGPIPE) }
