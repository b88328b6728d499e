// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSDK

struct APIServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "api-server", abstract: "Serve the API and the pages alone, beside a scheduler.",
        discussion: """
            Listens where api.listen says. Any number of them may work on one metastore, behind something that shares \
            requests out. On SIGTERM or SIGINT /ready says 503 for api.drain_time while it serves on; then it answers what \
            is under way, and ends. The log goes to standard error.
            """)

    @OptionGroup var listen: ListenOption
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption

    func run() async throws {
        let home = try home.resolve()
        let configuration = try settings.read(home, adding: listen.assignments)
        try await RoleProcess("api-server", home: home, configuration: configuration).run { process in
            let metrics = process.metrics
            let role = try APIServerRole(
                home: home, configuration: configuration, metrics: metrics, health: process.health)
            return RoleProcess.Opened(
                reactor: role.reactor, metastore: role.metastore, leased: [], metrics: { await metrics.text() },
                start: role.start, drain: role.drain, stop: role.stop)
        }
    }
}
