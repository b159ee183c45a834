extension FuzzTarget {
    /// A parser with a defect, behind four octets that nobody guesses: what does not find it finds nothing.
    static let knownBad = FuzzTarget(name: "knownBad", maximumLength: 64) { octets in
        guard octets.count >= 8, octets[0] == 0x53, octets[1] == 0x77, octets[2] == 0x66, octets[3] == 0x74 else {
            return
        }
        let length = Int(octets[4])
        try require(length <= octets.count - 5, "a length that leads outside is believed")
    }
}
