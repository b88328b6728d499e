// SPDX-License-Identifier: Apache-2.0

/// How texts and bytes travel in a mail, which is of short lines of ASCII.
enum MailEncoding {
    private static let digits = Array("0123456789ABCDEF".utf8)
    private static let base64Digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Encoded words of RFC 2047, each of at most 64 characters and of whole ones.
    static func encodedWords(_ text: String) -> [String] {
        var words: [String] = []
        var piece: [UInt8] = []
        func end() {
            if !piece.isEmpty { words.append("=?utf-8?B?\(String(decoding: base64(piece[...]), as: UTF8.self))?=") }
            piece = []
        }
        for scalar in text.unicodeScalars {
            let bytes = Array(String(scalar).utf8)
            // 39 bytes are 52 characters, and 12 stand around them: beside a header's name there is room for one.
            if piece.count + bytes.count > 39 { end() }
            piece += bytes
        }
        end()
        return words
    }

    /// A header, folded before its words so that no line is longer than 78 characters where that can be.
    static func header(_ name: String, _ words: [String]) -> String {
        var text = "\(name):"
        var length = text.utf8.count
        for word in words {
            if length + 1 + word.utf8.count > 78, length > name.utf8.count + 1 {
                text += "\r\n"
                length = 0
            }
            text += " " + word
            length += 1 + word.utf8.count
        }
        return text + "\r\n"
    }

    /// A header of free text.
    static func header(_ name: String, text: String) -> String {
        let isPlain =
            text.utf8.allSatisfy { (0x20...0x7E).contains($0) } && !text.contains("=?")
            && !text.contains("  ") && !text.hasPrefix(" ") && !text.hasSuffix(" ")
            && text.split(separator: " ").allSatisfy { $0.utf8.count < 400 }
        return header(name, isPlain ? text.split(separator: " ").map(String.init) : encodedWords(text))
    }

    /// Quoted-printable: lines of at most 76 characters, each kind of line end as CRLF.
    static func quotedPrintable(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        var length = 0
        func add(_ bytes: [UInt8]) {
            if length + bytes.count > 75 {
                result += [0x3D, 0x0D, 0x0A]
                length = 0
            }
            result += bytes
            length += bytes.count
        }
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            let next = index < bytes.count ? bytes[index] : 0x0A
            switch byte {
            case 0x0D, 0x0A:
                if byte == 0x0D, next == 0x0A, index < bytes.count { index += 1 }
                result += [0x0D, 0x0A]
                length = 0
            case 0x20 where next != 0x0A && next != 0x0D, 0x09 where next != 0x0A && next != 0x0D: add([byte])
            case 0x21...0x3C, 0x3E...0x7E: add([byte])
            default: add([0x3D, digits[Int(byte >> 4)], digits[Int(byte & 15)]])
            }
        }
        if length > 0 { result += [0x0D, 0x0A] }
        return result
    }

    /// Base64 without line ends.
    static func base64(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let left = bytes.endIndex - index
            let first = bytes[index]
            let second = left > 1 ? bytes[index + 1] : 0
            let third = left > 2 ? bytes[index + 2] : 0
            result.append(base64Digits[Int(first >> 2)])
            result.append(base64Digits[Int(first & 3) << 4 | Int(second >> 4)])
            result.append(left > 1 ? base64Digits[Int(second & 15) << 2 | Int(third >> 6)] : 0x3D)
            result.append(left > 2 ? base64Digits[Int(third & 63)] : 0x3D)
            index += 3
        }
        return result
    }

    /// A parameter of a header's value, `name="…"`, or the form of RFC 2231 where it is not ASCII.
    static func parameter(_ name: String, _ value: String) -> String {
        if value.utf8.allSatisfy({ (0x20...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }) {
            return "\(name)=\"\(value)\""
        }
        let isPlain = { (byte: UInt8) in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-._~".utf8.contains(byte)
            }
        }
        let bytes = value.utf8.flatMap { byte -> [UInt8] in
            isPlain(byte) ? [byte] : [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return "\(name)*=utf-8''\(String(decoding: bytes, as: UTF8.self))"
    }

    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// `Thu, 01 Jan 1970 00:00:00 +0000`, of an instant in microseconds and as RFC 3339 in UTC.
    static func date(_ microseconds: Int64, _ text: String) -> String {
        let days = (Double(microseconds) / 86_400_000_000).rounded(.down)
        let weekday = weekdays[((Int(days) % 7) + 7) % 7]
        let parts = text.prefix { $0 != "T" }.split(separator: "-")
        let month = parts.count == 3 ? Int(parts[1]).flatMap { (1...12).contains($0) ? months[$0 - 1] : nil } : nil
        let time = text.drop { $0 != "T" }.dropFirst().prefix(8)
        return "\(weekday), \(parts.last ?? "01") \(month ?? "Jan") \(parts.first ?? "1970") \(time) +0000"
    }
}
