// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Where outputs lie that are too long for their rows. Written by the bundle before it reports a task's success, read by
/// whoever needs the value.
package protocol OutputStore: Sendable {
    /// Stores bytes under a name. When it returns they survive the loss of power.
    func write(_ bytes: [UInt8], as name: String) throws
    /// So many bytes of what was stored, from a place on.
    /// - Throws: `PerchError` (`unavailable`) that says what is wrong with the file.
    func read(_ name: String, from offset: Int, count: Int) throws -> [UInt8]
}

extension OutputStore {
    /// The JSON text behind what stands in a row.
    /// - Throws: `PerchError` (`unavailable`) where a file is missing or is not what was stored.
    package func value(of text: String) throws -> String {
        try OutputText(text).value { try self.text(of: $0) }
    }

    /// The text that a reference stands for.
    /// - Throws: `PerchError` (`unavailable`) where the file is missing or is not what was stored.
    package func text(of reference: OutputReference) throws -> String {
        try reference.requireName()
        return try reference.text(of: read(reference.name, from: reference.offset, count: reference.size))
    }
}

extension OutputReference {
    /// Refuses a name that leads elsewhere.
    package func requireName() throws {
        guard OutputPath.isRight(name) else {
            throw PerchError(.unavailable, "'\(name.shown())' names no file with an output")
        }
    }

    /// The text in the bytes that were read for it.
    /// - Throws: `PerchError` (`unavailable`) where they are others than were stored.
    package func text(of bytes: [UInt8]) throws -> String {
        guard bytes.count == size, Self.hash(of: bytes[...]) == hash else {
            throw PerchError(
                .unavailable,
                """
                the output in \(name) is not the one that was stored: wanted are \(size) bytes with \
                the hash \(hash), found are \(bytes.count); clear the task that gave it
                """)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text in the whole file.
    /// - Throws: `PerchError` (`unavailable`) where the file is another than was stored.
    package func text(inFile bytes: [UInt8]) throws -> String {
        try text(of: Array(bytes.dropFirst(offset).prefix(size)))
    }
}
