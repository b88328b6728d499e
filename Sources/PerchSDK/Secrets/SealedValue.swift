// SPDX-License-Identifier: Apache-2.0

/// A text that only a key opens, as the metastore holds it.
package struct SealedValue: Hashable, Sendable {
    /// Which key opens it; tells nothing about the key itself.
    package var keyID: String
    package var text: String

    /// A sealed value as it was read.
    package init(keyID: String, text: String) {
        self.keyID = keyID
        self.text = text
    }
}

/// What is stored of a variable or a connection.
package enum StoredText: Hashable, Sendable {
    case plain(String)
    case sealed(SealedValue)
}

/// Seals and opens what is stored. What was sealed for one name opens for no other.
package protocol Sealer: Sendable {
    /// The key under which new values are sealed.
    var keyID: String { get }
    /// Seals a text for its place.
    func seal(_ text: String, for name: SecretName) throws(PerchError) -> SealedValue
    /// Opens a value.
    /// - Throws: `PerchError` that names the place and the key's id: `unavailable` where the key is not at hand, `invalid`
    ///   where the value was changed or belongs elsewhere.
    func open(_ value: SealedValue, of name: SecretName) throws(PerchError) -> String
}
