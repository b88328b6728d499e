// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSDK

/// The executable itself, under its own name.
struct RootCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: ProgramName.current,
            abstract: "Workflows that wait: DAGs, sensors and deferred tasks.",
            discussion: """
                Exit codes: 0 done, 1 could not, 64 wrong usage. Times are RFC 3339 in UTC.

                With --url https://HOST:PORT, or $PERCH_URL, a server runs the command on its own home: for whoever has the token \
                that --token-file or $PERCH_TOKEN gives, by a certificate that the machine, or the file of --ca, knows.
                """,
            subcommands: [
                StandaloneCommand<Bundle>.self, SchedulerCommand.self, WorkerCommand<Bundle>.self,
                TriggererCommand.self, APIServerCommand.self,
                JobsCommand.self, DAGsCommand<Bundle>.self, RunsCommand.self,
                BackfillCommand.self, TasksCommand<Bundle>.self,
                DeferredCommand.self, ApprovalsCommand.self,
                EventsCommand.self, AssetsCommand.self, PoolsCommand.self, VariablesCommand.self,
                ConnectionsCommand.self, SecretsCommandGroup.self,
                UsersCommand.self, TokensCommand.self, AuditCommand.self,
                DatabaseCommand.self, ConfigCommand.self, BundlesCommand.self,
                InitCommand.self, MetricsCommand.self,
                InfoCommand.self,
                CompletionCommand<Bundle>.self, VersionCommand.self, BundleHostCommand<Bundle>.self,
            ])
    }
}
