internal import Kernel
public import Posix

extension CollectedEvidence {
    /// Namespaces that a runtime has named and left: its engine was killed before it could use or remove them.
    var emptyNamespaces: [EmptyNamespace] {
        // Somebody else's process may be in one that we cannot look into.
        guard seen.seesAllNamespaces else { return [] }
        let used = Set(byAttachment.values.compactMap { $0.pod?.namespace.namespace.inode })
        return seen.namespaces.filter { namespace in
            !namespace.hasProcess && !used.contains(namespace.namespace.inode)
                && namespace.interfaces.allSatisfy { $0.name == "lo" }
        }.compactMap { namespace in
            let path = namespace.namespace.path
            guard let runtime = NamespaceNames.runtime(of: path) else { return nil }
            return EmptyNamespace(
                path: path, inode: namespace.namespace.inode, since: namespace.since, runtime: runtime)
        }.sorted { $0.path < $1.path }
    }
}

/// Who gives namespaces such names.
public enum NamespaceNames {
    /// Nil if the name tells nothing.
    public static func runtime(of path: String) -> String? {
        guard let name = path.split(separator: "/").last else { return nil }
        if path.hasPrefix("/run/docker/") || path.hasPrefix("/var/run/docker/") { return "Docker" }
        guard path.hasPrefix("/run/netns/") || path.hasPrefix("/var/run/netns/") else { return nil }
        if name.hasPrefix("cni-"), isUUID(name.dropFirst(4)) { return "containerd" }
        if name.hasPrefix("netns-"), isUUID(name.dropFirst(6)) { return "podman" }
        return isUUID(name) ? "CRI-O" : nil
    }

    private static func isUUID(_ text: Substring) -> Bool {
        let groups = text.split(separator: "-", omittingEmptySubsequences: false)
        return groups.map { $0.count } == [8, 4, 4, 4, 12] && groups.joined().allSatisfy { $0.isHexDigit }
    }
}

extension Snapshot {
    /// Whether an empty namespace is the same and still empty.
    public static func isEmptyNamespace(_ empty: EmptyNamespace) throws(Failure) -> Bool {
        guard try !NamespaceList.ofOthers().inhabited.contains(empty.inode) else { return false }
        let namespace = try NetworkNamespace(empty.path)
        guard try namespace.inode() == empty.inode else { return false }
        var inside = try namespace.netlinkSocket()
        return try inside.links().allSatisfy { $0.name == "lo" }
    }
}
