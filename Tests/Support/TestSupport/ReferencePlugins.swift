import Foundation

/// The directory of the reference plugins, in the version that `scripts/setup test` could get.
public let referencePlugins = repository.appending(path: "build/fetched/containernetworking-plugins/usr/lib/cni").path
