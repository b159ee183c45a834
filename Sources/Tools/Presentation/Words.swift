/// Numbers and names as people read them.
public enum Words {
    /// Such as `2d`, `3h`, `5m`, `8s`: the largest unit only.
    ///
    /// - Parameter seconds: a negative number, which occurs when clocks differ, counts as zero.
    public static func age(_ seconds: Int) -> String {
        let seconds = max(seconds, 0)
        for (length, unit) in [(86400, "d"), (3600, "h"), (60, "m")] where seconds >= length {
            return "\(seconds / length)\(unit)"
        }
        return "\(seconds)s"
    }

    /// Such as `1.2 MB`: decimal, as is usual for network interfaces.
    public static func octets(_ count: UInt64) -> String {
        count < 1000 ? "\(count) B" : "\(scaled(count, [" kB", " MB", " GB", " TB", " PB", " EB"]))"
    }

    /// Such as `10M`, from bits per second.
    public static func rate(_ bits: UInt64) -> String {
        bits < 1000 ? "\(bits)" : scaled(bits, ["k", "M", "G", "T", "P", "E"])
    }

    private static func scaled(_ count: UInt64, _ units: [String]) -> String {
        var (value, position) = (count, 0)
        while value >= 1_000_000, position + 1 < units.count { (value, position) = (value / 1000, position + 1) }
        let whole = value / 1000
        let tenth = value % 1000 / 100
        return (whole >= 100 || tenth == 0 ? "\(whole)" : "\(whole).\(tenth)") + units[position]
    }

    /// A count that may be too large to write out: IPv6 pools have more addresses than anybody counts.
    public static func count(_ number: UInt64) -> String {
        guard number >= 1 << 32 else { return "\(number)" }
        let power = UInt64.bitWidth - 1 - number.leadingZeroBitCount
        let isNearNext = number >> UInt64(power - 1) & 1 == 1
        return number == .max ? "2^64 or more" : "2^\(isNearNext ? power + 1 : power)"
    }

    /// The text, cut to at most that many characters.
    public static func cut(_ text: String, to length: Int) -> String {
        text.count <= length ? text : text.prefix(length - 1) + "…"
    }

    /// The text, padded with trailing blanks to at least that width.
    public static func padded(_ text: String, to width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Such as `1 pod`, `2 pods`.
    public static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

    /// A part of a whole as a bar of that many characters.
    public static func bar(_ used: UInt64, of size: UInt64, width: Int) -> String {
        guard size > 0 else { return String(repeating: "░", count: width) }
        let share = Double(min(used, size)) / Double(size) * Double(width)
        // Any use at all shows, and only a full pool looks full.
        var filled = Int(share.rounded())
        if used > 0 { filled = max(filled, 1) }
        if used < size { filled = min(filled, width - 1) }
        return String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    }

    /// Per cent, rounded down: only the whole is 100.
    public static func percent(_ used: UInt64, of size: UInt64) -> Int {
        size == 0 ? 100 : Int(Double(min(used, size)) / Double(size) * 100)
    }
}
