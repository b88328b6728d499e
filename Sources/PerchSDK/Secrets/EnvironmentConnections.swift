// SPDX-License-Identifier: Apache-2.0

/// Connections, variables and secrets in a process's environment: `PERCH_CONN_` and `PERCH_VAR_` before the id or key in
/// capitals, `PERCH_SECRET_` before the name.
package struct EnvironmentConnections: Sendable {
    private let environment: @Sendable (String) -> String?

    /// What an environment holds.
    package init(environment: @escaping @Sendable (String) -> String?) { self.environment = environment }

    /// What stands behind a name; nil where the environment has nothing.
    /// - Throws: `PerchError` (`invalid`) where what stands there is no connection.
    package func find(_ name: SecretName) throws(PerchError) -> FoundSecret? {
        guard let text = environment(name.environmentVariable) else { return nil }
        do throws(PerchError) {
            return try FoundSecret(text, as: name)
        } catch {
            throw PerchError(.invalid, "the environment variable \(name.environmentVariable): \(error.message)")
        }
    }

    /// The connection of an id; nil where the environment has none.
    /// - Throws: `PerchError` (`invalid`) where what stands there is no connection.
    package func connection(_ id: String) throws(PerchError) -> Connection? {
        guard case .connection(let connection)? = try find(SecretName(.connection, id)) else { return nil }
        return connection
    }

    /// The variable of a key; nil where the environment has none.
    package func variable(_ key: String) -> String? { environment(SecretName(.variable, key).environmentVariable) }
}
