// SPDX-License-Identifier: Apache-2.0

/// Cuts what a process prints into lines; of one that is too long the rest is cut off, with a note.
package struct LineAssembler: Sendable {
    /// The longest line, in bytes.
    package static let longest = 8 << 10
    private var rest: [UInt8] = []
    private var dropped = 0

    /// An assembler at the beginning of a line.
    package init() {}

    /// Takes bytes in, gives the lines that they complete.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            if byte == 0x0A {
                lines.append(take())
            } else if rest.count < Self.longest {
                rest.append(byte)
            } else {
                dropped += 1
            }
        }
        return lines
    }

    /// What stands there without an end of line; nil where there is nothing.
    package mutating func flush() -> String? { rest.isEmpty ? nil : take() }

    private mutating func take() -> String {
        if rest.last == 0x0D { rest.removeLast() }
        var line = String(decoding: rest, as: UTF8.self)
        if dropped > 0 { line += "… (\(dropped) bytes more)" }
        rest.removeAll(keepingCapacity: true)
        dropped = 0
        return line
    }
}
