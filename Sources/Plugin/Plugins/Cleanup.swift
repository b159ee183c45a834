internal import CNI
internal import Logging
internal import Posix

/// Runs every step even if one fails, and then reports all that failed: cleaning up goes on past errors.
struct Cleanup {
    private var failures: [Failure] = []

    mutating func attempt(_ step: () throws(Failure) -> Void) {
        do throws(Failure) { try step() } catch {
            Log.note(.warning, "survived", error)
            failures.append(error.advised)
        }
    }

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

    /// - Throws: the first failure, with the others in its details.
    func finish() throws(Failure) {
        guard var error = failures.first else { return }
        let others = failures.dropFirst().map { $0.description }
        // The details will have what the others show.
        if failures.contains(where: { $0.discreetMessage != nil }) {
            error.discreetMessage = error.discreetMessage ?? error.message
        }
        error.details = ([error.details] + others).filter { !$0.isEmpty }.joined(separator: "; ")
        throw error
    }
}
