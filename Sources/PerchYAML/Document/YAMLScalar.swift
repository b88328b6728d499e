// SPDX-License-Identifier: Apache-2.0

/// What a scalar without quotes is, by the core schema of YAML 1.2: `yes`, `on`, `1:30` and `007` are texts.
enum YAMLScalar {
    static func content(of text: String) -> YAMLValue.Content {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .flag(true)
        case "false", "False", "FALSE": return .flag(false)
        default: break
        }
        guard let first = text.utf8.first, isDigit(first) || "+-.".utf8.contains(first) else { return .text(text) }
        if let number = integer(text) { return .integer(number) }
        if isDecimal(text), let number = Double(text), number.isFinite { return .number(number) }
        return .text(text)
    }

    private static func integer(_ text: String) -> Int64? {
        if text.hasPrefix("0x") { return digits(text.dropFirst(2), radix: 16) }
        if text.hasPrefix("0o") { return digits(text.dropFirst(2), radix: 8) }
        let unsigned = text.drop { $0 == "+" || $0 == "-" }
        guard text.utf8.count - unsigned.utf8.count <= 1, unsigned == "0" || unsigned.first != "0",
            unsigned.utf8.allSatisfy(isDigit), !unsigned.isEmpty
        else { return nil }
        return Int64(text)
    }

    private static func digits(_ text: Substring, radix: Int) -> Int64? {
        text.first == "-" || text.first == "+" ? nil : Int64(text, radix: radix)
    }

    /// `[-+]? (\. [0-9]+ | [0-9]+ (\. [0-9]*)?) ([eE] [-+]? [0-9]+)?`, without needless zeros in front.
    private static func isDecimal(_ text: String) -> Bool {
        var rest = text.utf8[...]
        func takeDigits() -> Int {
            let found = rest.prefix(while: isDigit)
            rest = rest[found.endIndex...]
            return found.count
        }
        func take(_ characters: String) -> Bool {
            guard let next = rest.first, characters.utf8.contains(next) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = take("+-")
        let isZeroFirst = rest.first == UInt8(ascii: "0")
        let whole = takeDigits()
        if isZeroFirst, whole > 1 { return false }
        let part = take(".") ? takeDigits() : 0
        guard whole + part > 0 else { return false }
        if take("eE") {
            _ = take("+-")
            guard takeDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
