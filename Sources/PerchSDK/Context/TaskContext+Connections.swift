// SPDX-License-Identifier: Apache-2.0

// MARK: Connections and variables
extension TaskContext {
    /// What stands behind a connection's id. What is secret in it is masked in the attempt's log.
    /// - Throws: `PerchError` (`notFound`) where there is no connection of that id.
    public func connection(_ id: String) async throws -> Connection {
        try await runtime.connection(id)
    }

    /// A variable's value.
    /// - Throws: `PerchError` (`notFound`) where there is no variable of that key.
    public func variable(_ key: String) async throws -> String {
        try await runtime.variable(key)
    }

    /// A variable whose value is JSON text, as a value of a type.
    /// - Throws: `PerchError`: `notFound` where there is no variable of that key, `invalid` where it is of another type.
    public func variable<Value: Decodable>(_ key: String, as type: Value.Type) async throws -> Value {
        let text = try await runtime.variable(key)
        do {
            return try JSONValue(parsing: text).decode(type)
        } catch {
            // The error would repeat the value, which may be a secret.
            throw PerchError(.invalid, "the variable '\(key)' is no JSON text of \(type)")
        }
    }
}
