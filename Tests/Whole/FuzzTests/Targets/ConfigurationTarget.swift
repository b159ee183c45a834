import Posix
import CNI
import DHCP
import JSON

@testable import CNI
@testable import Plugins

extension FuzzTarget {
    /// Standard input, as every plugin that it could be for decodes it; with `CNI_ARGS` from a key of the fuzzer's own.
    static let configuration = FuzzTarget(name: "configuration") { octets in
        for command in ["ADD", "DEL", "CHECK"] {
            try expectSensibleErrors {
                let configuration = try Configuration(octets)
                let arguments = (try? configuration.conventionalArgument("CNI_ARGS")?.string()) ?? ""
                let invocation = try Invocation(
                    Environment([
                        "CNI_COMMAND=\(command)", "CNI_CONTAINERID=id", "CNI_IFNAME=eth0", "CNI_NETNS=/",
                        "CNI_ARGS=\(arguments)",
                    ]))
                let request = Request(invocation, configuration, Delegation(builtIn: Registry.plugins, log: { _ in }))
                for decode in decoders(request) { try expectSensibleErrors(decode) }
                try expectErrorsToSayWhere(configuration.reader)
            }
        }
    }

    private static func decoders(_ request: Request) -> [() throws -> Void] {
        let configuration = request.configuration
        func settings(_ plugin: some InterfacePlugin) throws { _ = try plugin.settings(request) }
        let plugins: [any InterfacePlugin] = [Macvlan(), IPvlan(), VLAN(), Dummy(), Tap(), HostDevice()]
        return plugins.map { plugin in { try settings(plugin) } } + [
            { _ = try BridgeSettings(request, Bridge.defaults) },
            { _ = try BridgeSettings(request, Swiftlet.defaults) },
            { _ = try PointToPointSettings(request) }, { _ = try PortMappingSettings(request) },
            { _ = try FirewallSettings(request) }, { _ = try BandwidthSettings(request) },
            { _ = try StaticSettings(request) }, { _ = try TuningSettings(request) },
            { _ = try SBRSettings(configuration) }, { _ = try VRFSettings(request) },
            { _ = try ClientSettings(configuration, request.invocation.arguments) },
            { _ = try HostLocalSettings(configuration.reader, request) },
            {
                guard
                    let ipam = try configuration.decoding({ reader throws(Failure) in try reader.member("ipam") })
                else { return }
                _ = try HostLocalSettings(ipam, request)
            },
            { _ = try configuration.validAttachments() }, { _ = try configuration.dns() },
            { try FuzzTarget.expectToSurviveEncoding(configuration.previousResult()) },
        ]
    }

    /// Whatever is wrong with a configuration has one of the specification's codes and says what it is.
    private static func expectSensibleErrors(_ decode: () throws -> Void) throws {
        do { try decode() } catch let error as FuzzFailure { throw error } catch {
            let error = error as! CNIError
            let codes: [CNIError.Code] = [
                .incompatibleVersion, .unsupportedField, .invalidEnvironment, .decodingFailure, .invalidConfiguration,
            ]
            try require(codes.contains(error.code), "code \(error.code.rawValue): \(error)")
            try require(!error.message.isEmpty, "an error without a message")
            // What the runtime gets is a document whatever the text quotes.
            _ = try JSON(parsing: error.json(version: .latest).serialized())
        }
    }

    /// The key path in an error leads to a value of the document.
    private static func expectErrorsToSayWhere(_ reader: JSONReader) throws {
        for key in keys {
            do throws(Failure) {
                guard let value = try reader.member(key.name) else { continue }
                try key.validate(value)
            } catch {
                try require(
                    [" ", ".", "["].contains { error.message.hasPrefix(key.name + $0) },
                    "\(key.name): the error is about something else: \(error)")
            }
        }
    }

    private static let keys: [KeyDescription] =
        BridgeSettings.Keys.all(Swiftlet.defaults) + BridgeSettings.Keys.lists
        + BridgeSettings.Keys.ownOnly
        + PointToPoint.Keys.everything + Macvlan.Keys.everything + IPvlan.Keys.everything + VLAN.Keys.everything
        + Tap.Keys.everything + HostDevice.Keys.everything + HostLocalSettings.Keys.everything
        + PortMappingSettings.Keys.everything + FirewallSettings.Keys.everything + BandwidthSettings.Keys.everything
        + TuningSettings.Keys.everything + SBRSettings.Keys.everything + VRFSettings.Keys.everything
        + StaticSettings.Keys.everything
}
