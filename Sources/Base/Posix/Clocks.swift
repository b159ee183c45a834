internal import CKernel

/// Sleeping for a while.
public enum Pause {
    /// usleep(3); less than a second at a time.
    public static func microseconds(_ count: UInt32) { usleep(count) }
}

/// CLOCK_MONOTONIC: for time limits, which must not depend on the wall clock.
public enum MonotonicClock {
    /// clock_gettime(2), in milliseconds since an arbitrary point.
    public static var milliseconds: Int { microseconds / 1000 }

    /// The same in microseconds.
    public static var microseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
}

/// CLOCK_REALTIME: the wall clock, which can be set.
public enum WallClock {
    /// clock_gettime(2).
    public static var now: Timestamp {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }
}

/// CLOCK_BOOTTIME: keeps running while the machine is suspended, and is the same for every process of this boot.
public enum BootClock {
    /// clock_gettime(2), in milliseconds since the machine was started.
    public static var milliseconds: Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
