import ContainerRuntime
import Foundation
import Testing

/// What the documents tell people to type works as it stands there.
///
/// Each document's blocks of shell commands are run from top to bottom, in one shell, on a machine that nothing has been
/// installed on: namespaces of its own, with everything that is written kept in memory. A block that cannot be run has a
/// remark before it, `<!-- not run: REASON -->`.
@Suite(.realKernel) struct DocumentedCommandTests {
    struct Block: Sendable {
        let document: String
        /// Of its first command, from 1.
        let line: Int
        let commands: [String]
        /// Why it is not run; nil for most.
        let exception: String?
    }

    static let documents: [String] = {
        let docs = (try? FileManager.default.contentsOfDirectory(atPath: "\(Requirements.packageRoot)/docs")) ?? []
        return ["README.md"] + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    }()

    static let blocks = documents.flatMap { (try? blocks(of: $0)) ?? [] }

    static func text(_ document: String) throws -> String {
        try String(contentsOfFile: "\(Requirements.packageRoot)/\(document)", encoding: .utf8)
    }

    static func blocks(of document: String) throws -> [Block] {
        let lines = try text(document).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var blocks: [Block] = []
        var start: (line: Int, isConsole: Bool, exception: String?)?
        for (index, line) in lines.enumerated() {
            if let open = start {
                guard line == "```" else { continue }
                let inside = Array(lines[open.line..<index])
                let commands =
                    open.isConsole ? inside.filter { $0.hasPrefix("$ ") }.map { String($0.dropFirst(2)) } : inside
                blocks.append(
                    Block(document: document, line: open.line + 1, commands: commands, exception: open.exception))
                start = nil
            } else if line == "```sh" || line == "```console" {
                let before = index > 0 ? lines[index - 1] : ""
                let exception = before.wholeMatch(of: /<!-- not run: (.+) -->/).map { String($0.1) }
                start = (index + 1, line == "```console", exception)
            }
        }
        return blocks
    }

    /// A machine with the plugin's files in build/bin only, and one pod, so that there is something to look at.
    static let prelude = """
        mount -t tmpfs run /run
        for directory in etc opt tmp usr var; do
            mkdir -p /run/layers/$directory/upper /run/layers/$directory/work
            mount -t overlay -o lowerdir=/$directory,upperdir=/run/layers/$directory/upper,workdir=/run/layers/$directory/work \\
                overlay /$directory
        done
        rm -rf /etc/cni /opt/cni /var/lib/cni
        mkdir -p /etc/cni/net.d /run/stub /run/netns
        printf '#!/bin/sh\\nexec "$@"\\n' >/run/stub/sudo
        chmod 0755 /run/stub/sudo
        ip link set lo up
        cd "$0"
        scripts/install install build/bin >/run/install.log
        swiftletctl netns add example
        echo '{"cniVersion": "1.0.0", "name": "example", "type": "swiftlet", "bridge": "br-example",
            "subnet": "192.0.2.0/24", "ipMasq": true, "antiSpoof": true}' >/etc/cni/net.d/99-example.conf
        CNI_COMMAND=ADD CNI_CONTAINERID=example CNI_NETNS=/run/netns/example CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin \\
            /opt/cni/bin/swiftlet </etc/cni/net.d/99-example.conf >/run/example.json

        """

    @Test(arguments: Set(blocks.filter { $0.exception == nil }.map(\.document)).sorted())
    func whatADocumentTellsToTypeWorks(_ document: String) throws {
        let blocks = Self.blocks.filter { $0.document == document && $0.exception == nil }
        let script = blocks.map { block in
            // Shown by -x.
            ": \(block.document):\(block.line)\n\(block.commands.joined(separator: "\n"))\n"
        }.joined()
        let outcome = try Launcher(timeout: .seconds(60)).run(
            "/usr/bin/unshare",
            arguments: [
                "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
                "sh", "-exc", Self.prelude + script, Requirements.packageRoot,
            ],
            environment: [
                "PATH": "/run/stub:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
            ])
        let errors = String(decoding: outcome.stderr, as: UTF8.self).suffix(2000)
        #expect(outcome.exit == .code(0), "\(String(decoding: outcome.stdout, as: UTF8.self).suffix(2000))\n\(errors)")
    }

    @Test func documentsHaveCommandsAndFewExceptions() {
        #expect(Self.blocks.count { $0.exception == nil } >= 20)
        let exceptions = Self.blocks.filter { $0.exception != nil }
        #expect(exceptions.count <= 16, "\(exceptions.map { "\($0.document):\($0.line)" })")
        // None that stands where it has no effect.
        let remarks = Self.documents.map { ((try? Self.text($0)) ?? "").matches(of: /<!-- not run:/).count }
        #expect(remarks.reduce(0, +) == exceptions.count)
    }

    /// Words of commands: those in blocks that are not run, and those that stand within a sentence.
    static func mentioned(_ program: String) throws -> [[String]] {
        let inBlocks = blocks.filter { $0.exception != nil }.flatMap(\.commands)
        let inText = try documents.flatMap { document in
            try text(document).matches(of: /`([^`\n]+)`/).map { String($0.1) }
        }
        return (inBlocks + inText).compactMap { command in
            let words = command.split(separator: " ").map(String.init).drop { $0 == "sudo" }
            return words.first == program ? Array(words.dropFirst()) : nil
        }
    }

    @Test func targetsThatAreMentionedExist() throws {
        let makefile = try Self.text("Makefile")
        let targets = try Set(
            Self.mentioned("make").compactMap { $0.first { !$0.contains("=") && !$0.hasPrefix("-") } })
        #expect(targets.count > 5)
        for target in targets {
            #expect(makefile.contains("\n\(target):") || makefile.contains(" \(target) "), "make \(target)")
        }
    }

    @Test func commandsOfSwiftletctlThatAreMentionedExist() throws {
        let commands = try Self.mentioned("swiftletctl")
        #expect(commands.count > 10)
        var helps: [[String]: String] = [:]
        func help(_ path: [String]) throws -> String {
            if let known = helps[path] { return known }
            let outcome = try Launcher(timeout: .seconds(10)).run(
                "\(Requirements.bin)/swiftletctl", arguments: path + ["--help"], environment: ["COLUMNS": "100"])
            helps[path] = String(decoding: outcome.stdout, as: UTF8.self)
            return helps[path]!
        }
        for words in commands {
            var path: [String] = []
            for word in words {
                let text = try help(path)
                if word.hasPrefix("--") {
                    let flag = String(word.prefix { $0 != "=" })
                    #expect(text.contains(flag), "swiftletctl \(words.joined(separator: " "))")
                } else if let list = text.firstRange(of: "SUBCOMMANDS:"),
                    text[list.upperBound...].contains("\n  \(word) ")
                {
                    path.append(word)
                } else {
                    #expect(
                        !text.contains("SUBCOMMANDS:") || word.contains("|"),
                        "swiftletctl \(words.joined(separator: " "))")
                    break
                }
            }
        }
    }
}
