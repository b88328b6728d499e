// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Connections, variables and secrets in a JSON file:
/// `{"connections": {"orders": "postgres://…"}, "variables": {"region": "eu"}, "secrets": {"API_TOKEN": "…"}}`.
///
/// It is read whenever something is looked up, so a change counts at once. Nobody but its owner, and readers in its group,
/// may see it.
package struct SecretsFile: Sendable {
    private let path: String

    /// The file at a path.
    package init(path: String) { self.path = path }

    /// What stands behind a name; nil where the file has nothing.
    /// - Throws: `PerchError` that names the file, the section and the name, never a value.
    package func find(_ name: SecretName) throws(PerchError) -> FoundSecret? {
        guard let text = try PrivateFile.readIfPresent(path, "secrets.file", groupMayRead: true) else {
            throw PerchError(.unavailable, "secrets.file: there is no file \(path)")
        }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: text)
        } catch {
            // The parser's words would repeat the text.
            throw fault("it is no JSON")
        }
        guard case .object(let sections) = document else { throw fault("it is no JSON object") }
        let known = SecretName.Kind.allCases.map { "\($0.rawValue)s" }
        if let other = sections.keys.sorted().first(where: { !known.contains($0) }) {
            throw fault("there is no section '\(other.shown(40))'; there are \(known.joined(separator: ", "))")
        }
        let section = "\(name.kind.rawValue)s"
        switch sections[section] {
        case nil, .null: return nil
        case .object(let members):
            return try members[name.name].map { (value) throws(PerchError) in
                try found(value, name)
            }
        default: throw fault("'\(section)' is no object")
        }
    }

    private func found(_ value: JSONValue, _ name: SecretName) throws(PerchError) -> FoundSecret {
        do throws(PerchError) {
            switch (name.kind, value) {
            case (_, .string(let text)): return try FoundSecret(text, as: name)
            case (.connection, .object): return .connection(try Connection(json: value))
            case (.variable, _): return try FoundSecret(value.text, as: name)
            default: throw PerchError(.invalid, "it is no text")
            }
        } catch {
            throw fault("\(name): \(error.message)")
        }
    }

    private func fault(_ what: String) -> PerchError { PerchError(.invalid, "\(path): \(what)") }
}
