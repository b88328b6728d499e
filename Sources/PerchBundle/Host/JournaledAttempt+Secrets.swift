// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Connections and variables: the environment's own, and for everything else the engine is asked.
extension JournaledAttempt {
    private static let environment = EnvironmentConnections { getenv($0).map { String(cString: $0) } }

    func connection(_ id: String) async throws -> Connection {
        let name = SecretName(.connection, id)
        guard case .connection(let connection)? = try await find(name) else { throw name.absence }
        return connection
    }

    func variable(_ key: String) async throws -> String { try await variable(named: key).value }

    func variable(named key: String) async throws -> Variable {
        let name = SecretName(.variable, key)
        guard case .variable(let variable)? = try await find(name) else { throw name.absence }
        return variable
    }

    private func find(_ name: SecretName) async throws -> FoundSecret? {
        var found = try Self.environment.find(name)
        if found == nil, host.mayAskForSecrets {
            found = try await lookUps.ask(name, of: dispatchID, by: host.outbox)
        }
        // Before the code has it, so that no line of it comes first.
        if let found { host.mask.add(found.secrets) }
        return found
    }
}
