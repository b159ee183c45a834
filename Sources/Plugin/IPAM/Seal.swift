internal import Addresses
internal import Posix

/// Which sizes of units a directory holds, for each family: what a fast path must know to trust a file name alone.
///
/// Units of one size clash only when they are the same, so creating the file exclusively is all the check there need
/// be. Once several sizes are there (blocks and addresses), every reservation has to look at all the others.
struct Census: Sendable, Hashable {
    enum Sizes: Sendable, Hashable {
        case none
        /// The prefix length that all of them have.
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

    /// Whether a new unit clashes with none but the one of the same name.
    func isFlat(for unit: CIDR) -> Bool {
        let sizes = unit.family == .v4 ? v4 : v6
        return sizes == .none || sizes == .only(unit.prefixLength)
    }
}

/// The sign that nobody has touched a directory since we did: its modification time is one that no clock shows.
///
/// Whatever creates or removes a name in a directory, the kernel sets the directory's modification time to now. So a
/// directory that still bears a time of 1983 is as we left it: no other program, no administrator, no killed process
/// of ours was there. Two times are never compared for order, nor is a clock read: neither coarse time stamps nor a
/// clock that goes backwards can deceive. The time also carries the census.
enum Seal {
    /// 1983-01-01T00:00:00Z. The census adds less than five hours.
    private static let epoch = 410_227_200
    private static let codes = 131

    static func time(of census: Census) -> Timestamp {
        Timestamp(seconds: epoch + code(census.v4) * codes + code(census.v6), nanoseconds: 0)
    }

    /// The census, if the time is a seal's.
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
