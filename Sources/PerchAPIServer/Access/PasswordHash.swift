// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras
import Foundation
import PerchSDK

/// Passwords as they are stored: hashed by scrypt, with how that was done, as `scrypt$15$8$3$salt$hash`. What is stored today
/// can be checked after tomorrow's is made in a harder way.
package struct PasswordHash: Sendable {
    /// The power of two of how many rounds there are, the size of a block, and how many lanes.
    private var cost = 15
    private var blockSize = 8
    private var lanes = 3
    private var salt: [UInt8]
    private var hash: [UInt8] = []

    /// The shortest password that is taken, in characters, and the longest, in bytes.
    package static let shortest = 8
    package static let longest = 1_024

    /// Hashes a password that is new: some 32 MiB and a tenth of a second or more.
    /// - Parameter cost: The power of two of how many rounds there are; fewer are for tests.
    /// - Throws: `PerchError` (`invalid`) for one that is too short or too long.
    package init(_ password: String, cost: Int = 15) throws {
        // Counted as JSON Schema and those who advise on passwords count: by code points.
        guard password.unicodeScalars.count >= Self.shortest, password.utf8.count <= Self.longest else {
            throw PerchError(
                .invalid, "a password has at least \(Self.shortest) characters, and at most \(Self.longest) bytes")
        }
        self.cost = cost
        salt = SymmetricKey(size: .bits128).withUnsafeBytes { Array($0) }
        hash = try derived(from: password)
    }

    /// - Throws: `PerchError` (`metastore`) for what is no such text.
    package init(stored text: String) throws {
        let parts = text.split(separator: "$").map(String.init)
        guard parts.count == 6, parts[0] == "scrypt", let cost = Int(parts[1]), let blockSize = Int(parts[2]),
            let lanes = Int(parts[3]), let salt = Data(base64Encoded: parts[4]),
            let hash = Data(base64Encoded: parts[5]),
            (10...20).contains(cost), (1...32).contains(blockSize), (1...16).contains(lanes), hash.count == 32
        else { throw PerchError(.metastore, "a password is stored in a way that this program does not know") }
        (self.cost, self.blockSize, self.lanes) = (cost, blockSize, lanes)
        (self.salt, self.hash) = (Array(salt), Array(hash))
    }

    /// As it is stored.
    package var text: String {
        "scrypt$\(cost)$\(blockSize)$\(lanes)$\(Data(salt).base64EncodedString())$\(Data(hash).base64EncodedString())"
    }

    /// Whether it is this password's.
    package func fits(_ password: String) throws -> Bool {
        guard password.utf8.count <= Self.longest else { return false }
        // Digests are compared, in a time that does not depend on where they differ.
        return SHA256.hash(data: try derived(from: password)) == SHA256.hash(data: hash)
    }

    private func derived(from password: String) throws -> [UInt8] {
        let key = try KDF.Scrypt.deriveKey(
            from: Array(password.utf8), salt: salt, outputByteCount: 32, rounds: 1 << cost, blockSize: blockSize,
            parallelism: lanes)
        return key.withUnsafeBytes { Array($0) }
    }
}
