// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

extension Transaction {
    /// Records what a command does in this transaction.
    func auditCommand(_ action: String, _ subject: String, _ details: JSONValue = .object([:])) throws {
        try audit(
            AuditEntry(who: Person.name, how: "command", action: action, subject: subject, details: details))
    }
}

/// What commands that change who may have in common.
enum AccessChange {
    /// Changes something, and records who did.
    static func perform<Result: Sendable>(
        _ home: HomeOption, _ action: String, _ subject: String, _ details: JSONValue = .object([:]),
        _ body: @escaping @Sendable (Transaction) throws -> Result
    ) async throws -> Result {
        try await home.withMetastore { _, metastore in
            try await metastore.write { transaction in
                let result = try body(transaction)
                try transaction.auditCommand(action, subject, details)
                return result
            }
        }
    }

    static func tell(_ text: String) throws {
        try Console.shared.line(text)
        try Console.shared.flush()
    }

    /// Reads the name of a role; what is none is wrong usage.
    static func role(_ text: String) throws -> AccessRole {
        if let role = AccessRole(rawValue: text) { return role }
        let names = AccessRole.allCases.map(\.rawValue)
        throw ValidationError("there is no role '\(text)'; there are \(names.joined(separator: ", "))")
    }

    /// Reads a role for some DAGs.
    static func grant(_ role: String, _ pattern: String) throws -> AccessGrant {
        let role = try self.role(role)
        do throws(PerchError) {
            return try AccessGrant(role, of: pattern)
        } catch {
            throw ValidationError(error.message)
        }
    }

    /// Roles for some DAGs as listings have them.
    static func shown(_ grants: [AccessGrant]) -> Document {
        .list(grants.map { .text("\($0.role.rawValue) \($0.pattern)") })
    }
}
