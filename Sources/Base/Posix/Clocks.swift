internal import CKernel

/// Doing nothing for a while.
public enum Pause {
    /// usleep(3), below a second at a time.
    public static func microseconds(_ count: UInt32) { usleep(count) }
}

/// CLOCK_MONOTONIC: for limits, which must not depend on what time somebody sets.
public enum MonotonicClock {
    /// clock_gettime(2), in milliseconds since some moment before.
    public static var milliseconds: Int { microseconds / 1000 }

    /// The same in microseconds.
    public static var microseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
}

/// CLOCK_REALTIME: what people call the time, which they may set.
public enum WallClock {
    /// clock_gettime(2).
    public static var now: Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }
}

/// CLOCK_BOOTTIME: what happens at a point of it also happens when the machine has slept meanwhile, and every process of
/// this boot reads the same.
public enum BootClock {
    /// clock_gettime(2), in milliseconds since the machine was started.
    public static var milliseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
