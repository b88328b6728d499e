// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchBundle
internal import PerchSDK
internal import PerchYAML

/// What the engine starts as its child: the process that holds the user's code.
struct BundleHostCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "bundle-host", abstract: "Run task code for an engine; started by it.", shouldDisplay: false)
    }

    @Option(name: .long, help: "The folder of YAML files with DAGs.") var dags: String?
    @Option(name: .long, help: "Where the last good state of such files is kept.") var kept: String?

    func run() async throws {
        let bundle = Bundle()
        let folder = dags.map { DAGFolder($0, keeping: kept) }
        await BundleHost.run(
            dags: bundle.dags, triggers: bundle.triggers, descriptor: 0, clock: SystemClock(),
            reading: folder.map { folder in { bundle.contents(with: folder) } })
    }
}
