import ArgumentParser
import ContainerRuntime

struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Attach a container to a network and print the result.")
    @OptionGroup var network: NetworkOptions
    @OptionGroup var container: AttachmentOptions
    @Flag(help: "Where it fails, run DEL before reporting the error.") var undo = false

    func run() throws {
        let (runtime, list, attachment) = (network.runtime(), try network.list(), try container.attachment())
        let added = try undo ? runtime.addOrUndo(list, attachment) : runtime.add(list, attachment)
        if !network.trace { print(added.result.pretty) }
    }
}

struct Del: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Detach a container from a network.")
    @OptionGroup var network: NetworkOptions
    @OptionGroup var container: AttachmentOptions

    func run() throws { try network.runtime().del(network.list(), container.attachment()) }
}

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that a container's networking is as its ADD left it.")
    @OptionGroup var network: NetworkOptions
    @OptionGroup var container: AttachmentOptions

    func run() throws { try network.runtime().check(network.list(), container.attachment()) }
}

struct GC: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Have all but the named attachments cleaned up.")
    @OptionGroup var network: NetworkOptions
    @Option(help: "An attachment still in use, as ID/IFNAME; can be repeated.") var valid: [String] = []

    func run() throws {
        let attachments = try valid.map { text in
            guard let slash = text.lastIndex(of: "/") else { throw ValidationError("--valid \(text): want ID/IFNAME") }
            return ValidAttachment(
                containerID: String(text[..<slash]), ifname: String(text[text.index(after: slash)...]))
        }
        try network.runtime().gc(network.list(), valid: attachments)
    }
}

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Ask whether the network's plugins are ready.")
    @OptionGroup var network: NetworkOptions

    func run() throws { try network.runtime().status(network.list()) }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask the network's plugins for the CNI versions they know.")
    @OptionGroup var network: NetworkOptions

    func run() throws {
        for answer in try network.runtime().version(network.list()) where !network.trace {
            print("\(answer.plugin): \(answer.supported.joined(separator: " "))")
        }
    }
}
