internal import ClusterEngine
internal import FoundationEssentials
internal import NIOCore

/// Reads a list as it comes, object by object, so that a list of fifty megabytes takes no fifty megabytes here.
struct ListReader {
    /// The list without its objects.
    struct Page: Decodable {
        struct Metadata: Decodable {
            var resourceVersion: String?
            var `continue`: String?
        }

        var metadata: Metadata?
    }

    /// Everything but the objects, and without white space.
    private var envelope: [UInt8] = []
    private var object = ByteBuffer()
    private var depth = 0
    private var isInItems = false
    private var isInString = false
    private var isEscaped = false

    /// Depth inside of `{"items":[`.
    private static let itemsDepth = 2
    private static let itemsKey = Array(#""items":"#.utf8)
    /// Octets; etcd holds no object of more than a few megabytes.
    private static let longestObject = 16 << 20
    private static let longestEnvelope = 1 << 20

    /// - Parameter receive: gets each object's text when it is complete.
    mutating func read(_ part: ByteBuffer, _ receive: (ByteBuffer) -> Void) throws(EngineFailure) {
        let octets = part.readableBytesUInt8Span
        var copied = 0
        for position in octets.indices {
            let octet = octets[position]
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if octet == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if octet == UInt8(ascii: "\"") {
                    isInString = false
                }
                if !isInItems { envelope.append(octet) }
                continue
            }
            if octet <= UInt8(ascii: " ") { continue }
            switch octet {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                if isInItems, depth == Self.itemsDepth { copied = position }
                depth += 1
                if depth == Self.itemsDepth, octet == UInt8(ascii: "["), envelope.hasSuffix(Self.itemsKey) {
                    isInItems = true
                    envelope.append(octet)
                }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if isInItems, depth == Self.itemsDepth {
                    take(part, copied, position + 1)
                    receive(object)
                    object.clear()
                } else if isInItems, depth < Self.itemsDepth {
                    isInItems = false
                }
            default: break
            }
            if !isInItems { envelope.append(octet) }
        }
        if isInItems, depth > Self.itemsDepth { take(part, copied, octets.count) }
        guard object.readableBytes <= Self.longestObject, envelope.count <= Self.longestEnvelope else {
            throw EngineFailure(.malformed, "an object of the list is longer than \(Self.longestObject) octets")
        }
    }

    /// The list's metadata, when everything has been read.
    func end() throws(EngineFailure) -> Page {
        guard depth == 0, !envelope.isEmpty, let page = try? JSONDecoder().decode(Page.self, from: Data(envelope))
        else {
            throw EngineFailure(
                .malformed, depth == 0 ? "the answer is not a list" : "the list was cut off in the middle")
        }
        return page
    }

    private mutating func take(_ part: ByteBuffer, _ start: Int, _ end: Int) {
        guard start < end, var piece = part.getSlice(at: part.readerIndex + start, length: end - start) else { return }
        object.writeBuffer(&piece)
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ end: [UInt8]) -> Bool {
        count >= end.count && self[(count - end.count)...].elementsEqual(end)
    }
}
