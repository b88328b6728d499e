// SPDX-License-Identifier: Apache-2.0

/// A piece of a page. Only what stands in the program as a literal is markup; whatever is put into one is text, and cannot
/// become anything else:
///
/// ```swift
/// let row: HTML = "<td title=\"\(task.message)\">\(task.taskID)</td>"
/// ```
///
/// Every attribute stands in double quotes. What a reader could mistake, as control characters and marks that turn the
/// direction of writing, is made visible.
struct HTML: Sendable, Hashable, ExpressibleByStringInterpolation {
    private(set) var text: String

    /// A literal of the program, which nobody else has written.
    init(stringLiteral value: StaticString) { text = "\(value)" }

    init(stringInterpolation: Interpolation) { text = stringInterpolation.text }

    private init(markup text: String) { self.text = text }

    /// Nothing.
    static let empty: HTML = ""

    /// Text, as it is shown.
    static func text(_ text: String) -> HTML { "\(text)" }

    /// A piece, where something is so; else nothing.
    static func when(_ condition: Bool, _ piece: @autoclosure () -> HTML) -> HTML { condition ? piece() : .empty }

    static func + (left: HTML, right: HTML) -> HTML { HTML(markup: left.text + right.text) }
    static func += (left: inout HTML, right: HTML) { left.text += right.text }

    var isEmpty: Bool { text.isEmpty }

    /// What is put together from a literal.
    struct Interpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        mutating func appendLiteral(_ literal: StaticString) {
            literal.withUTF8Buffer { text += String(decoding: $0, as: UTF8.self) }
        }

        /// Text: escaped, and what could mislead is made visible.
        mutating func appendInterpolation(_ value: String) { HTML.escape(value, into: &text) }
        mutating func appendInterpolation(_ value: String?) { if let value { HTML.escape(value, into: &text) } }
        mutating func appendInterpolation(_ value: some BinaryInteger) { text += String(value) }
        mutating func appendInterpolation(_ piece: HTML) { text += piece.text }
        mutating func appendInterpolation(_ piece: HTML?) { if let piece { text += piece.text } }
        mutating func appendInterpolation(_ pieces: [HTML]) { for piece in pieces { text += piece.text } }

        /// The value of a field in a form, or a part of a link: escaped, and else byte for byte what it is.
        mutating func appendInterpolation(exact value: String) { HTML.escape(value, exactly: true, into: &text) }

        /// A length in a picture: tenths are fine enough.
        mutating func appendInterpolation(_ value: Double) {
            let tenths = Int((value * 10).rounded())
            text += "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10)"
            if tenths % 10 != 0 { text += ".\(abs(tenths) % 10)" }
        }
    }

    private static func escape(_ value: String, exactly: Bool = false, into text: inout String) {
        // Nearly everything is plain.
        if value.utf8.allSatisfy({ plain[Int($0)] }) {
            text += value
            return
        }
        for scalar in value.unicodeScalars {
            switch scalar.value {
            case 0x26: text += "&amp;"
            case 0x3C: text += "&lt;"
            case 0x3E: text += "&gt;"
            case 0x22: text += "&quot;"
            case 0x27: text += "&#39;"
            case 0x0D where exactly: text += "&#13;"
            case 0x00 where exactly: text += "\u{FFFD}"
            case _ where exactly, 0x09, 0x0A: text.unicodeScalars.append(scalar)
            case 0x00..<0x20, 0x7F..<0xA0, 0x061C, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF,
                0xFFF9...0xFFFB, 0xFFFE, 0xFFFF:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// Whether a byte stands for itself in every place.
    private static let plain: [Bool] = (0..<256).map { byte in
        (0x20..<0x7F).contains(byte) && !"&<>\"'".utf8.contains(UInt8(byte)) || byte == 0x0A
    }
}

extension Sequence<HTML> {
    /// One behind the other, with something between.
    func joined(by separator: HTML) -> HTML {
        var whole = HTML.empty
        for (place, piece) in enumerated() {
            if place > 0 { whole += separator }
            whole += piece
        }
        return whole
    }
}
