// SPDX-License-Identifier: Apache-2.0

public import PerchBundle
internal import PerchSDK

/// How a line of an attempt's log is written: `2026-01-01T00:00:00.000Z INFO message`.
public enum AttemptLogLine {
    /// The text of a line, with its end. A message of several lines becomes several; control characters become visible, so
    /// that a message can neither forge a line nor steer a terminal.
    public static func text(of line: LogLine) -> String {
        var bytes: [UInt8] = []
        append(line, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    static func append(_ line: LogLine, to bytes: inout [UInt8]) {
        let head = "\(stamp(line.at)) \(line.level.rawValue.uppercased()) "
        var message = line.message
        message.withUTF8 { text in
            var text = text[...]
            if text.last == 0x0A { text = text.dropLast() }
            bytes.append(contentsOf: head.utf8)
            var index = text.startIndex
            while index < text.endIndex {
                let byte = text[index]
                switch byte {
                case 0x0A:
                    bytes.append(0x0A)
                    bytes.append(contentsOf: head.utf8)
                case 0x09: bytes.append(byte)
                case 0..<0x20, 0x7F: escape(UInt32(byte), to: &bytes)
                case 0xC2 where index + 1 < text.endIndex && text[index + 1] < 0xA0:
                    // The second set of control characters, U+0080 to U+009F.
                    index += 1
                    escape(UInt32(text[index]), to: &bytes)
                default: bytes.append(byte)
                }
                index += 1
            }
        }
        bytes.append(0x0A)
    }

    private static func escape(_ scalar: UInt32, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "\\u{\(String(scalar, radix: 16, uppercase: true))}".utf8)
    }

    /// The instant to the millisecond, always as many digits.
    private static func stamp(_ instant: Timestamp) -> String {
        let second = instant.microseconds - ((instant.microseconds % 1_000_000) + 1_000_000) % 1_000_000
        let milliseconds = (instant.microseconds - second) / 1_000
        let text = Timestamp(microseconds: second).description.dropLast()
        return "\(text).\(milliseconds < 10 ? "00" : milliseconds < 100 ? "0" : "")\(milliseconds)Z"
    }
}
