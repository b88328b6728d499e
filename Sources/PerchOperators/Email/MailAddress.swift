// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// An address of a mail, with the name before it.
struct MailAddress: Hashable, Sendable {
    /// Empty: none.
    var name: String
    /// `ann@example.org`.
    var address: String

    /// Reads `ann@example.org`, `Ann <ann@example.org>`, `"Doe, Ann" <ann@example.org>`, or several with commas between.
    ///
    /// - Parameter field: Where they stand, for messages.
    /// - Throws: `NonRetryable` that names the address which is wrong.
    static func list(parsing text: String, _ field: String) throws(NonRetryable) -> [MailAddress] {
        var found: [MailAddress] = []
        for part in try parts(of: text, field) { found.append(try MailAddress(parsing: part, field)) }
        return found
    }

    /// What stands between commas and semicolons outside of quotes and `<>`; empty parts are left out.
    private static func parts(of text: String, _ field: String) throws(NonRetryable) -> [String] {
        guard !text.unicodeScalars.contains(where: { $0.value < 0x20 && $0.value != 0x09 || $0.value == 0x7F }) else {
            throw NonRetryable(
                "an address in '\(field)' has an end of line or a control character in it: '\(text.shown(80))'")
        }
        var parts: [String] = []
        var part = ""
        var (isQuoted, isEscaped, isAngled) = (false, false, false)
        for character in text {
            if !isQuoted, !isAngled, character == "," || character == ";" {
                parts.append(part)
                part = ""
                continue
            }
            part.append(character)
            if isEscaped {
                isEscaped = false
            } else if isQuoted, character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
            } else if !isQuoted, character == "<" || character == ">" {
                isAngled = character == "<"
            }
        }
        parts.append(part)
        return parts.map(\.trimmed).filter { !$0.isEmpty }
    }

    private init(parsing text: String, _ field: String) throws(NonRetryable) {
        if text.hasSuffix(">"), let open = text.lastIndex(of: "<") {
            address = text[text.index(after: open)...].dropLast().trimmed
            name = Self.unquoted(text[..<open].trimmed)
        } else {
            address = text
            name = ""
        }
        guard let at = address.lastIndex(of: "@") else { throw Self.fault(text, field) }
        let (local, domain) = (address[..<at], address[address.index(after: at)...])
        // What SMTP without extensions takes, and nothing that could end its line.
        let isPlain = { (byte: UInt8) in (0x21...0x7E).contains(byte) && !"<>()[],;:\\\"@".utf8.contains(byte) }
        guard !local.isEmpty, !domain.isEmpty, address.utf8.count <= 254, local.utf8.allSatisfy(isPlain),
            domain.utf8.allSatisfy(isPlain), !domain.hasPrefix("."), !domain.hasSuffix(".")
        else { throw Self.fault(text, field) }
    }

    private static func fault(_ text: String, _ field: String) -> NonRetryable {
        NonRetryable(
            "'\(text.shown(80))' in '\(field)' is no address such as ann@example.org or Ann <ann@example.org>"
                + (text.utf8.contains { $0 > 0x7F } ? "; outside of names, addresses are ASCII" : ""))
    }

    private static func unquoted(_ text: String) -> String {
        guard text.hasPrefix("\""), text.hasSuffix("\""), text.count >= 2 else { return text }
        var plain = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            if character == "\\", !isEscaped {
                isEscaped = true
            } else {
                plain.append(character)
                isEscaped = false
            }
        }
        return plain
    }

    /// As a header holds it, in words between which a line may be broken.
    var words: [String] {
        if name.isEmpty { return [address] }
        let isAtom = { (byte: UInt8) in
            byte == 0x20 || (0x21...0x7E).contains(byte) && !"<>()[],;:\\\"@.".utf8.contains(byte)
        }
        if !name.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
            return MailEncoding.encodedWords(name) + ["<\(address)>"]
        }
        guard !name.utf8.allSatisfy(isAtom) || name.contains("=?") else {
            return name.split(separator: " ").map(String.init) + ["<\(address)>"]
        }
        return ["\"\(name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\"", "<\(address)>"]
    }
}
