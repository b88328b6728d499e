// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Foundation
package import PerchSDK

/// The keys of a home: the first seals, all open. AES-256-GCM with a random nonce for every value; what a value is for
/// (table and name) is authenticated with it, so that a sealed value opens nowhere but in its own row.
///
/// Nonces and keys come from the system's generator: what must not be guessed is never drawn from a seed.
package struct KeyRing: Sealer {
    private let keys: [(id: String, key: SymmetricKey)]

    /// The keys that stand in a text: each 32 bytes in base64, separated by commas or line breaks.
    /// - Throws: `PerchError` (`invalid`) that names the place and the number of the key, never a part of it.
    package init(parsing text: String, of place: String) throws(PerchError) {
        let texts = text.split { $0 == "," || $0.isWhitespace }
        guard !texts.isEmpty else {
            throw PerchError(
                .invalid, "\(place) holds no key: write 32 bytes in base64, as `secrets generate-key` does")
        }
        var keys: [(String, SymmetricKey)] = []
        for (index, text) in texts.enumerated() {
            guard let bytes = Data(base64Encoded: String(text)), bytes.count == 32 else {
                throw PerchError(
                    .invalid,
                    "key \(index + 1) of \(texts.count) in \(place) is not 32 bytes in base64; `secrets generate-key` makes "
                        + "one")
            }
            let key = SymmetricKey(data: bytes)
            keys.append((Self.id(of: key), key))
        }
        self.keys = keys
    }

    /// A new key, in base64.
    package static func newKey() -> String {
        SymmetricKey(size: .bits256).withUnsafeBytes { Data($0).base64EncodedString() }
    }

    /// The ids of all keys, the one that seals first.
    package var keyIDs: [String] { keys.map(\.id) }

    package var keyID: String { keys[0].id }

    package func seal(_ text: String, for name: SecretName) throws(PerchError) -> SealedValue {
        do {
            let box = try AES.GCM.seal(
                Array(text.utf8), using: keys[0].key, authenticating: Self.place(of: name))
            guard let combined = box.combined else { throw PerchError(.invalid, "a nonce of another length") }
            return SealedValue(keyID: keyID, text: combined.base64EncodedString())
        } catch {
            throw PerchError(.invalid, "\(name) cannot be sealed with the key \(keyID)", cause: error)
        }
    }

    package func open(_ value: SealedValue, of name: SecretName) throws(PerchError) -> String {
        guard let key = keys.first(where: { $0.id == value.keyID })?.key else {
            throw PerchError(
                .unavailable,
                "\(name) is sealed with the key \(value.keyID.shown(40)), which is not at hand; at hand are "
                    + keyIDs.joined(separator: ", "))
        }
        do {
            // The last character before the padding has bits that say nothing: they are part of what is sealed, too.
            guard let bytes = Data(base64Encoded: value.text), bytes.base64EncodedString() == value.text else {
                throw CryptoKitError.incorrectParameterSize
            }
            let plain = try AES.GCM.open(
                AES.GCM.SealedBox(combined: bytes), using: key, authenticating: Self.place(of: name))
            guard let text = String(validating: plain, as: UTF8.self) else {
                throw CryptoKitError.incorrectParameterSize
            }
            return text
        } catch {
            // Which of these it is cannot be told, and the error of the cipher tells nothing more.
            throw PerchError(
                .invalid,
                "what is stored of \(name) does not open with its key \(value.keyID.shown(40)): it was changed, or belongs to "
                    + "another name; set it anew")
        }
    }

    private static func place(of name: SecretName) -> [UInt8] {
        Array("perch/1/\(name.kind.rawValue)/\(name.name)".utf8)
    }

    private static func id(of key: SymmetricKey) -> String {
        var hash = SHA256()
        hash.update(data: Array("perch key id".utf8))
        key.withUnsafeBytes { hash.update(bufferPointer: $0) }
        return hash.finalize().prefix(8).map { byte in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }
}
