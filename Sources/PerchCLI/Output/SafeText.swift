// SPDX-License-Identifier: Apache-2.0

/// Text of unknown origin on its way to a terminal or into a table.
enum SafeText {
    /// The text with everything that a terminal would obey made visible: escapes, other control characters, and the
    /// marks that turn the direction of writing. Line feeds and tabs stay where `keepsLines` says so.
    static func neutralised(_ text: String, keepsLines: Bool = false) -> String {
        guard text.unicodeScalars.contains(where: { isUnsafe($0, keepsLines: keepsLines) }) else { return text }
        var safe = ""
        for scalar in text.unicodeScalars {
            if isUnsafe(scalar, keepsLines: keepsLines) {
                safe += shown(scalar)
            } else {
                safe.unicodeScalars.append(scalar)
            }
        }
        return safe
    }

    private static func isUnsafe(_ scalar: Unicode.Scalar, keepsLines: Bool) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: !keepsLines
        case 0x00..<0x20, 0x7F..<0xA0: true
        case 0x200E, 0x200F, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    private static func shown(_ scalar: Unicode.Scalar) -> String {
        switch scalar.value {
        case 0x09: return "\\t"
        case 0x0A: return "\\n"
        case 0x0D: return "\\r"
        case 0x1B: return "\\e"
        default:
            let digits = String(scalar.value, radix: 16)
            return "\\u{" + digits + "}"
        }
    }
}
