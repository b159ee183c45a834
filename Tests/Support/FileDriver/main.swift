// Writes one file as a process of its own, so that tests can kill it and let its system calls fail.
//
//   file-driver DIRECTORY NAME TEMPORARY SIZE OCTET [new] [durably]
import Files
import Glibc
import Posix

let arguments = CommandLine.arguments
let content = [UInt8](repeating: UInt8(arguments[5])!, count: Int(arguments[4])!)
do throws(Errno) {
    try FileDescriptor.open(arguments[1], .directory).write(
        content, to: arguments[2], by: arguments[3], replacing: !arguments.contains("new"),
        durably: arguments.contains("durably"))
} catch {
    exit(error.rawValue)
}
