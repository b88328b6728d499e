// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What lets a sender in: any of the tokens, or a signature made with any of the secrets. Several of a kind are there so that
/// one can be replaced while the other still works.
package struct Credentials: Sendable {
    package var tokens: [String]
    package var secrets: [String]

    /// - Throws: `PerchError` (`invalid`) for a token that no header could carry. It does not show the token.
    package init(tokens: [String] = [], secrets: [String] = []) throws(PerchError) {
        for token in tokens where token.isEmpty || !token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            throw PerchError(.invalid, "a token of the API is one word of visible ASCII characters")
        }
        for secret in secrets where secret.isEmpty {
            throw PerchError(.invalid, "a secret of the API is empty")
        }
        self.tokens = tokens
        self.secrets = secrets
    }

    /// Whether anybody may send.
    package var isOpen: Bool { tokens.isEmpty && secrets.isEmpty }
}
