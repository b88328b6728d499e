// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Where references to secrets are looked up when a wait is armed. It answers at once.
package protocol SecretResolver {
    /// What stands behind a reference; nil where nothing does.
    func secret(_ name: String) -> String?
    /// Where a secret of that name belongs, for messages.
    func place(of name: String) -> String
}

/// Secrets in variables of the triggerer's environment, `PERCH_SECRET_` before their name; connections and variables as
/// tasks see them.
package struct EnvironmentSecrets: SecretResolver {
    private let environment: (String) -> String?

    /// Secrets of an environment.
    package init(environment: @escaping (String) -> String?) { self.environment = environment }

    package func secret(_ name: String) -> String? {
        do throws(PerchError) {
            let reference = try SecretReference(parsing: name)
            guard let text = environment(reference.name.environmentVariable) else { return nil }
            return reference.text(in: try FoundSecret(text, as: reference.name))
        } catch {
            // What is no reference, or no connection, stands for nothing; the wait says so by its place.
            return nil
        }
    }

    package func place(of name: String) -> String { "the environment variable \(Self.variable(name))" }

    private static func variable(_ name: String) -> String {
        do throws(PerchError) {
            return try SecretReference(parsing: name).name.environmentVariable
        } catch {
            return SecretName(.secret, name).environmentVariable
        }
    }
}

/// Secrets that were looked up beforehand: a wait is handed to its source when what it refers to is here.
package final class KnownSecrets: SecretResolver, Sendable {
    private struct Answer {
        var found: FoundSecret?
        var at: Int64
    }

    private let answers = Mutex<[SecretName: Answer]>([:])

    /// Nothing is known yet.
    package init() {}

    package func secret(_ name: String) -> String? {
        do throws(PerchError) {
            let reference = try SecretReference(parsing: name)
            return answers.withLock { $0[reference.name]?.found }.flatMap(reference.text)
        } catch {
            // The trigger's own check says so.
            return nil
        }
    }

    package func place(of name: String) -> String {
        do throws(PerchError) {
            let reference = try SecretReference(parsing: name)
            return reference.name.kind == .secret
                ? "the secret '\(name.shown())' (\(reference.name.environmentVariable.shown(100)), or in secrets.file)"
                : "'\(name.shown())'"
        } catch {
            return "'\(name.shown())'"
        }
    }

    /// Whether something was looked up at an instant or later, whatever the answer was.
    package func knows(_ name: SecretName, since instant: Int64) -> Bool {
        answers.withLock { ($0[name]?.at ?? .min) >= instant }
    }

    /// Notes what was found at an instant.
    package func learn(_ name: SecretName, _ found: FoundSecret?, at instant: Int64) {
        answers.withLock { $0[name] = Answer(found: found, at: instant) }
    }

    /// Forgets everything.
    package func forget() { answers.withLock { $0 = [:] } }
}
