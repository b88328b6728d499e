// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchBundle
internal import PerchSDK

/// What the engine starts as its child: the process that holds the user's code.
struct BundleHostCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "bundle-host", abstract: "Run task code for an engine; started by it.", shouldDisplay: false)
    }

    func run() async throws {
        let bundle = Bundle()
        await BundleHost.run(dags: bundle.dags, triggers: bundle.triggers, descriptor: 0, clock: SystemClock())
    }
}
