import ContainerRuntime
import Testing

/// What this kernel lacks is named, by STATUS beforehand and by ADD, and nothing is left.
@Suite(.realKernel) struct MissingLinkKindTests {
    @Test(arguments: LinkPlugin.allCases.filter { !$0.isInKernel })
    func aKindThatTheKernelLacksIsNamed(_ plugin: LinkPlugin) throws {
        let scene = try LinkPluginTests.Scene(plugin)
        let error = try failure { try scene.node.runtime().status(scene.list) }
        #expect(error.code == 50 && error.msg.contains("make links of kind \(plugin)"), "\(error)")
        try expectRefused(scene.list, scene.pod, code: 100, "create \(plugin) eth0")
        try scene.node.runtime().del(scene.list, scene.pod.attachment)
    }
}
