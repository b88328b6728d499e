// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What one field of a task's operator has become, with its templates filled in and stars in place of what is secret.
public struct RenderedField: Sendable, Hashable {
    /// As people write it: `command`, `environment.PATH`.
    public var name: String
    public var text: String

    /// A field by its name.
    public init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }

    /// So many bytes of a field are kept.
    package static let longest = 64 << 10
    /// So many bytes of all fields of an attempt are kept.
    package static let longestTogether = 256 << 10
    /// So many fields of an attempt are kept.
    package static let most = 200
}

extension [RenderedField] {
    /// What is kept of them: bounded, and what is cut says so. Whatever the name of a field says is secret is not kept.
    package var bounded: [RenderedField] {
        var left = RenderedField.longestTogether
        var kept = prefix(RenderedField.most).map { field in
            let text = SensitiveName.holds(field.name) && !field.text.isEmpty ? SecretMask.shown : field.text
            let cut = text.cut(to: Swift.min(left, RenderedField.longest))
            left = Swift.max(0, left - text.utf8.count)
            return RenderedField(field.name.shownAsName, cut)
        }
        if count > RenderedField.most {
            kept.append(RenderedField("…", "\(count - RenderedField.most) fields more are not kept"))
        }
        return kept
    }
}

extension String {
    /// The text, or so many bytes of it and how many more there were. No database takes the character 0.
    package func cut(to most: Int) -> String {
        let text = utf8.contains(0) ? replacing("\0", with: "\u{FFFD}") : self
        guard text.utf8.count > most else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: most)
        // Between two characters, and not in the middle of one.
        while end > text.startIndex, text.utf8[end] & 0xC0 == 0x80 { end = text.utf8.index(before: end) }
        return "\(text[..<end])… (\(text.utf8.distance(from: end, to: text.endIndex)) bytes more)"
    }

    fileprivate var shownAsName: String { String(shown(200)) }
}
