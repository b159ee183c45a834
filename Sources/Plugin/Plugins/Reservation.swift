internal import CNI
internal import Logging
internal import Posix

/// The addresses of one ADD, which are given back when it fails.
struct Reservation {
    private let addressing: Addressing
    private let request: Request
    var result = CNIResult()
    private var isMade = false

    init(_ addressing: Addressing, _ request: Request) {
        self.addressing = addressing
        self.request = request
    }

    mutating func make() throws(Failure) {
        result = try addressing.reserve(request)
        isMade = true
    }

    /// Gives them back, if they were had, and takes the rest of a failed ADD away: in the order in which both work.
    func undo(removingInterface: () -> Void) {
        if addressing.needsInterface { release() }
        removingInterface()
        if !addressing.needsInterface { release() }
    }

    private func release() {
        if isMade { surviving { () throws(Failure) in try addressing.release(request) } }
    }
}

extension Cleanup {
    /// Gives addresses back after the interface is removed, so that an address in use does not become free; before, where
    /// only the interface leads to whom they came from. And whatever becomes of the interface, because an address that is
    /// never freed is lost: the runtime hears of the error and calls again.
    mutating func attempt(
        _ addressing: () throws(Failure) -> Addressing, _ release: (Addressing) throws(Failure) -> Void,
        removingInterface: () throws(Failure) -> Void
    ) {
        var addresses: Addressing?
        attempt { () throws(Failure) in addresses = try addressing() }
        let needsInterface = addresses?.needsInterface ?? false
        if !needsInterface { attempt(removingInterface) }
        if let addresses { attempt { () throws(Failure) in try release(addresses) } }
        if needsInterface { attempt(removingInterface) }
    }
}
