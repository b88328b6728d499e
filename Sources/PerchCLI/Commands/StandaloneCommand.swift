// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import CoreMetrics
internal import Glibc
internal import PerchMetrics
internal import PerchSDK

struct StandaloneCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "standalone",
            abstract: "Run scheduler, executor and triggerer in this process, on SQLite or PostgreSQL.",
            discussion: """
                Makes the home where it is missing. Stops on SIGTERM or SIGINT; a second signal ends it at once. \
                The log goes to standard error.
                """)
    }

    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption
    @OptionGroup var folder: DAGFolderOption

    func run() async throws {
        let home = try home.resolve()
        let configuration = try settings.read(home, adding: folder.assignments)
        let place = try DAGFolderPlace.of(Bundle.self, home, configuration)
        ProcessLimits.allowManyDescriptors()
        try StopSignals.listen()
        let metrics = EngineMetrics()
        // What libraries count goes to the same place. Once in a process: tests of runs and simulations have none.
        MetricsSystem.bootstrap(metrics.registry)
        let engine = try Engine(home: home, configuration: configuration, metrics: metrics, dags: place)
        let started = try await engine.start()
        if let address = started.api { Console.shared.say("api: http://\(address)") }
        Console.shared.say("ready: \(started.dags) DAGs, home \(home.path), process \(getpid())")
        try await engine.untilStopped()
        Console.shared.say("stopping")
        try await engine.stop()
    }
}
