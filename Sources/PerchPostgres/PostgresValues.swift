// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore

/// The values of a statement in PostgreSQL's text form, each ended by a zero byte.
struct PostgresValues {
    private var bytes: [UInt8] = []
    /// Where each begins; -1: null.
    private var places: [Int] = []

    init(_ values: [SQLValue]) {
        places.reserveCapacity(values.count)
        for value in values {
            if case .null = value {
                places.append(-1)
                continue
            }
            places.append(bytes.count)
            switch value {
            case .null: break
            case .integer(let number): bytes.append(contentsOf: String(number).utf8)
            case .real(let number): bytes.append(contentsOf: String(number).utf8)
            case .text(let text): append(text)
            }
            bytes.append(0)
        }
    }

    /// PostgreSQL holds no zero byte in a text. What a program has written into a message must not keep its task from
    /// ending, so U+2400, the picture of one, stands in its place.
    private mutating func append(_ text: String) {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        guard bytes[start...].contains(0) else { return }
        bytes.replaceSubrange(start..., with: text.utf8.flatMap { $0 == 0 ? [0xE2, 0x90, 0x80] : [$0] })
    }

    /// About so many bytes they take on the way.
    var size: Int { bytes.count + 4 * places.count }

    func withPointers<Result>(
        _ body: (Int32, UnsafePointer<UnsafePointer<CChar>?>?) throws -> Result
    ) rethrows -> Result {
        try bytes.withUnsafeBufferPointer { buffer in
            try buffer.withMemoryRebound(to: CChar.self) { characters in
                let pointers = places.map { place in place < 0 ? nil : characters.baseAddress.map { $0 + place } }
                return try pointers.withUnsafeBufferPointer { try body(Int32($0.count), $0.baseAddress) }
            }
        }
    }
}
