import AgentConfiguration
import ClusterEngine
import EngineHTTP
import EtcdEngine
import Foundation
import KubernetesEngine

/// The engine that the configuration names.
func makeEngine(_ configuration: AgentConfiguration) throws(EngineFailure) -> any ClusterEngine {
    switch configuration.engine {
    case .etcd(let etcd):
        var settings = EtcdSettings(
            etcd.access, network: configuration.network, node: configuration.ways.node,
            ranges: try subnetRanges(configuration))
        if let seconds = etcd.leaseSeconds { settings.claimSeconds = seconds }
        settings.user = etcd.user
        settings.password = etcd.passwordFile.map { .file($0) }
        try settings.validate()
        return EtcdEngine(settings)
    case .kubernetes(let kubernetes):
        let access: EngineAccess
        if let path = kubernetes.kubeconfig {
            access = try KubernetesAccess.kubeconfig(
                path, context: kubernetes.context, servers: kubernetes.servers)
        } else {
            access = try KubernetesAccess.serviceAccount(
                environment: ProcessInfo.processInfo.environment, servers: kubernetes.servers)
        }
        var settings = KubernetesEngine.Settings(node: configuration.ways.node)
        settings.prefersExternal = kubernetes.prefersExternalAddresses
        return KubernetesEngine(access, settings)
    }
}

/// What nodes take their subnets from.
func subnetRanges(_ configuration: AgentConfiguration) throws(EngineFailure) -> [SubnetRange] {
    try configuration.ranges.map { range throws(EngineFailure) in
        try SubnetRange(range.cidr, subnetLength: range.nodePrefix)
    }
}
