// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension HTML {
    /// A JSON text, indented; of a long one the beginning, with how much there is.
    static func json(_ text: String, most: Int = 16_384) -> HTML {
        guard text.utf8.count <= most else {
            return
                "<pre tabindex=\"0\">\(String(decoding: text.utf8.prefix(most), as: UTF8.self)) …</pre><p class=\"soft\">The beginning of \(text.utf8.count.grouped) bytes; the API gives all of it.</p>"
        }
        let value = try? JSONValue(parsingEnvelope: text)  // because what is no JSON is shown as it stands
        let shown = value.map { $0.indented() } ?? text
        // What may be higher than its frame is moved by keys, too.
        let isHigh = shown.utf8.count { $0 == UInt8(ascii: "\n") } > 15 || shown.utf8.count > 1_000
        return "<pre\(HTML.when(isHigh, " tabindex=\"0\""))>\(shown)</pre>"
    }
}

extension JSONValue {
    /// With a line for each member and element, but for those of short lists.
    func indented(_ depth: Int = 0) -> String {
        let inner = String(repeating: "  ", count: depth + 1)
        let end = "\n" + String(repeating: "  ", count: depth)
        switch self {
        case .object(let members) where !members.isEmpty:
            let lines = members.sorted { $0.key < $1.key }.map {
                "\(inner)\(JSONValue.string($0.key).text): \($0.value.indented(depth + 1))"
            }
            return "{\n" + lines.joined(separator: ",\n") + end + "}"
        case .array(let values) where text.utf8.count > 80:
            let lines = values.map { inner + $0.indented(depth + 1) }
            return "[\n" + lines.joined(separator: ",\n") + end + "]"
        default: return text
        }
    }
}
