internal import CKernel

/// An error number of the kernel (errno-base.h), with the C library's text for it.
public struct Errno: Error, Sendable, Hashable, CustomStringConvertible {
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let notPermitted = Errno(rawValue: EPERM)
    public static let noSuchFile = Errno(rawValue: ENOENT)
    public static let interrupted = Errno(rawValue: EINTR)
    public static let inputOutput = Errno(rawValue: EIO)
    public static let tryAgain = Errno(rawValue: EAGAIN)
    public static let accessDenied = Errno(rawValue: EACCES)
    public static let busy = Errno(rawValue: EBUSY)
    public static let fileExists = Errno(rawValue: EEXIST)
    public static let noSuchDevice = Errno(rawValue: ENODEV)
    public static let isDirectory = Errno(rawValue: EISDIR)
    public static let invalidArgument = Errno(rawValue: EINVAL)
    public static let readOnlyFileSystem = Errno(rawValue: EROFS)
    public static let notDirectory = Errno(rawValue: ENOTDIR)
    public static let tooManySymlinks = Errno(rawValue: ELOOP)
    public static let badMessage = Errno(rawValue: EBADMSG)
    public static let messageTooLarge = Errno(rawValue: EMSGSIZE)
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
    public static let protocolNotSupported = Errno(rawValue: EPROTONOSUPPORT)
    public static let addressFamilyNotSupported = Errno(rawValue: EAFNOSUPPORT)
    public static let addressNotAvailable = Errno(rawValue: EADDRNOTAVAIL)
    public static let noBufferSpace = Errno(rawValue: ENOBUFS)
    public static let notEmpty = Errno(rawValue: ENOTEMPTY)
    /// ERESTART, linux/errno.h: not meant for user space, but nf_tables returns it.
    public static let restart = Errno(rawValue: 85)
    public static let networkDown = Errno(rawValue: ENETDOWN)
    public static let addressInUse = Errno(rawValue: EADDRINUSE)
    public static let networkUnreachable = Errno(rawValue: ENETUNREACH)
    public static let hostUnreachable = Errno(rawValue: EHOSTUNREACH)
    public static let crossDeviceLink = Errno(rawValue: EXDEV)
    public static let fileTooLarge = Errno(rawValue: EFBIG)
    public static let timedOut = Errno(rawValue: ETIMEDOUT)
    public static let connectionRefused = Errno(rawValue: ECONNREFUSED)
    public static let connectionReset = Errno(rawValue: ECONNRESET)
    public static let brokenPipe = Errno(rawValue: EPIPE)
    public static let nameTooLong = Errno(rawValue: ENAMETOOLONG)
    public static let noSuchDeviceOrAddress = Errno(rawValue: ENXIO)

    public var description: String { unsafe String(cString: strerror(rawValue)) }

    /// The calling thread's last error.
    public static var last: Errno { Errno(rawValue: errno) }
}

/// The calling thread's errno(3), which is a macro.
var errno: Int32 {
    get { ck_errno() }
    set { ck_set_errno(newValue) }
}

/// Runs a system call that reports failure by -1, and repeats it while a signal interrupts it.
@discardableResult
func retrying<Result: FixedWidthInteger>(_ call: () -> Result) throws(Errno) -> Result {
    while true {
        let result = call()
        if result != -1 { return result }
        guard errno == EINTR else { throw .last }
    }
}

/// Runs a system call that must not be repeated after an interruption.
@discardableResult
func once<Result: FixedWidthInteger>(_ call: () -> Result) throws(Errno) -> Result {
    let result = call()
    guard result != -1 else { throw .last }
    return result
}
