public import Posix
internal import Synchronization

/// The one thread that talks to the kernel: an executor for actors, and an event loop around poll(2) for the kernel's
/// notifications. It has no queue of its own for time: actors sleep elsewhere and come back.
public final class KernelThread: SerialExecutor {
    private struct Work: Sendable {
        var jobs: [UnownedJob] = []
        var watches: [Watch] = []
        var isWakingUp = false
    }

    private struct Watch: Sendable {
        let descriptor: Int32
        let act: @Sendable () -> Void
    }

    private let work = Locked(Work())
    private let waker: Waker
    private let identity = Atomic<UInt>(0)

    /// - Throws: `EMFILE`, `EAGAIN` if the process or the system has no more descriptors or threads.
    public init() throws(Failure) {
        waker = try attempting("make an event descriptor") { () throws(Errno) in try Waker() }
        try attempting("start the kernel's thread") { () throws(Errno) in try DetachedThread.run { self.run() } }
    }

    /// Calls a function on this thread whenever a descriptor is readable, for as long as the process lives.
    ///
    /// - Parameter descriptor: must stay open.
    public func whenReadable(_ descriptor: Int32, _ act: @escaping @Sendable () -> Void) {
        work.withLock { $0.watches.append(Watch(descriptor: descriptor, act: act)) }
        waker.wake()
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustWake = work.withLock { work in
            work.jobs.append(job)
            defer { work.isWakingUp = true }
            return !work.isWakingUp
        }
        if mustWake { waker.wake() }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }

    public func checkIsolated() {
        precondition(identity.load(ordering: .relaxed) == DetachedThread.current, "not on the kernel's thread")
    }

    private func run() {
        identity.store(DetachedThread.current, ordering: .relaxed)
        while true {
            let (jobs, watches) = work.withLock { work in
                defer { (work.jobs, work.isWakingUp) = ([], false) }
                return (work.jobs, work.watches)
            }
            for job in jobs { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
            // Jobs that came meanwhile have woken it up.
            let interests =
                [Polling.Interest(waker.descriptor, .reading)]
                + watches.map { Polling.Interest($0.descriptor, .reading) }
            guard let ready = try? Polling.wait(for: interests, milliseconds: -1) else { continue }
            if ready[0] { waker.clear() }
            for (watch, isReady) in zip(watches, ready.dropFirst()) where isReady { watch.act() }
        }
    }
}
