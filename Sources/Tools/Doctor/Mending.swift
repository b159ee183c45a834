internal import Inventory
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
internal import Posix

extension Examination {
    /// Makes changes in the caller's network namespace; continues after errors.
    ///
    /// - Returns: the failures, one line each.
    public func make(_ fixes: [Fix]) -> [String] {
        var failures: [String] = []
        for fix in fixes {
            do throws(Failure) { try make(fix) } catch { failures.append("\(fix): \(error)") }
        }
        if fixes.contains(where: { if case .putBack = $0 { true } else { false } }) {
            for outcome in reclaim.putBack() {
                if let error = outcome.error { failures.append("\(Fix.putBack(outcome.orphan)): \(error)") }
            }
        }
        if fixes.contains(where: { if case .free = $0 { true } else { false } }) {
            for outcome in reclaim.run() {
                if let error = outcome.error { failures.append("\(Fix.free(outcome.orphan)): \(error)") }
            }
        }
        return failures
    }

    private func make(_ fix: Fix) throws(Failure) {
        switch fix {
        case .set(let parameter, let value):
            guard try Sysctl(parameter).write(value) else {
                throw Failure(.kernel, "the kernel has no \(sysctlName(parameter))")
            }
        case .setUp(let link):
            var change = LinkChange()
            change.isUp = true
            var socket = try NetlinkSocket()
            try socket.execute("set \(link) up") { $0.changeLink(.name(link), change) }
        case .add(let address, let link):
            var socket = try NetlinkSocket()
            guard let index = try socket.link(.name(link))?.index else {
                throw Failure(.kernel, "there is no link \(link)")
            }
            // With the address on two links, routes would lead to only one of them.
            guard
                try !socket.addresses().contains(where: { $0.address.address == address.address && $0.index != index })
            else { throw Failure(.conflict, "another link has \(address.address)") }
            try socket.execute("add address \(address) to \(link)") { $0.addAddress(address, to: index) }
        case .repairRules:
            var node = try NodeRules()
            let report = try node.repair()
            if let failed = report.failed.first { throw Failure(.kernel, failed) }
        // The caller does it for all orphans together.
        case .putBack, .free: break
        }
    }
}
