// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of bytes into lines.
struct LineBuffer {
    enum Item: Equatable {
        /// A line without its end.
        case line([UInt8])
        /// A line longer than is taken; all of it has been passed over.
        case tooLong
    }

    /// Space, tab and carriage return.
    private static let blanks: [UInt8] = [0x20, 0x09, 0x0D]

    private var rest: [UInt8] = []
    private var isSkipping = false
    private let longest: Int

    init(longest: Int) {
        self.longest = longest
    }

    /// Takes bytes in and gives the lines that they complete. Blank lines are left out.
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> [Item] {
        var items: [Item] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            finish(bytes[start..<end], into: &items)
            start = end + 1
        }
        take(bytes[start...])
        return items
    }

    /// The stream is over: what stands without an end is the last line.
    mutating func end() -> [Item] {
        var items: [Item] = []
        finish(UnsafeRawBufferPointer(start: nil, count: 0)[...], into: &items)
        return items
    }

    private mutating func take(_ bytes: Slice<UnsafeRawBufferPointer>) {
        guard !isSkipping else { return }
        if rest.count + bytes.count > longest {
            rest = []
            isSkipping = true
        } else {
            rest.append(contentsOf: bytes)
        }
    }

    private mutating func finish(_ bytes: Slice<UnsafeRawBufferPointer>, into items: inout [Item]) {
        take(bytes)
        if isSkipping {
            items.append(.tooLong)
        } else if rest.contains(where: { !Self.blanks.contains($0) }) {
            items.append(.line(rest))
        }
        rest.removeAll(keepingCapacity: rest.capacity <= 4_096)
        isSkipping = false
    }
}
