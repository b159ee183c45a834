internal import CKernel

extension FileDescriptor {
    /// write(2) once: with `append` and up to PIPE_BUF octets (4096) what several processes write does not mix.
    ///
    /// No signal comes of a closed pipe or of a limit for files (RLIMIT_FSIZE); what does not fit is not written.
    public func writeOnce(_ content: [UInt8]) throws(Errno) {
        try holdingBackWriteSignals { () throws(Errno) in
            try retrying { unsafe CKernel.write(rawValue, content, content.count) }
        }
    }
}

/// Runs a write that fails with `EPIPE` or `EFBIG` where SIGPIPE or SIGXFSZ would have ended this process.
///
/// Both are sent to the thread that writes (pipe(7), setrlimit(2)): it blocks them and takes what has come. Other threads, and what the
/// process does on these signals, are left alone.
@discardableResult
func holdingBackWriteSignals<Value>(_ write: () throws(Errno) -> Value) throws(Errno) -> Value {
    var signals = sigset_t()
    var before = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe sigaddset(&signals, SIGXFSZ)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    do throws(Errno) { return try write() } catch {
        if error == .brokenPipe || error == .fileTooLarge {
            var noTime = timespec()
            unsafe sigtimedwait(&signals, nil, &noTime)
        }
        throw error
    }
}
