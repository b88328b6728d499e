// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Cuts a stream of bytes into frames and reads each as JSON.
public struct FrameReader: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0

    /// A reader at the beginning of a stream.
    public init() {}

    /// How many bytes wait for the rest of their frame.
    public var pending: Int { buffer.count - start }

    /// Takes in what was read from the socket.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 20)
            start = 0
        } else if start > 1 << 16 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole message; nil until more bytes have come.
    /// - Throws: `BundleProtocolError` where the frame is too long or no JSON object. The stream is of no use after that.
    public mutating func next() throws(BundleProtocolError) -> MessageFields? {
        guard buffer.count - start >= 4 else { return nil }
        var length = 0
        for offset in 0..<4 { length = length << 8 | Int(buffer[start + offset]) }
        guard length <= BundleProtocol.longestFrame else { throw .tooLong(length) }
        guard buffer.count - start - 4 >= length else {
            if start > 0, buffer.capacity - start < length + 4 {
                buffer.removeSubrange(..<start)
                start = 0
            }
            return nil
        }
        let range = start + 4..<start + 4 + length
        start += 4 + length
        do {
            return try buffer.withUnsafeBytes { bytes in
                try MessageFields(JSONValue(parsingEnvelope: UnsafeRawBufferPointer(rebasing: bytes[range])))
            }
        } catch let error as BundleProtocolError {
            throw error
        } catch {
            throw BundleProtocolError("a frame that is no JSON: \(error)")
        }
    }
}
