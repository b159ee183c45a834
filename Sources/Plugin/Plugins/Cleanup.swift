internal import CNI
internal import EventLog
internal import Posix

/// Runs every step even if one fails, and then reports all failures.
struct Cleanup {
    private var failures: [Failure] = []

    mutating func attempt(_ step: () throws(Failure) -> Void) {
        do throws(Failure) { try step() } catch {
            Log.note(.warning, "survived", error)
            failures.append(error.advised)
        }
    }

    /// Releases addresses after the interface is removed, so that an address in use does not become free. If they can
    /// only be released through the interface, they are released before. They are released even if removing the
    /// interface fails, because an address that is never freed is lost; the runtime gets the error and calls again.
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
        // The details get the other failures' messages; a discreet message keeps them out of logs.
        if failures.contains(where: { $0.discreetMessage != nil }) {
            error.discreetMessage = error.discreetMessage ?? error.message
        }
        error.details = ([error.details] + others).filter { !$0.isEmpty }.joined(separator: "; ")
        throw error
    }
}
