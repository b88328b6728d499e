// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import CoreMetrics
internal import Glibc
internal import PerchMetrics
internal import PerchSDK

struct StandaloneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "standalone", abstract: "Run scheduler, executor and triggerer in this process, on SQLite.",
        discussion: """
            Makes the home where it is missing. Stops on SIGTERM or SIGINT; a second signal ends it at once. \
            The log goes to standard error.
            """)

    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption

    func run() async throws {
        let home = try home.resolve()
        let configuration = try settings.read(home)
        Self.allowManyDescriptors()
        try StopSignals.listen()
        let metrics = EngineMetrics()
        // What libraries count goes to the same place. Once in a process: tests of runs and simulations have none.
        MetricsSystem.bootstrap(metrics.registry)
        let engine = try Engine(home: home, configuration: configuration, metrics: metrics)
        let count = try await engine.start()
        Console.shared.say("ready: \(count) DAGs, home \(home.path), process \(getpid())")
        try await engine.untilStopped()
        Console.shared.say("stopping")
        try await engine.stop()
    }

    /// Waits on HTTP and files need descriptors: as many as the system grants.
    private static func allowManyDescriptors() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
