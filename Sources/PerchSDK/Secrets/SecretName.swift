// SPDX-License-Identifier: Apache-2.0

/// What is looked up among connections, variables and secrets.
package struct SecretName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// What it is.
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case connection, variable, secret
    }

    package var kind: Kind
    /// A connection's id, a variable's key, a secret's name.
    package var name: String

    /// A name from its parts.
    package init(_ kind: Kind, _ name: String) {
        self.kind = kind
        self.name = name
    }

    /// `the connection 'orders'`.
    package var description: String { "the \(kind.rawValue) '\(name.shown())'" }

    package static func < (left: SecretName, right: SecretName) -> Bool {
        (left.kind.rawValue, left.name) < (right.kind.rawValue, right.name)
    }

    /// The variable of the environment that comes before every other place.
    package var environmentVariable: String {
        switch kind {
        case .connection: "PERCH_CONN_\(name.uppercased())"
        case .variable: "PERCH_VAR_\(name.uppercased())"
        case .secret: "PERCH_SECRET_\(name)"
        }
    }

    /// Why there is nothing, and where it can be put.
    package var absence: PerchError {
        let command =
            switch kind {
            case .connection: ", or add it with `connections add`"
            case .variable: ", or set it with `variables set`"
            case .secret: ""
            }
        return PerchError(
            .notFound,
            "there is no \(kind.rawValue) '\(name.shown())': set \(environmentVariable.shown(100)), put it into secrets.file"
                + command)
    }
}

/// What stands behind a name.
package enum FoundSecret: Hashable, Sendable {
    case connection(Connection)
    case variable(Variable)
    case secret(String)

    /// Everything in it that must not be shown.
    package var secrets: [String] {
        switch self {
        case .connection(let connection): connection.secrets
        case .variable(let variable): variable.isSecret ? [variable.value] : []
        case .secret(let text): [text]
        }
    }

    /// What a text stands for, as places outside of the metastore hold it.
    /// - Throws: `PerchError` (`invalid`) that never repeats the text.
    package init(_ text: String, as name: SecretName) throws(PerchError) {
        switch name.kind {
        case .connection: self = .connection(try Connection(parsing: text))
        case .variable: self = .variable(Variable(text, isSecret: SensitiveName.holds(name.name)))
        case .secret: self = .secret(text)
        }
    }
}

/// Where an engine looks up connections, variables and secrets, in all the places in their order.
package protocol SecretDesk: Sendable {
    /// What stands behind a name; nil where nothing does. It never holds up the caller's thread.
    /// - Throws: `PerchError` that names the place and the name, never a value: `unavailable` where it may be found
    ///   later, everything else for what stays wrong.
    func find(_ name: SecretName) async throws -> FoundSecret?
}

/// A desk of what was put on it: for tests.
package struct GivenSecrets: SecretDesk {
    private var found: [SecretName: FoundSecret] = [:]

    /// A desk with connections by id and variables by key.
    package init(connections: [String: Connection] = [:], variables: [String: Variable] = [:]) {
        for (id, connection) in connections { found[SecretName(.connection, id)] = .connection(connection) }
        for (key, variable) in variables { found[SecretName(.variable, key)] = .variable(variable) }
    }

    package func find(_ name: SecretName) async throws -> FoundSecret? { found[name] }
}

extension GivenSecrets: SecretResolver {
    package func secret(_ name: String) -> String? {
        do throws(PerchError) {
            let reference = try SecretReference(parsing: name)
            return found[reference.name].flatMap(reference.text)
        } catch {
            // The trigger's own check says so.
            return nil
        }
    }

    package func place(of name: String) -> String { "'\(name.shown())' of the test" }
}
