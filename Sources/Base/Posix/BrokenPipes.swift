internal import CKernel

extension FileDescriptor {
    /// write(2) once: with `append`, writes of up to PIPE_BUF octets (4096) by several processes do not mix.
    ///
    /// A closed pipe or a file size limit (RLIMIT_FSIZE) raises no signal; what does not fit is not written.
    public func writeOnce(_ content: [UInt8]) throws(Errno) {
        try holdingBackWriteSignals { () throws(Errno) in
            try retrying { unsafe CKernel.write(rawValue, content, content.count) }
        }
    }
}

/// Runs a write so that it fails with `EPIPE` or `EFBIG` instead of ending this process by SIGPIPE or SIGXFSZ.
///
/// Both signals are sent to the thread that writes (pipe(7), setrlimit(2)). That thread blocks them and takes the pending one.
/// Other threads and the process's signal handlers are not affected.
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
