internal import CNI

/// Runs every step even if one fails, and then reports all that failed: cleaning up goes on past errors.
struct Cleanup {
    private var failures: [CNIError] = []

    mutating func attempt(_ step: () throws -> Void) {
        do { try step() } catch { failures.append(CNIError(wrapping: error)) }
    }

    /// - Throws: the first failure, with the others in its details.
    func finish() throws(CNIError) {
        guard var error = failures.first else { return }
        let others = failures.dropFirst().map(\.description)
        error.details = ([error.details] + others).filter { !$0.isEmpty }.joined(separator: "; ")
        throw error
    }
}
