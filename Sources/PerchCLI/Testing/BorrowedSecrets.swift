// SPDX-License-Identifier: Apache-2.0

internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

/// The connections and variables that a test of a run sees: those of the environment, of the settings, and of the home that
/// other commands work on, where there is one. Of that it reads, and changes nothing.
struct BorrowedSecrets {
    let secrets: ExecutorSecrets
    /// What sensors of the run see.
    let variables: [VariableRow]
    private let metastore: Metastore?

    /// - Parameter home: Nil: the one that commands without `--home` work on.
    init(_ home: Home? = nil) async throws {
        let environment = ProcessEnvironment.current
        let home = try home ?? Home(option: nil, environment: environment)
        let configuration = try home.configuration(flags: [], environment: environment)
        metastore = Self.metastore(of: home)
        do {
            secrets = try SecretSettings(configuration, home: home).forExecutor(metastore)
            variables = try await metastore?.read { try $0.variables() } ?? []
        } catch {
            try metastore?.close()
            throw error
        }
    }

    /// One that cannot be opened is no reason to run nothing: what it has is missing then, as if there was none.
    private static func metastore(of home: Home) -> Metastore? {
        guard home.paths.state.hasMetastore else { return nil }
        do {
            return try home.open()
        } catch {
            Console.shared.say("note: connections and variables of \(home.path) are not seen: \(error)")
            return nil
        }
    }

    /// Puts the variables into the metastore of the run; what is sealed stays sealed.
    func lend(to metastore: Metastore) async throws {
        let variables = variables
        guard !variables.isEmpty else { return }
        try await metastore.write { transaction in
            for row in variables {
                try transaction.setVariable(
                    row.key, row.value, isSecret: row.isSecret, description: row.description)
            }
        }
    }

    func close() throws { try metastore?.close() }
}
