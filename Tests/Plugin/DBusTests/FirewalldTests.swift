import ContainerRuntime
import DBus
import Foundation
import TestSupport
import Testing

/// One for all tests here, gone with the process.
private enum Shared {
    static let node = Result { try FirewalldNode() }
}

extension FirewalldNode {
    /// Runs a command inside and returns what it printed.
    @discardableResult
    fileprivate func run(_ words: String...) throws -> String {
        let outcome = try Launcher(prefix: prefix).run(
            words[0], arguments: Array(words.dropFirst()),
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"])
        let text = String(decoding: outcome.stdout, as: UTF8.self)
        try #require(outcome.exit.isSuccess, "\(words): \(text)\(String(decoding: outcome.stderr, as: UTF8.self))")
        return text
    }

    fileprivate func sources(_ zone: String) throws -> Set<String> {
        Set(try run("firewall-cmd", "--zone=\(zone)", "--list-sources").split { $0.isWhitespace }.map(String.init))
    }

    /// What the kernel has.
    fileprivate func ruleset() throws -> String { try run("nft", "list", "table", "inet", "firewalld") }
}

/// Debian's firewalld, on a bus and in namespaces of its own.
@Suite(.serialized) struct FirewalldTests {
    @Test(arguments: [("10.77.0.1/32", "10.77.0.1"), ("fd00:77::1/128", "fd00:77::1")])
    func sourcesAreAddedFoundAndRemoved(_ source: String, _ address: String) throws {
        let node = try Shared.node.get()
        var firewalld = try present(try Firewalld.connect(to: node.busAddress))
        #expect(try firewalld.zone(ofSource: source) == nil)
        #expect(try !firewalld.holds(source: source, zone: "trusted"))
        #expect(try firewalld.add(source: source, zone: "trusted") == .added)
        #expect(try firewalld.zone(ofSource: source) == "trusted")
        #expect(try firewalld.holds(source: source, zone: "trusted"))
        #expect(try !firewalld.holds(source: source, zone: "public"))
        #expect(try node.sources("trusted").contains(source))
        #expect(try node.ruleset().contains("saddr \(address) goto filter_IN_trusted"))
        #expect(try firewalld.remove(source: source, zone: "trusted"))
        #expect(try firewalld.zone(ofSource: source) == nil)
        #expect(try !node.sources("trusted").contains(source))
        #expect(try !node.ruleset().contains(address))
    }

    @Test func whatIsThereOrNotThereAlreadyIsFine() throws {
        let node = try Shared.node.get()
        var firewalld = try present(try Firewalld.connect(to: node.busAddress))
        #expect(try !firewalld.remove(source: "10.77.0.2/32", zone: "trusted"))
        #expect(try firewalld.add(source: "10.77.0.2/32", zone: "trusted") == .added)
        #expect(try firewalld.add(source: "10.77.0.2/32", zone: "trusted") == .present)
        #expect(try firewalld.remove(source: "10.77.0.2/32", zone: "trusted"))
        #expect(try !firewalld.remove(source: "10.77.0.2/32", zone: "trusted"))
    }

    @Test func aSourceInAnotherZoneIsMovedByAdditionAndLeftByRemoval() throws {
        let node = try Shared.node.get()
        var firewalld = try present(try Firewalld.connect(to: node.busAddress))
        let source = "10.77.0.3/32"
        #expect(try firewalld.add(source: source, zone: "public") == .added)
        #expect(try !firewalld.remove(source: source, zone: "trusted"))
        #expect(try firewalld.zone(ofSource: source) == "public")
        #expect(try firewalld.add(source: source, zone: "trusted") == .moved)
        #expect(try firewalld.zone(ofSource: source) == "trusted")
        #expect(try node.sources("trusted").contains(source))
        #expect(try !node.sources("public").contains(source))
        #expect(try firewalld.remove(source: source, zone: "trusted"))
    }

