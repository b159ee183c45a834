internal import Posix

extension Dispatcher {
    /// The last component of the name by which this process was started: a multi-call binary's plugin type.
    public static var invokedName: String { ProcessEnvironment.invokedName }

    /// Answers one call with this process's environment and standard streams.
    ///
    /// - Returns: the exit code for the process.
    public func runProcess(as type: String) -> Int32 {
        run(as: type, Environment(ProcessEnvironment.variables), .process)
    }
}

extension Dispatcher.Streams {
    /// This process's own standard streams.
    public static let process = Dispatcher.Streams(
        read: { () throws(Failure) in
            do throws(Errno) {
                return try StandardStream.input.readAll(limit: Configuration.maximumSize)
            } catch {
                guard error != .messageTooLarge else {
                    throw Failure(
                        .decodingFailure,
                        "the network configuration on standard input is larger than \(Configuration.maximumSize) octets"
                    )
                }
                throw Failure(.inputOutput, "read the network configuration from standard input: \(error)")
            }
        },
        write: { (text: [UInt8]) throws(Failure) in
            do throws(Errno) {
                try StandardStream.output.writeAll(text + [UInt8(ascii: "\n")])
            } catch { throw Failure(.inputOutput, "write to standard output: \(error)") }
        },
        log: { line in try? StandardStream.error.writeAll("\(line)\n".utf8) })
}
