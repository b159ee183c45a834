// Writes standard input to a file in a separate process, so that tests can kill it and make its system calls fail.
//
//   file-driver DIRECTORY NAME TEMPORARY [new] [durably]
import Files
import Glibc
import Posix

let arguments = CommandLine.arguments
do throws(Errno) {
    let content = try StandardStream.input.readAll(limit: 1 << 20)
    try FileDescriptor.open(arguments[1], .directory).write(
        content, to: arguments[2], by: arguments[3], replacing: !arguments.contains("new"),
        durably: arguments.contains("durably"))
} catch {
    exit(error.rawValue)
}
