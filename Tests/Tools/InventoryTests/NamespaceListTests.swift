import Testing

@testable import Inventory

/// Namespaces are found by what the kernel says of mounts.
@Suite struct NamespaceListTests {
    @Test func aMountedNamespaceIsKnownByItsInode() throws {
        let line: Substring = "612 25 0:4 net:[4026532215] /run/netns/web rw shared:7 - nsfs nsfs rw"
        let mount = try #require(MountedNamespace(line))
        #expect(mount.path == "/run/netns/web" && mount.inode == 4_026_532_215)
    }

    @Test func blanksInAPathAreWrittenInOctal() throws {
        let line: Substring = #"612 25 0:4 net:[7] /run/netns/a\040b\134c rw - nsfs nsfs rw"#
        #expect(MountedNamespace(line)?.path == #"/run/netns/a b\c"#)
    }

    @Test(arguments: [
        "25 1 254:1 / / rw,relatime - ext4 /dev/root rw", "612 25 0:4 mnt:[4026532215] /x rw - nsfs nsfs rw",
        "612 25 0:4 net:[x] /x rw - nsfs nsfs rw", "net:[1]", "",
    ])
    func otherMountsAreNone(_ line: String) { #expect(MountedNamespace(line[...]) == nil) }
}
