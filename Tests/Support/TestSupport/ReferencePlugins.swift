import Foundation

/// The directory of the reference plugins, in the version that `scripts/setup test` fetched.
public let referencePlugins = repository.appending(path: "build/fetched/containernetworking-plugins/usr/lib/cni").path
