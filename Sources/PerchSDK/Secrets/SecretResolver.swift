// SPDX-License-Identifier: Apache-2.0

/// Where references to secrets are looked up when a wait is armed.
package protocol SecretResolver {
    /// What stands behind a reference; nil where nothing does.
    func secret(_ name: String) -> String?
    /// Where a secret of that name belongs, for messages.
    func place(of name: String) -> String
}

/// Secrets in variables of the triggerer's environment, `PERCH_SECRET_` before their name.
package struct EnvironmentSecrets: SecretResolver {
    private let environment: (String) -> String?

    /// Secrets of an environment.
    package init(environment: @escaping (String) -> String?) { self.environment = environment }

    package func secret(_ name: String) -> String? { environment(Self.variable(name)) }
    package func place(of name: String) -> String { "the environment variable \(Self.variable(name))" }

    private static func variable(_ name: String) -> String { "PERCH_SECRET_\(name)" }
}
