internal import Addresses
internal import Posix

/// Which unit sizes a directory holds, per family: a fast path must know this to rely on a file name alone.
///
/// Units of one size conflict only if they are equal, so creating the file exclusively is a sufficient check. If there are
/// several sizes (blocks and addresses), every reservation has to check all the others.
struct Census: Sendable, Hashable {
    enum Sizes: Sendable, Hashable {
        case none
        /// The prefix length of all of them.
        case only(Int)
        case several
    }

    private(set) var v4 = Sizes.none
    private(set) var v6 = Sizes.none

    init() {}

    init(_ units: some Sequence<CIDR>) { for unit in units { add(unit) } }

    mutating func add(_ unit: CIDR) {
        let before = unit.family == .v4 ? v4 : v6
        let after: Sizes = before == .none || before == .only(unit.prefixLength) ? .only(unit.prefixLength) : .several
        if unit.family == .v4 { v4 = after } else { v6 = after }
    }

    /// Whether a new unit conflicts only with one of the same name.
    func isFlat(for unit: CIDR) -> Bool {
        let sizes = unit.family == .v4 ? v4 : v6
        return sizes == .none || sizes == .only(unit.prefixLength)
    }
}

/// Shows that a directory is unchanged since our last change: its modification time is one that no clock shows.
///
/// The kernel sets a directory's modification time to now whenever a name is created or removed. So a directory that still has a
/// time of 1983 is as we left it: no other program, administrator or killed process of ours changed it. Times are never compared
/// for order and no clock is read, so neither coarse time stamps nor a clock that goes backwards can cause an error. The time
/// also encodes the census.
enum Seal {
    /// 1983-01-01T00:00:00Z. The census adds less than five hours.
    private static let epoch = 410_227_200
    private static let codes = 131

    static func time(of census: Census) -> Timestamp {
        Timestamp(seconds: epoch + code(census.v4) * codes + code(census.v6), nanoseconds: 0)
    }

    /// The census, if the time is a seal.
    static func census(at time: Timestamp) -> Census? {
        let code = time.seconds - epoch
        guard time.nanoseconds == 0, (0..<codes * codes).contains(code) else { return nil }
        return Census(v4: sizes(code / codes), v6: sizes(code % codes))
    }

    private static func code(_ sizes: Census.Sizes) -> Int {
        switch sizes {
        case .none: 0
        case .only(let length): 1 + length
        case .several: codes - 1
        }
    }

    private static func sizes(_ code: Int) -> Census.Sizes {
        code == 0 ? .none : code == codes - 1 ? .several : .only(code - 1)
    }
}

extension Census {
    fileprivate init(v4: Sizes, v6: Sizes) {
        self.v4 = v4
        self.v6 = v6
    }
}
