// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchMetastore
internal import PerchSDK

/// Commands have their names whatever the bundle has.
struct NoDAGs: DAGBundle {
    var dags: [DAG] { [] }
}

/// Which commands a server runs for those who have its URL, and for whom.
enum RemoteCommands {
    enum Place: Equatable {
        case server(APIRight)
        /// Only where it is typed, and why.
        case here(String)
    }

    private static let codeRunsHere = "it runs the tasks' code, which a server does for its own runs alone"
    private static let isRole = "it is started on the machine where it is to run"
    private static let wantsFiles = "it works on files of the server's machine"

    /// By the path of the command.
    static let table: [String: Place] = [
        "standalone": .here(isRole), "scheduler": .here(isRole), "worker": .here(isRole), "worker run": .here(isRole),
        "triggerer": .here(isRole), "triggerer run": .here(isRole),
        "api-server": .here(isRole), "bundle-host": .here(isRole),
        "init": .here("it makes files here"), "completion": .here("it is for this shell"),
        "version": .here("it is this program's; `info` has the server's"),
        "db migrate": .here(wantsFiles), "db backup": .here(wantsFiles), "db copy": .here(wantsFiles),
        "bundles deploy": .here(wantsFiles), "bundles check": .here(wantsFiles),
        "secrets generate-key": .here("a key goes over no wire"), "secrets rotate": .here("a key goes over no wire"),
        "dags test": .here(codeRunsHere), "tasks test": .here(codeRunsHere),

        "dags list": .server(.viewer), "dags details": .server(.viewer), "dags show": .server(.viewer),
        "dags state": .server(.viewer), "dags list-runs": .server(.viewer), "dags next-execution": .server(.viewer),
        "dags report": .server(.viewer), "dags versions": .server(.viewer), "dags diff": .server(.viewer),
        "dags list-import-errors": .server(.viewer), "dags schema": .server(.viewer),
        "dags trigger": .server(.user), "dags pause": .server(.user), "dags unpause": .server(.user),
        "dags delete": .server(.admin),
        "runs list": .server(.viewer), "runs details": .server(.viewer), "runs explain": .server(.viewer),
        "runs cancel": .server(.operator),
        "backfill list": .server(.viewer), "backfill show": .server(.viewer), "backfill create": .server(.operator),
        "backfill pause": .server(.operator), "backfill unpause": .server(.operator),
        "backfill cancel": .server(.operator),
        "tasks list": .server(.viewer), "tasks states": .server(.viewer), "tasks state": .server(.viewer),
        "tasks logs": .server(.viewer), "tasks failed-deps": .server(.viewer), "tasks render": .server(.viewer),
        "tasks clear": .server(.operator), "tasks mark": .server(.operator),
        "deferred list": .server(.viewer), "deferred show": .server(.viewer), "deferred explain": .server(.viewer),
        "deferred forecast": .server(.viewer), "deferred watch": .server(.viewer),
        "deferred fire": .server(.operator),
        "deferred cancel": .server(.operator),
        "deferred extend": .server(.operator),
        "approvals list": .server(.viewer), "approvals show": .server(.viewer), "approvals answer": .server(.user),
        "events list": .server(.viewer), "events show": .server(.viewer), "events emit": .server(.events),
        "assets list": .server(.viewer), "assets show": .server(.viewer), "assets events": .server(.viewer),
        "pools list": .server(.viewer), "pools get": .server(.viewer), "pools export": .server(.viewer),
        "pools set": .server(.admin), "pools delete": .server(.admin), "pools import": .server(.admin),
        // They may show and hold what is secret.
        "variables list": .server(.admin), "variables get": .server(.admin), "variables export": .server(.admin),
        "variables set": .server(.admin), "variables delete": .server(.admin), "variables import": .server(.admin),
        "connections list": .server(.admin), "connections get": .server(.admin), "connections export": .server(.admin),
        "connections add": .server(.admin), "connections delete": .server(.admin),
        "connections import": .server(.admin),
        "users list": .server(.admin), "users create": .server(.admin), "users set-password": .server(.admin),
        "users set-role": .server(.admin), "users grant": .server(.admin), "users revoke-grant": .server(.admin),
        "users disable": .server(.admin), "users enable": .server(.admin), "users delete": .server(.admin),
        "tokens list": .server(.admin), "tokens create": .server(.admin), "tokens revoke": .server(.admin),
        "audit list": .server(.admin),
        "config list": .server(.admin), "config get-value": .server(.admin),
        "db check": .server(.admin), "db clean": .server(.admin),
        "jobs list": .server(.viewer), "worker list": .server(.viewer), "triggerer list": .server(.viewer),
        "triggerer drain": .server(.operator), "bundles list": .server(.viewer), "bundles versions": .server(.viewer),
        "bundles rollback": .server(.admin), "bundles remove": .server(.admin), "metrics": .server(.events),
        "info": .server(.viewer),
    ]

    /// Options that say where this Perch is: the server knows.
    private static let placing = ["--home", "--metastore", "--url", "--token-file", "--ca"]
    /// Makes a command go on until something has ended.
    private static let following = ["--follow", "--wait"]

    /// Whether a command goes on for as long as somebody looks on, or something has not ended.
    static func goesOn(_ path: [String], _ arguments: [String]) -> Bool {
        path == ["deferred", "watch"] || arguments.prefix { $0 != "--" }.contains { following.contains($0) }
    }

    /// Whether a server is to run a command. Where it is the environment that names one, what is for here is done here.
    ///
    /// - Throws: `PerchError` (`invalid`) where it was named for a command that is for here.
    static func isFor(_ server: RemoteServer, _ path: [String]) throws -> Bool {
        guard !server.arguments.contains(where: { ["--help", "-h", "--help-hidden"].contains($0) }) else {
            return false
        }
        switch table[path.joined(separator: " ")] {
        case .server: return true
        case .here(let why) where server.isNamed:
            throw PerchError(.invalid, "--url: '\(path.joined(separator: " "))' is not run by a server: \(why)")
        case .here, nil: return false
        }
    }

    /// What one has to be allowed to do to give a command.
    ///
    /// - Parameter path: The words that name it.
    /// - Throws: `PerchError` (`invalid`) that says why there is no such thing.
    static func right(toGive path: [String], _ arguments: [String]) throws -> APIRight {
        let name = path.joined(separator: " ")
        switch table[name] {
        case .server(let right):
            for argument in arguments {
                let option = argument.prefix { $0 != "=" }
                if placing.contains(String(option)) {
                    throw PerchError(.invalid, "\(option) is not for a command that a server runs")
                }
            }
            return right
        case .here(let why):
            throw PerchError(.invalid, "'\(name)' is not run by a server: \(why)")
        case nil:
            throw PerchError(.invalid, "name a command: 'dags list', 'deferred explain', …, not '\(name.shown(60))'")
        }
    }
}
