// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// The places in which an engine looks for connections, variables and secrets, in their order: the environment, the secrets
/// file, the secrets command, the metastore. The first that has something answers.
///
/// Only the environment is looked at on the caller's thread. Files are read, programs run and values opened on a few threads
/// of its own, so that a slow place holds up those who ask it, and no reactor.
package final class SecretPlaces: SecretDesk {
    private let environment: EnvironmentConnections
    private let file: SecretsFile?
    private let command: SecretsCommand?
    private let keys: KeyPlace
    private let stored: @Sendable (SecretName) async throws -> StoredText?
    private let threads = LookUpThreads(most: 4)

    /// The places of an engine.
    ///
    /// - Parameter stored: Reads what the metastore holds.
    package init(
        environment: @escaping @Sendable (String) -> String?, file: SecretsFile?, command: SecretsCommand?,
        keys: KeyPlace, stored: @escaping @Sendable (SecretName) async throws -> StoredText?
    ) {
        self.environment = EnvironmentConnections(environment: environment)
        self.file = file
        self.command = command
        self.keys = keys
        self.stored = stored
    }

    package func find(_ name: SecretName) async throws -> FoundSecret? {
        if let found = try environment.find(name) { return found }
        if file != nil || command != nil {
            let (file, command) = (file, command)
            let found = try await threads.perform { try file?.find(name) ?? command?.find(name) }
            if let found { return found }
        }
        switch try await stored(name) {
        case nil: return nil
        case .plain(let text): return .variable(Variable(text))
        case .sealed(let value):
            let keys = keys
            return try await threads.perform { try Self.found(try keys.ring().open(value, of: name), name) }
        }
    }

    private static func found(_ text: String, _ name: SecretName) throws(PerchError) -> FoundSecret {
        switch name.kind {
        case .connection: return .connection(try StoredConnection.parse(text, name))
        case .variable: return .variable(Variable(text, isSecret: true))
        case .secret: return .secret(text)
        }
    }
}

/// What is sealed of a connection: its JSON object.
package enum StoredConnection {
    /// What is sealed.
    package static func text(of connection: Connection) -> String { connection.json.text }

    /// Reads it again.
    /// - Throws: `PerchError` (`invalid`) that never repeats the text.
    package static func parse(_ text: String, _ name: SecretName) throws(PerchError) -> Connection {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: text)
        } catch {
            throw PerchError(.invalid, "what is stored of \(name) is no JSON; set it anew")
        }
        do throws(PerchError) {
            return try Connection(json: value)
        } catch {
            throw PerchError(.invalid, "what is stored of \(name) is no connection: \(error.message)")
        }
    }
}
