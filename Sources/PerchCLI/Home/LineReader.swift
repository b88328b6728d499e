// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Lines from a descriptor, as many at a time as are there.
struct LineReader {
    private let descriptor: Int32
    private var pending: [UInt8] = []
    private var isAtEnd = false
    /// A line may be so long: no sender's mistake fills the memory.
    private static let longest = 16 << 20

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// The next whole lines, without their line feeds; nil at the end.
    mutating func next() throws -> [String]? {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while !isAtEnd {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw TextFile.fault("read", "standard input") }
            if count == 0 {
                isAtEnd = true
                return pending.isEmpty ? nil : [try text(pending[...])]
            }
            pending.append(contentsOf: chunk[..<count])
            guard let end = pending.lastIndex(of: UInt8(ascii: "\n")) else {
                guard pending.count < Self.longest else {
                    throw PerchError(.invalid, "a line of standard input is longer than 16 MiB")
                }
                continue
            }
            let lines = try pending[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(
                text)
            pending.removeSubrange(...end)
            return lines
        }
        return nil
    }

    private func text(_ bytes: ArraySlice<UInt8>) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PerchError(.invalid, "a line of standard input is not UTF-8")
        }
        return text
    }
}
