// Waits for a file's lock in the kernel's queue, in a single-threaded process as a plugin does, and exits with the errno.
//
//   lock-driver FILE MILLISECONDS
//
// Exits with 255 if SIGALRM or the timer is not restored afterwards, or if it gave up too early.
import Glibc
import Posix

let arguments = CommandLine.arguments
signal(SIGALRM) { _ in }
var (before, after, timer) = (sigaction(), sigaction(), itimerval())
sigaction(SIGALRM, nil, &before)
let start = MonotonicClock.milliseconds
let limit = UInt32(arguments[2])!
var result = Errno(rawValue: 0)
do throws(Errno) {
    let file = try FileDescriptor.open(arguments[1], .readWrite)
    try file.lockExclusively(milliseconds: limit, waiting: .queued)
    file.close()
} catch { result = error }
let waited = MonotonicClock.milliseconds - start
sigaction(SIGALRM, nil, &after)
getitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer)
let handlers = [before, after].map { unsafeBitCast($0.__sigaction_handler.sa_handler, to: Int.self) }
let isAsBefore = handlers[0] == handlers[1] && timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0
exit(isAsBefore && (result != .tryAgain || waited + 1 >= limit) ? result.rawValue : 255)
