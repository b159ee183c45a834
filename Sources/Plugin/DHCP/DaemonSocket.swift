internal import CNI
internal import Files
internal import Posix

/// The socket for calls to the daemon.
enum DaemonSocket {
    /// Whether systemd has passed a socket (sd_listen_fds(3)), whose file must not be removed.
    static func inherited() throws(Failure) -> Bool {
        let environment = Environment(ProcessEnvironment.variables)
        guard environment["LISTEN_PID"] == "\(ProcessEnvironment.processID)" else { return false }
        let count = environment["LISTEN_FDS"] ?? ""
        guard count == "1" else {
            throw Failure(.invalidEnvironment, "Too many (\(count)) FDs passed through socket activation")
        }
        return true
    }

    /// SD_LISTEN_FDS_START, systemd/sd-daemon.h.
    static func takeInherited() -> FileDescriptor { FileDescriptor(owning: 3) }

    static func open(_ path: String) throws(Failure) -> FileDescriptor {
        do throws(Errno) {
            if let parent = Directory.parent(of: path) {
                do throws(PathError) { try Directory.make(parent, mode: 0o700) } catch { throw error.errno }
            }
            try removeStale(path)
            let socket = try FileDescriptor.unixStreamSocket()
            try socket.listen(at: .path(path))
            return socket
        } catch {
            throw Failure(
                .inputOutput, "Error getting listener: listen at \(path): \(error)",
                details: error == .addressInUse ? "another daemon listens there" : "")
        }
    }

    /// Removes a socket without a listener, left by a daemon that was killed.
    private static func removeStale(_ path: String) throws(Errno) {
        do throws(Errno) {
            try FileDescriptor.unixStreamSocket().connect(to: .path(path))
        } catch {
            if error == .connectionRefused { remove(path) }
            return
        }
        throw .addressInUse
    }

    static func remove(_ path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let directory = slash == path.startIndex ? "/" : String(path[..<slash])
        try? FileDescriptor.open(directory, .directory).unlink(String(path[path.index(after: slash)...]))
    }

    static func writeProcessID(_ path: String) throws(Failure) {
        guard !path.isEmpty else { return }
        do throws(Errno) {
            try FileDescriptor.open(path, [.writeOnly, .create, .truncate], mode: 0o644)
                .writeAll("\(ProcessEnvironment.processID)".utf8)
        } catch { throw Failure(.inputOutput, "Error writing pidfile \"\(path)\": \(error)") }
    }
}
