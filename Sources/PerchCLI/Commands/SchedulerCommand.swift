// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import CoreMetrics
internal import Glibc
internal import PerchMetrics
internal import PerchSDK

struct SchedulerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scheduler", abstract: "Run the scheduler alone, with workers and triggerers beside it.",
        discussion: """
            What 'standalone' does in one process is shared out: the scheduler makes runs and says what is next, 'worker' \
            runs tasks, 'triggerer' watches waits. A home has one scheduler at a time; it makes the home where it is \
            missing. Stops on SIGTERM or SIGINT. The log goes to standard error.
            """)

    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption

    func run() async throws {
        let home = try home.resolve()
        let configuration = try settings.read(home)
        ProcessLimits.allowManyDescriptors()
        try StopSignals.listen()
        let metrics = EngineMetrics()
        MetricsSystem.bootstrap(metrics.registry)
        let role = try SchedulerRole(home: home, configuration: configuration, metrics: metrics)
        let address = try await role.start()
        if let address { Console.shared.say("api: http://\(address)") }
        Console.shared.say("ready: scheduler, home \(home.path), process \(getpid())")
        try await StopSignals.first(on: role.reactor)
        Console.shared.say("stopping")
        try await role.stop()
    }
}
