// SPDX-License-Identifier: Apache-2.0

/// Connections and variables in a process's environment: `PERCH_CONN_` and `PERCH_VAR_` before the id or key in capitals.
package struct EnvironmentConnections: Sendable {
    private let environment: @Sendable (String) -> String?

    /// What an environment holds.
    package init(environment: @escaping @Sendable (String) -> String?) { self.environment = environment }

    /// The connection of an id; nil where the environment has none.
    /// - Throws: `PerchError` (`invalid`) where what stands there is no connection.
    package func connection(_ id: String) throws(PerchError) -> Connection? {
        let name = "PERCH_CONN_\(id.uppercased())"
        guard let text = environment(name) else { return nil }
        do throws(PerchError) {
            return try Connection(parsing: text)
        } catch {
            throw PerchError(.invalid, "the environment variable \(name): \(error.message)")
        }
    }

    /// The variable of a key; nil where the environment has none.
    package func variable(_ key: String) -> String? { environment("PERCH_VAR_\(key.uppercased())") }
}
