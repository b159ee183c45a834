/// Sleep that others can end. For one sleeper.
actor Alarm {
    private var rung = false
    private var sleeper: Task<Void, Never>?

    /// Ends the sleep, or the next one if nobody sleeps.
    func ring() {
        rung = true
        sleeper?.cancel()
    }

    /// Returns after the duration, a ring, or the task's cancellation.
    func sleep(_ duration: Duration) async {
        if !rung {
            let task = Task { _ = try? await Task.sleep(for: duration, clock: .continuous) }
            sleeper = task
            await withTaskCancellationHandler {
                await task.value
            } onCancel: {
                task.cancel()
            }
            sleeper = nil
        }
        rung = false
    }
}
