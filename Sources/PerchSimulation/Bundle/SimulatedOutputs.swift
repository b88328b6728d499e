// SPDX-License-Identifier: Apache-2.0

internal import PerchOutputs
internal import PerchSDK

/// Long outputs of a simulated installation: they survive every process, and what was written once is not written again.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedOutputs: OutputStore, @unchecked Sendable {
    private var files: [String: [UInt8]] = [:]
    /// Whether what is written is lost.
    package var isForgetful = false
    /// How many files were written.
    package private(set) var writes = 0

    package init() {}

    /// Every file, by its name.
    package var names: [String] { files.keys.sorted() }

    package func write(_ bytes: [UInt8], as name: String) throws {
        guard files[name] == nil else {
            throw PerchError(.unavailable, "the output \(name) is written a second time")
        }
        writes += 1
        if !isForgetful { files[name] = bytes }
    }

    package func read(_ name: String, from offset: Int, count: Int) throws -> [UInt8] {
        guard let bytes = files[name] else { throw PerchError(.unavailable, "the output in \(name) is missing") }
        return Array(bytes.dropFirst(offset).prefix(count))
    }

    /// Takes a file away.
    package func remove(_ name: String) { files[name] = nil }
}
