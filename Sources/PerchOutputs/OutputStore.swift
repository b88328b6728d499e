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
        switch OutputText(text) {
        case .value: return text
        case .reference(let reference): return try value(of: reference)
        case .parts(let parts):
            var texts: [String] = []
            texts.reserveCapacity(parts.count)
            for part in parts { texts.append(try value(of: part)) }
            return "[" + texts.joined(separator: ",") + "]"
        }
    }

    private func value(of reference: OutputReference) throws -> String {
        guard OutputPath.isRight(reference.name) else {
            throw PerchError(.unavailable, "'\(reference.name.shown())' names no file with an output")
        }
        let bytes = try read(reference.name, from: reference.offset, count: reference.size)
        guard bytes.count == reference.size, OutputReference.hash(of: bytes[...]) == reference.hash else {
            throw PerchError(
                .unavailable,
                """
                the output in \(reference.name) is not the one that was stored: wanted are \(reference.size) bytes with \
                the hash \(reference.hash), found are \(bytes.count); clear the task that gave it
                """)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
