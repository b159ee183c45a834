internal import Addresses
internal import Attachments
internal import CNI
internal import JSON
internal import Posix

/// The settings of `tuning`, from all sources.
struct TuningSettings {
    let wanted: TuningValues
    let dataDirectory: String

    /// More sysctls than this are refused.
    private static let maximumSysctls = 1024
    /// Longer values are refused, in octets: the kernel takes no more than a page at once.
    private static let maximumValueLength = 4095

    enum Keys {
        static let sysctl = ConfigurationKey<[(key: String, value: String)]>(
            "sysctl", default: [],
            "Sysctls below `net`: `{\"net.core.somaxconn\": \"500\"}`; `IFNAME` in a key stands for the interface."
        ) { reader throws(Failure) in
            let members = try reader.object().members
            guard members.count <= maximumSysctls else { throw reader.tooLong(limit: maximumSysctls) }
            return try members.map { member throws(Failure) in
                let entry = JSONReader(member.value, path: "\(reader.path)[\"\(member.key)\"]")
                let value = try entry.string()
                guard value.utf8.count <= maximumValueLength else {
                    throw entry.wrong("at most \(maximumValueLength) octets")
                }
                return (member.key, value)
            }
        }
        static let mac = ConfigurationKey<String>.text("mac", default: "", "MAC of the interface.")
        static let promisc = ConfigurationKey<Bool>.flag("promisc", "Set the interface promiscuous.")
        static let mtu = ConfigurationKey<Int>.number(
            "mtu", default: 0, in: 0...Int(Int32.max), "MTU of the interface in octets; 0 leaves it as it is.")
        static let allmulti = ConfigurationKey<Bool?>(
            "allmulti", default: nil, "Whether the interface receives all multicast; by default left as it is."
        ) { reader throws(Failure) in try reader.bool() }
        static let txQLen = ConfigurationKey<Int?>(
            "txQLen", default: nil, "Length of the interface's transmit queue in packets."
        ) { reader throws(Failure) in
            let number = try reader.integer()
            guard (0...Int64(Int32.max)).contains(number) else { throw reader.wrong("from 0 to \(Int32.max)") }
            return Int(number)
        }
        static let dataDir = ConfigurationKey<String>.text(
            "dataDir", default: "/run/cni/tuning", "Where earlier values are kept until DEL restores them.")

        @KeyList static var everything: [KeyDescription] {
            sysctl
            mac
            promisc
            mtu
            allmulti
            txQLen
            dataDir
        }
    }

    /// - Throws: code 4, 6 or 7, naming key and value.
    init(_ request: Request) throws(Failure) {
        dataDirectory = try TuningSettings.dataDirectory(request)
        var wanted = TuningValues()
        let mac = try TuningSettings.requestedMAC(request)
        wanted.mac = mac.isEmpty ? nil : try MACAddress(requested: mac)
        wanted.isPromiscuous = try request.argument(or: Keys.promisc) ? true : nil
        let mtu = try request.argument(or: Keys.mtu)
        wanted.mtu = mtu == 0 ? nil : UInt32(mtu)
        wanted.isAllMulticast = try request.argument(or: Keys.allmulti)
        wanted.txQueueLength = try request.argument(or: Keys.txQLen).map(UInt32.init)
        wanted.sysctls = try TuningSettings.sysctls(request)
        self.wanted = wanted
    }

    /// - Throws: code 6 or 7.
    static func dataDirectory(_ request: Request) throws(Failure) -> String {
        let path = try request.configuration[Keys.dataDir]
        guard path.hasPrefix("/") else {
            throw Failure(.invalidConfiguration, "dataDir must be an absolute path, but is \"\(path)\"")
        }
        return path
    }

    /// `mac`, overridden by `CNI_ARGS` MAC, overridden by the capability, overridden by `args.cni.mac`; empty for none.
    private static func requestedMAC(_ request: Request) throws(Failure) -> String {
        try request.invocation.arguments.requireKnown(["IP", "MAC", "GATEWAY"])
        if try request.configuration.conventionalArgument(Keys.mac.name) != nil {
            return try request.argument(or: Keys.mac)
        }
        let capability = try request.configuration.runtimeConfiguration(Keys.mac.name)
        if let text = try capability?.string(), !text.isEmpty { return text }
        let argument = request.invocation.arguments["MAC"] ?? ""
        return argument.isEmpty ? try request.configuration[Keys.mac] : argument
    }

    /// The configuration's sysctls, replaced or followed by those of `args.cni`.
    private static func sysctls(_ request: Request) throws(Failure) -> [TuningValues.Setting] {
        let ifname = request.attachment.ifname
        let configured = try settings(request.configuration[Keys.sysctl], ifname)
        guard let argument = try request.configuration.conventionalArgument(Keys.sysctl.name) else { return configured }
        let entries: [(key: String, value: String)]
        entries = try Keys.sysctl.decode(argument)
        let asked = try settings(entries, ifname)
        return configured.filter { setting in !asked.contains { $0.sysctl.name == setting.sysctl.name } } + asked
    }

    private static func settings(
        _ entries: [(key: String, value: String)], _ ifname: String
    ) throws(Failure) -> [TuningValues.Setting] {
        var settings: [TuningValues.Setting] = []
        for entry in entries {
            let sysctl = try NetworkSysctl(entry.key, ifname: ifname)
            guard !settings.contains(where: { $0.sysctl.name == sysctl.name }) else {
                throw Failure(
                    .invalidConfiguration, "duplicated sysctl keys are not allowed: \"\(entry.key)\"",
                    details: "another key means \(sysctl.sysctl) too")
            }
            settings.append(TuningValues.Setting(sysctl: sysctl, value: entry.value))
        }
        return settings
    }
}

extension Request {
    /// The value of that name in `args.cni` or, if there is none, in the configuration.
    fileprivate func argument<Value>(or key: ConfigurationKey<Value>) throws(Failure) -> Value {
        guard let argument = try configuration.conventionalArgument(key.name) else { return try configuration[key] }
        return try key.decode(argument)
    }
}
