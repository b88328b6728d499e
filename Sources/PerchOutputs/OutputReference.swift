// SPDX-License-Identifier: Apache-2.0

/// Where an output lies that is too long for its row.
///
/// It stands in the row, and travels, in place of the output's JSON text: an object after a space. What a task gives is
/// stored without white space around it, so no value can be taken for a reference.
package struct OutputReference: Hashable, Sendable {
    /// The file, under the directory of outputs.
    package var name: String
    /// Where in the file the text begins: an element of an output lies within it.
    package var offset: Int
    /// How long the text is, in bytes.
    package var size: Int
    /// The hash of the text.
    package var hash: String

    package init(name: String, offset: Int = 0, size: Int, hash: String) {
        self.name = name
        self.offset = offset
        self.size = size
        self.hash = hash
    }

    /// A hash by which damage is noticed; not for secrets.
    package static func hash(of bytes: ArraySlice<UInt8>) -> String {
        var value: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(bytes.count)
        bytes.withUnsafeBytes { buffer in
            var position = 0
            while position < buffer.count {
                var word: UInt64 = 0
                if position + 8 <= buffer.count {
                    word = buffer.loadUnaligned(fromByteOffset: position, as: UInt64.self).littleEndian
                } else {
                    for (place, byte) in buffer[position...].enumerated() { word |= UInt64(byte) << UInt64(8 * place) }
                }
                value = (value ^ word) &* 0xFF51_AFD7_ED55_8CCD
                value ^= value >> 33
                position += 8
            }
        }
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
