// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchExecutor
internal import PerchMetastore

extension Engine {
    /// A watch over sources, whose bundles this engine goes on with.
    func watch(_ build: SourceBuild, into bundle: DeployedBundle) throws -> SourceWatch {
        let metastore = metastore
        let log = EngineLog(level: configuration.logLevel, clock: SystemClock()).logger("watch")
        return SourceWatch(
            build, home: home, bundle: bundle, conditions: try BundleConditions(configuration), reactor: reactor,
            log: log,
            needed: { try await metastore.read { Set(try $0.pinnedBundles().map(\.bundleVersion)) } }
        ) {
            do {
                try await metastore.write { $0.ringBundles() }
            } catch {
                // It is looked at with every poll, too.
                log.warning("the executor was not told of the new bundle", metadata: ["error": "\(error)"])
            }
        }
    }
}
