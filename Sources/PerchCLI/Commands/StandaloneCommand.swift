// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchAPIServer
internal import PerchMetastore
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

    @OptionGroup var processes: ProcessesOption
    @OptionGroup var watching: WatchOption
    @OptionGroup var listen: ListenOption
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption
    @OptionGroup var folder: DAGFolderOption

    func run() async throws {
        let home = try home.resolve()
        let configuration = try settings.read(
            home, adding: folder.assignments + listen.assignments + processes.assignments)
        let place = try DAGFolderPlace.of(Bundle.self, home, configuration)
        let build = try watching.build(configuration)
        try await RoleProcess("standalone", home: home, configuration: configuration).run { process in
            let built = try build.map { _ in try SourceWatch.place(in: home) }
            let engine = try Engine(
                home: home, configuration: configuration, metrics: process.metrics, dags: place, built: built,
                health: process.health)
            let watch = try build.flatMap { build in
                try built.map { try engine.watch(build, into: $0) }
            }
            return RoleProcess.Opened(
                reactor: engine.reactor, metastore: engine.metastore, leased: [WorkerRow.role, TriggererRow.role],
                metrics: engine.text(of: process.metrics),
                start: {
                    let started = try await engine.start()
                    if let address = started.api {
                        Console.shared.say("api: http\(started.isSecure ? "s" : "")://\(address)")
                    }
                    if let token = started.firstToken {
                        Console.shared.say(
                            "api: nobody is named yet; this token, shown once, lets do everything: \(token)")
                    }
                    watch?.start()
                    guard !started.bundles.isEmpty else { return "\(started.dags) DAGs" }
                    return "\(started.dags) DAGs, and the bundles \(started.bundles.joined(separator: ", "))"
                },
                stop: {
                    watch?.stop()
                    try await engine.stop()
                })
        }
    }
}
