import CKernel
import Foundation
import Kernel
import Posix
import TestSupport
import Testing

@Suite struct NamespaceTests {
    @Test func namesComeAndGoAndIpNetnsSeesThem() async {
        await #expect(processExitsWith: .success) {
            try require(ck_unshare(ck_clone_newns) == 0, "no mount namespace of its own")
            let directory = temporaryPath("netns")
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let names = NamedNamespaces(directory: directory)
            try require(try names.list() == [], "a directory that is not there has names")
            try names.create("one")
            try names.create("two")
            try require(try names.list() == ["one", "two"], "\(try names.list())")
            let one = try NetworkNamespace(names.path(of: "one"))
            let home = try NetworkNamespace.current()
            try require(try one.inode() != home.inode(), "one is the host's")
            try require(try one.inode() != NetworkNamespace(names.path(of: "two")).inode(), "one and two are the same")
            do {
                try names.create("one")
                throw UnexpectedState("one was made twice")
            } catch let error as Failure { try require(error.errno == .fileExists, "\(error)") }
            for name in ["", ".", "..", "a/b"] {
                do {
                    try names.create(name)
                    throw UnexpectedState("\(name) was made")
                } catch let error as Failure { try require(error.errno == .invalidArgument, "\(error)") }
            }
            try names.delete("one")
            try names.delete("two")
            do {
                try names.delete("one")
                throw UnexpectedState("one was deleted twice")
            } catch let error as Failure { try require(error.errno == .noSuchFile, "\(error)") }
            try require(try names.list() == [], "names are left")
            while ck_unmount(directory) == 0 {}
        }
    }

    @Test func onlyNetworkNamespacesAreOpened() {
        #expect(throws: Failure.self) { _ = try NetworkNamespace("/proc/self/ns/uts") }
        #expect(throws: Failure.self) { _ = try NetworkNamespace("/etc/passwd") }
        #expect(throws: Failure.self) { _ = try NetworkNamespace("/") }
        #expect(throws: Failure.self) { _ = try NetworkNamespace("/nonexistent") }
    }

    @Test func aBodyThatFailsComesBackToo() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let home = try NetworkNamespace.current()
            let other = try anotherNamespace()
            let there = try other.run { () throws(Failure) in try NetworkNamespace.current().inode() == other.inode() }
            try require(there, "it was not there")
            try require(try NetworkNamespace.current().inode() == home.inode(), "it did not come back")
            do {
                try other.run { () throws(Failure) in throw Failure(.internal, "failed") }
            } catch let error as Failure { try require(error.message == "failed", "\(error)") }
            try require(try NetworkNamespace.current().inode() == home.inode(), "it did not come back after an error")
        }
    }

    @Test func parametersAreThoseOfTheThreadsNamespace() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let forwarding = Sysctl("ipv4/ip_forward")
            try forwarding.write("0")
            let other = try anotherNamespace()
            try other.run { () throws(Failure) in try forwarding.ensure("1") }
            try require(try forwarding.read() == "0", "the other namespace's value is here")
            try require(try other.run { () throws(Failure) in try forwarding.read() } == "1", "it was not written")
            try require(try Sysctl("ipv4/nosuch").read() == nil, "a parameter that does not exist has a value")
            try require(try !Sysctl("ipv4/nosuch").write("1"), "it was written")
        }
    }
}
