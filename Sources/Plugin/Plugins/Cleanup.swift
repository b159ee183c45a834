internal import CNI
internal import Logging
internal import Posix

/// Runs every step even if one fails, and then reports all that failed: cleaning up goes on past errors.
struct Cleanup {
    private var failures: [Failure] = []

    mutating func attempt(_ step: () throws(Failure) -> Void) {
        do throws(Failure) { try step() } catch {
            Log.note(.warning, "survived", error)
            failures.append(error)
        }
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
