// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What becomes of a task's output before its success is reported: most stay as they are, long ones go into the store.
package struct OutputKeeping: Sendable {
    package var store: any OutputStore
    /// The longest output that stays in its row, in bytes of JSON.
    package var inlineSize: Int
    /// The longest output, in bytes of JSON.
    package var largest: Int

    package static let usualInlineSize = 64 << 10
    package static let usualLargest = 16 << 20

    package init(
        store: any OutputStore, inlineSize: Int = OutputKeeping.usualInlineSize,
        largest: Int = OutputKeeping.usualLargest
    ) {
        self.store = store
        self.inlineSize = inlineSize
        self.largest = largest
    }

    /// The output as it is reported, stored under `name` where it is too long for a row. Elements that are too long lie in
    /// the same file.
    /// - Throws: `NonRetryable` where it is longer than any may be; what the store throws.
    package func kept(_ output: String, items: [String]?, as name: @autoclosure () -> String) throws
        -> (output: String, items: [String]?)
    {
        let size = output.utf8.count
        guard size > inlineSize else {
            let isPlain = items?.contains(where: OutputText.isMarked) != true
            return (OutputText.unmarked(output), isPlain ? items : items?.map(OutputText.unmarked))
        }
        guard size <= largest else {
            throw NonRetryable(
                """
                the output is \(size) bytes of JSON; outputs.max_size allows \(largest): put it where others find it, and \
                give its place
                """)
        }
        let name = name()
        guard let items else {
            let bytes = Array(OutputText.unmarked(output).utf8)
            try store.write(bytes, as: name)
            return (reference(name, bytes, 0..<bytes.count), nil)
        }
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        bytes.reserveCapacity(size)
        var ranges: [Range<Int>] = []
        ranges.reserveCapacity(items.count)
        for item in items {
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            let start = bytes.count
            bytes.append(contentsOf: item.utf8)
            ranges.append(start..<bytes.count)
        }
        bytes.append(UInt8(ascii: "]"))
        try store.write(bytes, as: name)
        let kept = zip(items, ranges).map { item, range in
            range.count > inlineSize ? reference(name, bytes, range) : OutputText.unmarked(item)
        }
        return (reference(name, bytes, 0..<bytes.count), kept)
    }

    private func reference(_ name: String, _ bytes: [UInt8], _ range: Range<Int>) -> String {
        OutputText.reference(
            OutputReference(
                name: name, offset: range.lowerBound, size: range.count,
                hash: OutputReference.hash(of: bytes[range]))
        ).text
    }
}
