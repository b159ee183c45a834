internal import Addresses
internal import Attachments
internal import CNI
internal import Netfilter
internal import Posix

extension PortMappingSettings {
    /// Warns of host ports that some program of the node has: from now on its clients reach the pod. Not an error, because the
    /// reference does the same in silence, and it may be meant. Of a range only the first ports are looked at: each takes three
    /// system calls.
    func warnOfListeners(_ request: Request) {
        for mapping in mappings.prefix(64) where mapping.protocol != .sctp {
            var address = [UInt8](repeating: 0, count: 16)
            if let bytes = mapping.specificAddress?.bytes {
                address = bytes.count == 16 ? bytes : [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + bytes
            }
            for offset in 0..<min(mapping.count, 16)
            where PortProbe.isTaken(mapping.hostPort + offset, ofUDP: mapping.protocol == .udp, at: address) {
                request.log(
                    "host port \(mapping.hostPort + offset)/\(mapping.protocol.name): a program of this node listens on it; "
                        + "whoever calls it from elsewhere reaches \(request.attachment.containerID) from now on")
            }
        }
    }
}
