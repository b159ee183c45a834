internal import EventLog
internal import NetlinkCodec
internal import Posix

extension NetlinkSocket {
    /// Logs a line for each message.
    func log(_ direction: String, _ datagram: ArraySlice<UInt8>) {
        for message in Message.parse(datagram) ?? [] {
            let text = MessageText(message, isNetfilter: subsystem == .netfilter)
            var fields: [LogField] = [
                ("dir", direction), ("family", subsystem == .netfilter ? "netfilter" : "route"), ("type", text.type),
                ("flags", text.flags), ("seq", "\(message.sequence)"),
            ]
            let isAnswer = message.type == Message.errorType || message.type == Message.doneType
            if isAnswer, let answer = Acknowledgement(message) {
                fields.append(("errno", "\(answer.errorNumber)"))
                if answer.errorNumber != 0 { fields.append(("error", "\(Errno(rawValue: answer.errorNumber))")) }
                if let kernelText = answer.text { fields.append(("text", kernelText)) }
            }
            if !text.content.isEmpty { fields.append(("message", text.content)) }
            Log.note(.debug, "netlink", fields)
        }
    }
}

extension Changes {
    /// The most lines for one batch: a complete ruleset is not worth more.
    private static let maximumLoggedChanges = 16

    /// Logs the changes that were made.
    borrowing func log() {
        let first = isBatch ? 1 : 0
        for change in (first..<first + count).prefix(Changes.maximumLoggedChanges) {
            Log.note(.info, "changed", [("what", describe(change))])
        }
        guard count > Changes.maximumLoggedChanges else { return }
        Log.note(.info, "changed", [("more", "\(count - Changes.maximumLoggedChanges)")])
    }
}
