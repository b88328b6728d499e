// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchBundle
internal import PerchOutputs
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

    @Option(name: .long, help: "Where long outputs are kept.") var outputs: String?
    @Option(name: .long, help: "The longest output that is not kept there, in bytes.") var inlineSize: Int?
    @Option(name: .long, help: "The longest output, in bytes.") var maxSize: Int?
    @Option(name: .long, help: "The engine's time, less that since the machine was started, in microseconds.")
    var clockOffset: Int64?

    private var keeping: OutputKeeping? {
        outputs.map {
            OutputKeeping(
                store: FileOutputStore(directory: $0), inlineSize: inlineSize ?? OutputKeeping.usualInlineSize,
                largest: maxSize ?? OutputKeeping.usualLargest)
        }
    }

    func run() async throws {
        let bundle = Bundle()
        let own = bundle.dags
        var reading: (@Sendable () -> BundleContents)?
        if let dags {
            let folder = DAGFolder(dags, keeping: kept)
            reading = { folder.contents(beside: own) }
        }
        let clock: any PerchClock = clockOffset.map { UptimeClock(offset: $0) } ?? SystemClock()
        await BundleHost.run(
            dags: own, triggers: bundle.triggers, descriptor: 0, clock: clock, outputs: keeping, reading: reading)
    }
}
