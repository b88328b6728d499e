// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore

/// The command that arguments name, as far as they name one.
struct NamedCommand {
    /// Without the program: `dags trigger`.
    private(set) var path: [String] = []
    /// What stands where a command of the group would, and is none; nil: nothing.
    private(set) var unknown: String?
    /// The commands of the group.
    private var known: [String] = []

    init(_ arguments: [String], in root: any ParsableCommand.Type) {
        var current = root
        for argument in arguments {
            let next = current.configuration.subcommands.first { command in
                command._commandName == argument || command.configuration.aliases.contains(argument)
            }
            guard let next else {
                known = current.configuration.subcommands.filter { $0.configuration.shouldDisplay }
                    .map { $0._commandName }
                if !known.isEmpty, !argument.hasPrefix("-"), argument != "help" { unknown = argument }
                return
            }
            path.append(argument)
            current = next
        }
    }

    /// How the command is called, with the program.
    var call: String { ([ProgramName.current] + path).joined(separator: " ") }

    /// What is wrong where a command is named that there is not; nil where that is not so.
    var problem: String? {
        guard let unknown else { return nil }
        let name = (path + [unknown]).joined(separator: " ")
        let right = Self.elsewhere[name].map { "here it is `\(ProgramName.current) \($0)`" }
        return "there is no command '\(name)'; \(right ?? NearName.hint(unknown, known))"
    }

    /// What others call a command, and what it is here.
    private static let elsewhere: [String: String] = [
        "celery": "worker", "webserver": "standalone",
        "dag-processor": "standalone", "datasets": "assets", "sensors": "deferred list",
        "tasks run": "tasks test", "dags backfill": "backfill create", "dags list-jobs": "triggerer list",
        "dags run": "dags trigger", "dags start": "dags trigger", "dags reserialize": "dags list-import-errors",
        "db init": "db migrate", "db upgrade": "db migrate", "pools create": "pools set", "pools add": "pools set",
        "variables add": "variables set", "variables create": "variables set", "connections create": "connections add",
        "connections set": "connections add --replace", "config get": "config get-value",
        "deferred resume": "deferred fire", "runs trigger": "dags trigger", "runs clear": "tasks clear",
    ]
}
