internal import CNI
internal import JSON
internal import Plugins
internal import Posix
internal import Synchronization

/// Our plugins' own code, with the interface that a runtime uses, but in this process.
enum OwnPlugin {
    static func exists(_ type: String) -> Bool { Registry.plugins.contains { $0.type == type } }

    /// - Parameter variables: the call's environment, as `NAME=value`.
    /// - Returns: the error that a runtime would get; nil for success.
    static func call(_ type: String, _ variables: [String], _ configuration: JSON) -> (code: Int, text: String)? {
        let input = configuration.serialized()
        let output = Mutex<[UInt8]>([])
        let streams = Dispatcher.Streams(
            read: { () throws(Failure) in input },
            write: { (bytes) throws(Failure) in output.withLock { $0 = bytes } }, log: { _ in })
        guard Dispatcher(Registry.plugins).run(as: type, Environment(variables), streams) != 0 else { return nil }
        let answer = output.withLock { $0 }
        guard let error = try? JSON(parsing: answer) else { return (0, String(decoding: answer, as: UTF8.self)) }
        let words = [error["msg"]?.text, error["details"]?.text].compactMap { $0 }.filter { !$0.isEmpty }
        return (error["code"]?.integer.map { Int($0) } ?? 0, words.joined(separator: ": "))
    }
}

extension JSON {
    /// A member of an object; nil if there is no such member or this is not an object.
    subscript(key: String) -> JSON? {
        guard case .object(let object) = self else { return nil }
        return object[key]
    }

    var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var integer: Int64? {
        guard case .integer(let number) = self else { return nil }
        return number
    }
}
