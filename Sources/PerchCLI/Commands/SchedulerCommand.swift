// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchAPIServer
internal import PerchSDK

struct SchedulerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scheduler", abstract: "Run the scheduler alone, with workers and triggerers beside it.",
        discussion: """
            What 'standalone' does in one process is shared out: the scheduler makes runs and says what is next, 'worker' \
            runs tasks, 'triggerer' watches waits. A home has one scheduler at a time; it makes the home where it is \
            missing. Stops on SIGTERM or SIGINT. The log goes to standard error.
            """)

    @OptionGroup var listen: ListenOption
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption

    func run() async throws {
        let home = try home.resolve()
        let configuration = try settings.read(home, adding: listen.assignments)
        try await RoleProcess("scheduler", home: home, configuration: configuration).run { process in
            let metrics = process.metrics
            let role = try SchedulerRole(
                home: home, configuration: configuration, metrics: metrics, health: process.health)
            return RoleProcess.Opened(
                reactor: role.reactor, metastore: role.metastore, leased: [], metrics: { await metrics.text() },
                start: {
                    if let address = try await role.start() { Console.shared.say("api: http://\(address)") }
                    return "scheduler"
                }, stop: role.stop)
        }
    }
}
