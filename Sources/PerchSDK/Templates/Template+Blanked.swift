// SPDX-License-Identifier: Apache-2.0

extension Template {
    /// The text with something plain in place of each template, so that what stands around them can be checked where
    /// it is declared.
    public static func blanked(_ text: String, with filling: String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "{{") {
            result += rest[..<start.lowerBound] + filling
            guard let end = rest[start.upperBound...].firstRange(of: "}}") else { return result }
            rest = rest[end.upperBound...]
        }
        return result + rest
    }
}
