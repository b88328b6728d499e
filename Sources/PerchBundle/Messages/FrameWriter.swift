// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Frames on their way out, one after another in one buffer, so that many leave in one `write`.
public struct FrameWriter: Sendable {
    /// The frames.
    public private(set) var bytes: [UInt8] = []
    private var frameStart = 0
    private var needsComma = false

    /// A writer without frames.
    public init() {}

    /// Whether there is nothing to send.
    public var isEmpty: Bool { bytes.isEmpty }

    /// Gives the frames away and starts anew.
    public mutating func take() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &bytes)
        return taken
    }

    /// One frame: its type and then what `body` writes. Leaves nothing behind where it is too long.
    mutating func frame(
        _ type: StaticString, _ body: (inout FrameWriter) -> Void
    ) throws(BundleProtocolError) {
        frameStart = bytes.count
        bytes.append(contentsOf: [0, 0, 0, 0])
        raw("{\"type\":\"")
        raw(type)
        raw("\"")
        needsComma = true
        body(&self)
        raw("}")
        let length = bytes.count - frameStart - 4
        guard length <= BundleProtocol.longestFrame else {
            bytes.removeSubrange(frameStart...)
            throw .tooLong(length)
        }
        for offset in 0..<4 { bytes[frameStart + offset] = UInt8(truncatingIfNeeded: length >> (24 - 8 * offset)) }
    }

    mutating func field(_ name: StaticString, _ value: String) {
        key(name)
        JSONValue.append(value, to: &bytes)
    }

    mutating func field(_ name: StaticString, _ value: String?) {
        if let value { field(name, value) }
    }

    mutating func field(_ name: StaticString, _ value: Int64) {
        key(name)
        number(value)
    }

    mutating func field(_ name: StaticString, _ value: Int) { field(name, Int64(value)) }

    mutating func field(_ name: StaticString, _ value: Bool) {
        key(name)
        raw(value ? "true" : "false")
    }

    mutating func field(_ name: StaticString, _ value: JSONValue) {
        key(name)
        value.append(to: &bytes)
    }

    mutating func field(_ name: StaticString, _ texts: [String]) {
        list(name, texts) { writer, text in JSONValue.append(text, to: &writer.bytes) }
    }

    mutating func object(_ name: StaticString, _ body: (inout FrameWriter) -> Void) {
        key(name)
        element(body)
    }

    mutating func list<Element>(
        _ name: StaticString, _ elements: [Element], _ body: (inout FrameWriter, Element) -> Void
    ) {
        key(name)
        raw("[")
        for (index, value) in elements.enumerated() {
            if index > 0 { raw(",") }
            body(&self, value)
        }
        raw("]")
        needsComma = true
    }

    /// An object as an element of a list.
    mutating func element(_ body: (inout FrameWriter) -> Void) {
        raw("{")
        needsComma = false
        body(&self)
        raw("}")
        needsComma = true
    }

    mutating func number(_ value: Int64) {
        if value >= 0, value < 10 {
            bytes.append(UInt8(ascii: "0") + UInt8(value))
        } else {
            bytes.append(contentsOf: String(value).utf8)
        }
    }

    mutating func text(_ value: String) { JSONValue.append(value, to: &bytes) }

    mutating func raw(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func key(_ name: StaticString) {
        if needsComma { raw(",") }
        raw("\"")
        raw(name)
        raw("\":")
        needsComma = true
    }
}
