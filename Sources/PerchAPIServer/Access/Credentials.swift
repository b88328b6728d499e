// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
package import PerchSDK

/// What lets a sender in: any of the tokens, or a signature made with any of the secrets. Several of a kind are there so that
/// one can be replaced while the other still works.
package struct Credentials: Sendable {
    /// What a header carries, and what it lets do.
    package struct Token: Sendable {
        var text: String
        var right: APIRight

        /// - Throws: `PerchError` (`invalid`), which does not show the token.
        init(parsing line: String) throws(PerchError) {
            let words = line.split(separator: " ")
            guard let text = words.first, words.count <= 2, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw PerchError(
                    .invalid,
                    "a token of the API is one word of visible ASCII characters; behind it may stand what it lets do")
            }
            guard let right = words.count == 1 ? .events : APIRight(inFile: String(words[1])) else {
                let names = APIRight.allCases.dropFirst().map { "'\($0.rawValue)'" }.joined(separator: ", ")
                throw PerchError(
                    .invalid, "behind a token of the API stands what it lets do, one of \(names), or nothing")
            }
            self.text = String(text)
            self.right = right
        }
    }

    package var tokens: [Token]
    package var secrets: [String]

    /// - Parameter tokens: One word each, or two: the token, and the right that it gives. Alone it is for events.
    /// - Throws: `PerchError` (`invalid`) for a token that no header could carry. It does not show the token.
    package init(tokens: [String] = [], secrets: [String] = []) throws(PerchError) {
        var parsed: [Token] = []
        for token in tokens { parsed.append(try Token(parsing: token)) }
        for secret in secrets where secret.isEmpty {
            throw PerchError(.invalid, "a secret of the API is empty")
        }
        self.tokens = parsed
        self.secrets = secrets
    }

    /// Whether anybody may send.
    package var isOpen: Bool { tokens.isEmpty && secrets.isEmpty }
}
