// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A picture of `deferred watch` that goes to another machine: drawn where the metastore is, shown where somebody looks.
struct WaitFrame: Hashable {
    /// As many as the screen has at most.
    var lines: [String]
    /// How many waits stand above the first that is shown.
    var offset: Int
    /// Whether there are no fewer waits than there is room for.
    var isFull: Bool

    /// One line of JSON.
    var text: String {
        JSONValue.object([
            "lines": .array(lines.map { .string($0) }), "offset": .integer(Int64(offset)), "is_full": .bool(isFull),
        ]).text
    }

    init(lines: [String], offset: Int, isFull: Bool) {
        self.lines = lines
        self.offset = offset
        self.isFull = isFull
    }

    /// - Throws: `PerchError` (`invalid`) for what is no frame.
    init(parsing text: String) throws {
        guard case .object(let members) = try JSONValue(parsing: text), case .array(let lines) = members["lines"],
            case .integer(let offset) = members["offset"], case .bool(let isFull) = members["is_full"]
        else {
            throw PerchError(.invalid, "the server has sent what is no picture of waits; is it of another version?")
        }
        self.lines = lines.map { if case .string(let line) = $0 { SafeText.neutralised(line) } else { "" } }
        (self.offset, self.isFull) = (Int(offset), isFull)
    }
}