    @Test func anUnknownZoneIsAnErrorExceptToRemoval() throws {
        let node = try Shared.node.get()
        var firewalld = try present(try Firewalld.connect(to: node.busAddress))
        do throws(FirewalldError) {
            try firewalld.add(source: "10.77.0.4/32", zone: "nosuch")
            Issue.record("it was added")
        } catch {
            #expect(error.code == "INVALID_ZONE")
            #expect("\(error)" == #"add source 10.77.0.4/32 to zone "nosuch": firewalld: INVALID_ZONE: nosuch"#)
        }
        do throws(FirewalldError) {
            _ = try firewalld.holds(source: "10.77.0.4/32", zone: "nosuch")
            Issue.record("it was answered")
        } catch { #expect(error.code == "INVALID_ZONE") }
        #expect(try !firewalld.remove(source: "10.77.0.4/32", zone: "nosuch"))
        #expect(try firewalld.zone(ofSource: "10.77.0.4/32") == nil)
        // firewalld looks at the zone only when it knows the source.
        try firewalld.add(source: "10.77.0.4/32", zone: "trusted")
        #expect(try !firewalld.remove(source: "10.77.0.4/32", zone: "nosuch"))
        #expect(try firewalld.remove(source: "10.77.0.4/32", zone: "trusted"))
    }

    @Test(arguments: ["", "nonsense", "10.77.0.5/33", "10.77.0.5\u{0}"])
    func whatIsNoSourceIsAnError(_ source: String) throws {
        let node = try Shared.node.get()
        var firewalld = try present(try Firewalld.connect(to: node.busAddress))
        do throws(FirewalldError) {
            try firewalld.add(source: source, zone: "trusted")
            Issue.record("it was added")
        } catch { #expect(error.code == "INVALID_ADDR" || error.cause == .unsendable(source), "\(error)") }
        // Nothing of it has broken the connection.
        #expect(try firewalld.zone(ofSource: "10.77.0.5/32") == nil)
    }

    @Test func aReloadLosesSourcesAndTheConnectionStays() throws {
        let node = try Shared.node.get()
        var firewalld = try present(try Firewalld.connect(to: node.busAddress, milliseconds: 30_000))
        try firewalld.add(source: "10.77.0.6/32", zone: "trusted")
        try node.run("firewall-cmd", "--reload")
        #expect(try firewalld.zone(ofSource: "10.77.0.6/32") == nil)
        #expect(try !node.ruleset().contains("10.77.0.6"))
        #expect(try firewalld.add(source: "10.77.0.6/32", zone: "trusted") == .added)
        #expect(try node.ruleset().contains("10.77.0.6"))
        #expect(try firewalld.remove(source: "10.77.0.6/32", zone: "trusted"))
    }

    @Test func firewalldThatStopsIsNoticed() throws {
        let node = try FirewalldNode()
        var held = try present(try Firewalld.connect(to: node.busAddress))
        try node.stopFirewalld()
        #expect(throws: FirewalldError.self) { try held.add(source: "10.77.0.7/32", zone: "trusted") }
        let isThere = try Firewalld.connect(to: node.busAddress) != nil
        #expect(!isThere)
    }
}

/// Debian's dbus-daemon, with nobody on it.
@Suite struct BusTests {
    private static let node = Result { try FirewalldNode(service: .bus) }

    @Test func aBusWithoutFirewalldIsNoFirewalld() throws {
        let isThere = try Firewalld.connect(to: try Self.node.get().busAddress) != nil
        #expect(!isThere)
    }

    @Test func noBusIsNoFirewalld() throws {
        let isThere = try Firewalld.connect(to: "unix:path=/nonexistent/bus") != nil
        #expect(!isThere)
    }

    @Test func theBusAnswers() throws {
        var bus = try present(try BusConnection.open(try Self.node.get().busAddress))
        let name = bus.uniqueName
        #expect(name.hasPrefix(":1."))
        #expect(try bus.callBus("NameHasOwner", name) == .boolean(true))
        #expect(try bus.callBus("NameHasOwner", "no.such") == .boolean(false))
        #expect(try bus.owner(of: name) == name)
        #expect(try bus.owner(of: "org.freedesktop.DBus") == "org.freedesktop.DBus")
        #expect(try bus.owner(of: "no.such") == nil)
        #expect(try bus.callBus("AddMatch", "type='signal'") == .nothing)
        // Longer than one read.
        let long = "arg0='" + String(repeating: "x", count: 1000) + "'"
        #expect(try bus.callBus("AddMatch", long) == .nothing)
    }

    @Test func refusalsCarryTheirNameAndText() throws {
        var bus = try present(try BusConnection.open(try Self.node.get().busAddress))
        do throws(BusError) {
            _ = try bus.callBus("NoSuchMethod")
            Issue.record("it was answered")
        } catch {
            guard case .refused("org.freedesktop.DBus.Error.UnknownMethod", let text) = error else { throw error }
            #expect(text.contains("NoSuchMethod"))
        }
        // Neither started nor waited for.
        do throws(BusError) {
            _ = try bus.call(MethodCall("m", [], destination: "org.freedesktop.DBus.no", path: "/", interface: "a.b"))
            Issue.record("it was answered")
        } catch {
            guard case .refused(let name, _) = error else { throw error }
            #expect(name.hasPrefix("org.freedesktop.DBus.Error."))
        }
    }

    /// What plugins in the node are given: their own /proc, and the namespaces of pods that came later.
    @Test func thoseWhoEnterTheNodeSeeLaterNamespaces() throws {
        let node = try Self.node.get()
        let name = "swt-\(getpid())-later"
        try run("ip", "netns", "add", name)
        defer { try? run("ip", "netns", "del", name) }
        try node.run("nsenter", "--net=/run/netns/\(name)", "true")
        // The number by which a process knows itself is the one that /proc has it by.
        try node.run("sh", "-c", "[ \"$(cat /proc/$$/comm)\" = sh ]")
        try node.run("test", "-S", "/run/dbus/system_bus_socket")
    }

    private func run(_ words: String...) throws {
        let outcome = try Launcher().run(
            words[0], arguments: Array(words.dropFirst()), environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        try #require(outcome.exit.isSuccess)
    }
}
